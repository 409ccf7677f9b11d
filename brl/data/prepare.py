"""From raw files to the clip store."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from brl.data.clip import Clip
from brl.data.source import Source
from brl.data.store import write_store
from brl.progress import progress


def prepare(dataset: str, source: Source, raw: Path, store: Path, max_bodies: int) -> None:
    """Normalises every clip of a dataset and writes the store; at most `max_bodies` a clip."""

    def prepared() -> Iterator[Clip]:
        for clip in progress(source.clips(raw), "clips"):
            joints = source.normalize(present_bodies(clip.joints, max_bodies))
            yield replace(clip, joints=joints)

    write_store(
        store,
        prepared(),
        dataset=dataset,
        layout=source.layout,
        classes=source.classes,
        splits=source.splits,
    )


def present_bodies(joints: np.ndarray, max_bodies: int) -> np.ndarray:
    """The first `max_bodies` bodies that are present in any frame; of an empty clip the first.

    joints (M, T, V, K) to (M', T, V, K).
    """
    present = np.flatnonzero((joints != 0).any(axis=(1, 2, 3)))
    return joints[present[:max_bodies]] if len(present) else joints[:1]
