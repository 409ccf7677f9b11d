"""MATLAB files with the joints of one recording.

Either an array of joints, frames first or last: frames x joints x channels, or joints x channels x
frames as in UTD-MHAD. Or, as in Penn Action, an array for each axis, x, y and perhaps z, frames x
joints, and perhaps one of the same shape with visibilities or scores.
"""

import numpy as np

from brl.clips.layout import Layout
from brl.datasets.arrays import as_joints
from brl.datasets.matlab import MatlabFile
from brl.datasets.pickles import shown
from brl.datasets.recordings.people import as_skeleton
from brl.datasets.recordings.recording import Format, Recording
from brl.support.errors import UserError

AXES = ("x", "y", "z")
SCORES = ("visibility", "score", "scores", "confidence")


def matches(recording: Recording) -> bool:
    """Whether the file starts as MATLAB's do, or is named .mat."""
    return recording.head.startswith(b"MATLAB ") or recording.path.suffix == ".mat"


def read(recording: Recording, layout: Layout) -> np.ndarray:
    """The joints (M, T, V, K) of the only array that fits the layout, or of x and y."""
    where = recording.where
    variables = MatlabFile.read(recording.path.read_bytes(), where, ()).variables
    arrays = {name: each for name, each in variables.items() if isinstance(each, np.ndarray)}
    if {"x", "y"} <= arrays.keys():
        return as_joints(_of_axes(arrays, layout, where), layout, where)
    frames_first = [_frames_first(each, layout) for each in arrays.values()]
    fitting = [joints for joints in frames_first if joints is not None]
    if len(fitting) != 1:
        shapes = ", ".join(f"{shown(name)} {each.shape}" for name, each in arrays.items())
        raise UserError(
            f"{where}: holds {shapes[:200] or 'no numbers'}; must be one array of joints of the "
            f"layout {layout.name}, frames x {layout.num_joints} joints x {layout.channels} "
            f"channels or {layout.num_joints} x {layout.channels} x frames, or x and y, frames x "
            "joints"
        )
    return as_joints(fitting[0], layout, where)


def _frames_first(array: np.ndarray, layout: Layout) -> np.ndarray | None:
    """The array with its frames before its joints; None where it is none of the layout's joints."""
    joint = (layout.num_joints, layout.channels)
    if array.ndim in (3, 4) and array.shape[-2:] == joint:
        return array
    if array.ndim in (2, 3) and array.shape[:2] == joint:  # MATLAB drops a last axis of length 1
        return np.moveaxis(np.atleast_3d(array), -1, 0)
    return None


def _of_axes(arrays: dict[str, np.ndarray], layout: Layout, where: str) -> np.ndarray:
    """The joints (T, V, K); those with a visibility or score of 0 were not seen."""
    scores = [name for name in SCORES if name in arrays][:1]
    names = [name for name in (*AXES, *scores) if name in arrays]
    shapes = {arrays[name].shape for name in names}
    if len(shapes) > 1 or arrays["x"].ndim != 2 or not arrays["x"].size:
        given = ", ".join(f"{name} {arrays[name].shape}" for name in names)
        raise UserError(f"{where}: {given}; must be frames x joints, each of the same shape")
    values = np.stack([arrays[name].astype(np.float64) for name in names], axis=-1)
    count = len(names) - len(scores)
    return np.stack(
        [
            as_skeleton(frame[:, :count], frame[:, -1] if scores else None, layout, where)
            for frame in values
        ]
    )


FORMAT = Format("MATLAB (.mat)", (".mat",), matches, read)
