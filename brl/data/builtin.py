"""The built-in dataset as a source: what `synthetic` generates, kept in one raw file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from brl.data import synthetic
from brl.data.clip import Clip
from brl.data.normalize import normalize_ntu
from brl.data.source import Source
from brl.files import written_whole
from brl.progress import progress
from brl.skeleton import NTU25

ARCHIVE = "synthetic.npz"


def fetch(folder: Path, mirror: str | None) -> None:
    """Generates all clips; there is nothing to download, so a mirror changes nothing."""
    generated = list(progress(synthetic.clips(), "clips"))
    columns: dict[str, Any] = {
        "names": [clip.name for clip in generated],
        "labels": [clip.label for clip in generated],
        "parts": [clip.parts[synthetic.SPLIT] for clip in generated],
        "shapes": [clip.joints.shape for clip in generated],
        "joints": np.concatenate([clip.joints.ravel() for clip in generated]),
    }
    with written_whole(folder / ARCHIVE) as unfinished:
        np.savez(unfinished, **columns)


def clips(folder: Path) -> Iterator[Clip]:
    """The generated clips, in the sensor's coordinates."""
    with np.load(folder / ARCHIVE, allow_pickle=False) as archive:
        columns = {name: archive[name] for name in archive.files}
    ends = columns["shapes"].prod(axis=1).cumsum()
    joints = np.split(columns["joints"], ends[:-1])
    rows = zip(*(columns[name] for name in ("names", "labels", "parts", "shapes")), strict=True)
    for (name, label, part, shape), flat in zip(rows, joints, strict=True):
        yield Clip(str(name), int(label), flat.reshape(shape), {synthetic.SPLIT: part})


SOURCE = Source(NTU25, synthetic.CLASSES, (synthetic.SPLIT,), fetch, clips, normalize_ntu)
