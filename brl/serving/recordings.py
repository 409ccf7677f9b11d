"""Reads single recordings: `.npy`, `.json` and `.skeleton` files."""

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
    """The given files and all recordings in the given folders, sorted by name.

    Raises UserError for a missing path, a file of another type, or a folder without recordings.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        candidates = [path] if path.is_file() else sorted(path.rglob("*"))
        recordings = [file for file in candidates if file.suffix in READERS]
        if not recordings:
            kinds = ", ".join(READERS)
            raise UserError(
                f"{path}: {'is not a' if path.is_file() else 'contains no'} recording ({kinds})"
            )
        files += recordings
    return files


def read_recording(path: Path, layout: Layout) -> np.ndarray:
    """The joints (M, T, V, K) of a recording, in the sensor's coordinates.

    `.npy` and `.json` files hold an array (T, V, K) or (M, T, V, K); a JSON file may hold it under
    the key `skeletons`, as in NW-UCLA. `.skeleton` is the format of NTU RGB+D; its bodies are
    selected as for training. Raises UserError if the file is not valid or does not fit the layout.
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
