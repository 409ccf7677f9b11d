"""Joints in NumPy arrays, with or without an axis of bodies."""

from pathlib import Path
from typing import Literal

import numpy as np

from brl.clips.layout import Layout
from brl.support.errors import UserError


def read_array(
    path: Path, layout: Layout, where: str, mapped: Literal["r"] | None = None
) -> np.ndarray:
    """Reads joints (M, T, V, K) from a .npy file.

    where: the place named in error messages. mapped: "r" maps the file instead of reading it.
    Raises UserError where the file is damaged or does not fit the layout.
    """
    try:
        joints = np.load(path, mmap_mode=mapped, allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # a damaged file may raise nearly any exception
        raise UserError(
            f"{where}: not a whole array file ({type(error).__name__}); must be an array of "
            "numbers written by numpy.save"
        ) from error
    return as_joints(joints, layout, where)


def as_joints(joints: object, layout: Layout, where: str) -> np.ndarray:
    """Adds the axis of bodies where it is missing: (T, V, K) or (M, T, V, K) to (M, T, V, K).

    where: the place named in error messages. Raises UserError for anything else.
    """
    if not isinstance(joints, np.ndarray) or joints.dtype.kind not in "fiu":
        raise UserError(f"{where}: must hold one array of numbers")
    if joints.ndim == 3:
        joints = joints[None]
    if joints.ndim != 4 or joints.shape[2:] != (layout.num_joints, layout.channels):
        channels = "x y z" if layout.dimensions == 3 else "x y"
        channels += " score" * layout.scored
        raise UserError(
            f"{where}: an array of shape {joints.shape}; must be frames x {layout.num_joints} "
            f"joints x {layout.channels} channels ({channels}), with or without bodies before them"
        )
    return joints
