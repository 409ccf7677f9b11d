"""The classes of a dataset that `subsample.classes` chooses, and their clips alone."""

from collections.abc import Sequence

from brl.clips.clip import Splits
from brl.support.errors import UserError


def chosen_labels(classes: Sequence[str], wanted: Sequence[str | int] | None) -> list[int]:
    """The labels of the chosen classes, in the dataset's order.

    classes: all class names in label order. wanted: names, or labels from 0; None: all of them.
    Raises UserError where one is unknown or chosen twice.
    """
    if wanted is None:
        return list(range(len(classes)))
    labels: set[int] = set()
    for each in wanted:
        label = _label(classes, each)
        if label in labels:
            raise UserError(
                f"params.yaml: subsample.classes: {classes[label]!r}, number {label}, is chosen "
                "twice; each class may occur once"
            )
        labels.add(label)
    return sorted(labels)


def _label(classes: Sequence[str], wanted: str | int) -> int:
    if isinstance(wanted, str) and wanted in classes:
        return classes.index(wanted)
    if isinstance(wanted, int) and 0 <= wanted < len(classes):
        return wanted
    raise UserError(
        f"params.yaml: subsample.classes: unknown class {wanted!r}; must be a number from 0 to "
        f"{len(classes) - 1}, or one of {', '.join(classes)}"
    )


def without_clips(splits: Splits, names: set[str]) -> Splits:
    """The splits without the clips of these names, in the same order."""
    return {
        split: {
            part: [name for name in clips if name not in names] for part, clips in parts.items()
        }
        for split, parts in splits.items()
    }
