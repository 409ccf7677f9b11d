"""Reads recordings whose layout is not known."""

from pathlib import Path

import numpy as np

from brl.clips.layouts import LAYOUTS
from brl.datasets.ranges import check_range
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
        return _array(recording)
    for layout in sorted(LAYOUTS.values(), key=lambda each: -each.num_joints):
        try:
            return read_recording(file, layout, str(file))
        except UserError as error:
            last = error
    raise last


def _array(recording: Recording) -> np.ndarray:
    """The joints (M, T, V, K) of a .npy file, or of JSON with nested lists."""
    file, content = recording.where, recording.json
    if content is None:
        joints = numpy_files.mapped(recording.path, file).astype(float)
    else:
        nested = content["skeletons"] if isinstance(content, dict) else content
        try:
            joints = np.array(nested, dtype=float)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise UserError(
                f"{file}: no joints ({type(error).__name__}); must be nested lists of numbers, "
                "equally long on each level"
            ) from error
    if joints.ndim == 3:
        joints = joints[None]
    if joints.ndim != 4 or not 2 <= joints.shape[-1] <= 4 or not joints.size:
        raise UserError(
            f"{file}: an array of shape {joints.shape}; must be frames x joints x channels "
            "(2 to 4), with or without bodies before them"
        )
    check_range(joints, joints.shape[-1], file)
    return joints
