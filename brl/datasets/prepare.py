"""From raw files to the clip store."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from brl.clips.clip import Clip
from brl.clips.normalize import normalized
from brl.clips.store import write_store
from brl.datasets.facts import Facts, facts_of
from brl.datasets.source import Dataset
from brl.support.errors import UserError
from brl.support.progress import progress

ITEMS_A_CORE = 64


def prepare(name: str, dataset: Dataset, store: Path, max_bodies: int) -> list[Facts]:
    """Reads and normalises every clip of a dataset and writes the store.

    Keeps at most `max_bodies` bodies a clip. Where reading is the work (raw files), all cores
    share it. Returns what each clip was like as recorded, in the store's order.
    """
    facts: list[Facts] = []

    def clips() -> Iterator[Clip]:
        # Items and splits may be large, and would go to other processes with every call.
        alone = replace(dataset, items=(), splits=lambda names: {})
        prepared = partial(_prepared, alone, max_bodies)
        results = (
            _in_parallel(prepared, dataset.items)
            if dataset.parallel
            else map(prepared, dataset.items)
        )
        for result in progress(results, "recordings", total=len(dataset.items)):
            for clip, known in result:
                facts.append(known)
                yield clip

    write_store(
        store,
        clips(),
        dataset=name,
        layout=dataset.layout,
        classes=dataset.classes,
        splits=dataset.splits,
        normalization=dataset.normalization,
    )
    return facts


def _in_parallel(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
    """Results in the items' order, by as many processes as there are cores.

    In slices: where reading is faster than writing, no more than a slice's results wait.
    """
    size = ITEMS_A_CORE * joblib.cpu_count()
    with joblib.Parallel(n_jobs=-1) as pool:
        for start in range(0, len(items), size):
            yield from pool(joblib.delayed(function)(item) for item in items[start : start + size])


def _prepared(dataset: Dataset, max_bodies: int, item: Any) -> list[tuple[Clip, Facts]]:
    prepared = []
    for clip in dataset.read(item):
        _check(clip, dataset)
        with np.errstate(over="ignore"):  # beyond float32: no finite number
            joints = np.asarray(clip.joints, dtype=np.float32)
        facts = facts_of(joints)
        joints = normalized(joints, dataset.layout, dataset.normalization, max_bodies)
        prepared.append((replace(clip, joints=joints), facts))
    return prepared


def _check(clip: Clip, dataset: Dataset) -> None:
    layout, num_classes = dataset.layout, len(dataset.classes)
    shape = clip.joints.shape
    if not clip.name or not clip.name.isprintable():
        raise UserError(
            f"clip {clip.name!r}: no name of a clip; must be one line of printable text"
        )
    if len(shape) != 4 or shape[2:] != (layout.num_joints, layout.channels) or 0 in shape:
        raise UserError(
            f"clip {clip.name}: joints of shape {shape}; must be (bodies, frames, "
            f"{layout.num_joints}, {layout.channels}), none of them 0"
        )
    if not 0 <= clip.label < num_classes:
        raise UserError(f"clip {clip.name}: label {clip.label}; must be 0 to {num_classes - 1}")
