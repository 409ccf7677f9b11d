"""What benchmarks of speed compute on: generated clips with NTU's shape and number of classes."""

from pathlib import Path

import numpy as np

from brl.clips.clip import Clip
from brl.clips.layouts import NTU25
from brl.clips.normalize import Normalization
from brl.clips.store import ClipStore, write_store

CLASSES = tuple(map(str, range(60)))
CLIPS = 64  # for each number of bodies
LENGTH = 100
PUBLISHED_WIDTHS = {"msg3d": 96}  # of networks; the others have the width of the preset


def store_in(folder: Path) -> ClipStore:
    """A store of clips of one body, then as many of two."""
    draws = np.random.default_rng(0)
    clips = [
        Clip(
            f"{bodies}-{number}", number % len(CLASSES), draws.normal(size=(bodies, LENGTH, 25, 3))
        )
        for bodies in (1, 2)
        for number in range(CLIPS)
    ]
    write_store(
        folder / "store",
        clips,
        dataset="generated",
        layout=NTU25,
        classes=CLASSES,
        splits=lambda names: {"all": {"train": names[:1], "test": names[1:]}},
        normalization=Normalization("none"),
    )
    return ClipStore.open(folder / "store")
