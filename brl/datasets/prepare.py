"""Reads raw files, normalises the clips and writes the clip store."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from brl.clips.clip import Clip, Splits
from brl.clips.normalize import normalized
from brl.clips.store import write_store
from brl.datasets.chosen import chosen_labels, without_clips
from brl.datasets.facts import Facts, facts_of
from brl.datasets.ranges import SIZE_RULE, check_range, is_size
from brl.datasets.source import Dataset
from brl.support.errors import UserError
from brl.support.parallel import in_parallel
from brl.support.progress import progress
from brl.support.text import FORMULA, NAME_RULE, is_name, shortened


def prepare(
    name: str,
    dataset: Dataset,
    store: Path,
    max_bodies: int,
    classes: Sequence[str | int] | None = None,
) -> list[Facts]:
    """Reads and normalises the clips of a dataset and writes them to the folder `store`.

    name: the dataset's name, for messages and the store. max_bodies: bodies kept per clip.
    classes: those whose clips are written, by name or label, relabelled from 0 in the dataset's
    order; None: all. The splits are made of the names of all clips.
    Where the dataset is marked as parallel, all cores share the reading.
    Returns the statistics of each clip as recorded, in the store's order. Raises UserError where a
    clip does not fit the dataset, or names or splits do not fit together.
    """
    facts: list[Facts] = []
    labels = chosen_labels(dataset.classes, classes)
    new_label = {label: index for index, label in enumerate(labels)}
    names: list[str] = []  # of all clips
    others: set[str] = set()  # names of clips of other classes

    def clips() -> Iterator[Clip]:
        # Items and splits may be large and would be sent to the other processes with every call.
        small = replace(dataset, items=(), splits=_no_splits)
        prepared = partial(_prepared, small, max_bodies)
        results = (
            in_parallel(prepared, dataset.items)
            if dataset.parallel
            else map(prepared, dataset.items)
        )
        for result in progress(results, "recordings", total=len(dataset.items)):
            for clip, clip_facts in result:
                names.append(clip.name)
                if clip.label in new_label:
                    facts.append(clip_facts)
                    yield replace(clip, label=new_label[clip.label])
                else:
                    others.add(clip.name)

    def splits(kept: list[str]) -> Splits:
        of_names = dataset.splits(names)
        for split in of_names:
            if not is_name(split) or split.startswith(FORMULA):
                raise UserError(
                    f"{name}: split {shortened(split, 60)!r}: not a valid name; {NAME_RULE}, "
                    f"that does not begin with {' '.join(FORMULA)}"
                )
        of_names = without_clips(of_names, others) if others else of_names
        if dataset.final:
            digest_of = {name: of.digest for name, of in zip(kept, facts, strict=True)}
            leave_out_copies(of_names, dataset.final, digest_of)
        return of_names

    write_store(
        store,
        clips(),
        dataset=name,
        layout=dataset.layout,
        classes=tuple(dataset.classes[label] for label in labels),
        splits=splits,
        normalization=dataset.normalization,
    )
    return facts


def leave_out_copies(splits: Splits, final: str, digest_of: dict[str, bytes]) -> None:
    """Takes the test clips of the split `final`, and their copies, out of other splits' test parts.

    What is chosen by those parts is then not chosen by the final test clips. digest_of: the hash of
    each clip's coordinates as recorded, by name.
    """
    tested = {digest_of[name] for name in splits[final]["test"]}
    for split, parts in splits.items():
        if split != final:
            parts["test"] = [name for name in parts["test"] if digest_of[name] not in tested]


def _no_splits(_names: list[str]) -> Splits:
    return {}


def _prepared(dataset: Dataset, max_bodies: int, item: Any) -> list[tuple[Clip, Facts]]:
    """The clips of an item, normalised, each with its statistics before normalisation."""
    prepared = []
    for clip in dataset.read(item):
        _check(clip, dataset)
        facts = facts_of(clip, dataset.layout)
        joints = normalized(
            clip.joints, dataset.layout, dataset.normalization, max_bodies, clip.image_size
        )
        prepared.append((replace(clip, joints=joints, image_size=None), facts))
    return prepared


def _check(clip: Clip, dataset: Dataset) -> None:
    """Raises UserError where name, joints or label of a clip are invalid."""
    layout, num_classes = dataset.layout, len(dataset.classes)
    shape = clip.joints.shape
    if not is_name(clip.name):
        raise UserError(f"clip {shortened(clip.name, 60)!r}: not a valid name; {NAME_RULE}")
    if len(shape) != 4 or shape[2:] != (layout.num_joints, layout.channels) or 0 in shape:
        raise UserError(
            f"clip {clip.name}: joints of shape {shape}; must be (bodies, frames, "
            f"{layout.num_joints}, {layout.channels}), none of them 0"
        )
    if not 0 <= clip.label < num_classes:
        raise UserError(f"clip {clip.name}: label {clip.label}; must be 0 to {num_classes - 1}")
    if clip.image_size is not None and not all(map(is_size, clip.image_size)):
        height, width = clip.image_size
        raise UserError(
            f"clip {clip.name}: an image of {width:g} x {height:g}; must be {SIZE_RULE} pixels"
        )
    check_range(clip.joints, layout.dimensions, f"clip {clip.name}")
