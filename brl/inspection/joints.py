"""Reads recordings whose layout is not known."""

import json
from pathlib import Path

import numpy as np

from brl.clips.layouts import LAYOUTS
from brl.datasets.recordings import nested_lists, numpy_files
from brl.datasets.recordings.read import format_of, read_recording
from brl.datasets.recordings.recording import Recording
from brl.support.errors import UserError


def read_joints(file: Path) -> np.ndarray:
    """The joints (M, T, V, K) of a recording of any layout.

    What a pose estimator wrote may serve several layouts; the one with the most joints is read.
    Raises UserError where the file holds no joints.
    """
    if not file.exists():
        raise UserError(f"{file}: no such file or folder")
    recording = Recording(file, str(file))
    if format_of(recording) in (numpy_files.FORMAT, nested_lists.FORMAT):
        return _array(file)
    for layout in sorted(LAYOUTS.values(), key=lambda each: -each.num_joints):
        try:
            return read_recording(file, layout, str(file))
        except UserError as error:
            last = error
    raise last


def _array(file: Path) -> np.ndarray:
    """The joints (M, T, V, K) of a .npy file, or of a .json file of nested lists."""
    try:
        if file.suffix == ".json":
            content = json.loads(file.read_text(encoding="utf-8"))
            content = content["skeletons"] if isinstance(content, dict) else content
            joints = np.array(content, dtype=float)
        else:
            joints = np.load(file, allow_pickle=False).astype(float)
    except OSError:
        raise
    except Exception as error:  # a damaged file may raise nearly any exception
        raise UserError(
            f"{file}: not an array of joints ({type(error).__name__}); must be a .npy file, or "
            ".json with nested lists"
        ) from error
    if joints.ndim == 3:
        joints = joints[None]
    if joints.ndim != 4 or not 2 <= joints.shape[-1] <= 4 or not joints.size:
        raise UserError(
            f"{file}: an array of shape {joints.shape}; must be frames x joints x channels "
            "(2 to 4), with or without bodies before them"
        )
    return joints
