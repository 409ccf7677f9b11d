"""Single recordings in files, as a camera's software left them: `.npy`, `.json`, `.skeleton`."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from brl.clips.layout import Layout
from brl.datasets.arrays import as_joints, read_array
from brl.datasets.ntu.bodies import choose_bodies
from brl.datasets.ntu.skeleton_file import read_skeleton
from brl.support.errors import UserError


def find_recordings(paths: Iterable[Path]) -> list[Path]:
    """The files, and of a folder all recordings in it, by name; UserError where there is none."""
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        inside = [path] if path.is_file() else sorted(path.rglob("*"))
        recordings = [file for file in inside if file.suffix in READERS]
        if not recordings:
            kinds = ", ".join(READERS)
            raise UserError(f"{path}: {'is' if path.is_file() else 'holds'} no recording ({kinds})")
        found += recordings
    return found


def read_recording(path: Path, layout: Layout) -> np.ndarray:
    """The joints of a recording, (M, T, V, K), in the sensor's coordinates.

    `.npy` and `.json`: T x V x K, or M x T x V x K; a JSON file may have them under `skeletons`, as
    NW-UCLA's do. `.skeleton`: NTU RGB+D's, from which its people are chosen. Raises UserError
    where the file is none of these or of another skeleton.
    """
    return READERS[path.suffix](path, layout)


def _read_npy(path: Path, layout: Layout) -> np.ndarray:
    return read_array(path, layout, str(path))


def _read_json(path: Path, layout: Layout) -> np.ndarray:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        joints = np.array(content["skeletons"] if isinstance(content, dict) else content)
    except (ValueError, KeyError, RecursionError) as error:
        raise UserError(
            f"{path}: not a recording ({type(error).__name__}: {error}); must be JSON with nested "
            "lists of joints, or with them under `skeletons`"
        ) from error
    return as_joints(joints, layout, str(path))


def _read_skeleton(path: Path, layout: Layout) -> np.ndarray:
    joints = choose_bodies(read_skeleton(path.read_text(errors="replace"), str(path)))
    if joints is None:
        raise UserError(f"{path}: no frame shows a body")
    return as_joints(joints, layout, str(path))


READERS = {".npy": _read_npy, ".json": _read_json, ".skeleton": _read_skeleton}
