"""Accuracy: overall, by class, and by the number of training clips of a class."""

from dataclasses import dataclass

import numpy as np

from brl.config.evaluate import EvaluateParams
from brl.scores.scores import FEW, Predictions

Headline = dict[str, float | None]
GROUPS = ("many", "medium", "few")


def accuracy_by_class(clips: Predictions) -> np.ndarray:
    """Accuracy of each class, (C,), in %: the recognised share of its test clips.

    NaN for a class without test clips.
    """
    correct, tested = (
        np.bincount(labels, minlength=clips.num_classes)
        for labels in (clips.labels[clips.correct], clips.labels)
    )
    undefined = np.full(clips.num_classes, np.nan)
    return 100 * np.divide(correct, tested, out=undefined, where=tested > 0)


@dataclass(frozen=True)
class ShotLimits:
    """What separates many-, medium- and few-shot classes, in training clips."""

    many_above: int
    few_below: int

    @classmethod
    def of(cls, train_clips: np.ndarray, params: EvaluateParams) -> "ShotLimits":
        """The limits for classes with these training clips, (C,).

        With `thirds`, a third of the classes, rounded down, is many-shot and a third few-shot;
        classes with as many clips as a medium-shot one are medium-shot, too.
        """
        many, few = params.many_shot_above, params.few_shot_below
        if isinstance(many, int) and isinstance(few, int):
            return cls(many, few)
        ascending, third = np.sort(train_clips), len(train_clips) // 3
        return cls(int(ascending[-1 - third]), int(ascending[third]))

    @property
    def by_name(self) -> dict[str, int]:
        """The limits by their names in params.yaml."""
        return {"many_shot_above": self.many_above, "few_shot_below": self.few_below}

    @property
    def in_words(self) -> str:
        """A sentence that says where the groups begin."""
        return (
            f"Many-shot classes have more than {self.many_above} training clips, few-shot classes "
            f"fewer than {self.few_below}."
        )


def shot_groups(train_clips: np.ndarray, params: EvaluateParams) -> np.ndarray:
    """The group of each class, (C,): `many`, `medium` or `few`, by its training clips (C,)."""
    limits = ShotLimits.of(train_clips, params)
    return np.select(
        [train_clips > limits.many_above, train_clips < limits.few_below],
        ["many", "few"],
        "medium",
    )


def overall(clips: Predictions) -> Headline:
    """Top-1, top-5 and mean class accuracy in %: `top1`, `top5` and `mean_class`.

    `top5` is None with five classes or fewer.
    """
    return _overall(clips, accuracy_by_class(clips))


def headline(clips: Predictions, groups: np.ndarray) -> Headline:
    """`overall`, and the mean class accuracy of each group in %: `many`, `medium` and `few`.

    groups: (C,), as `shot_groups` gives them. A group without tested classes has None.
    """
    by_class = accuracy_by_class(clips)
    of_groups = {group: _mean(by_class[groups == group]) for group in GROUPS}
    return _overall(clips, by_class) | of_groups


def _overall(clips: Predictions, by_class: np.ndarray) -> Headline:
    return {
        "top1": _percent(clips.correct),
        "top5": _percent(clips.among_five) if clips.num_classes > FEW else None,
        "mean_class": _mean(by_class),
    }


def _percent(correct: np.ndarray) -> float:
    return round(100 * float(correct.mean()), 4)


def _mean(values: np.ndarray) -> float | None:
    """Mean over the classes that have test clips."""
    tested = values[~np.isnan(values)]
    return round(float(tested.mean()), 4) if len(tested) else None
