"""Joints in NumPy arrays, with or without an axis of bodies."""

import numpy as np

from brl.clips.layout import Layout
from brl.support.errors import UserError


def as_joints(joints: object, layout: Layout, where: str) -> np.ndarray:
    """Adds the axis of bodies where it is missing: (T, V, K) or (M, T, V, K) to (M, T, V, K).

    where: the place named in error messages. Raises UserError for anything else, and for an array
    without a frame.
    """
    if not isinstance(joints, np.ndarray) or joints.dtype.kind not in "fiu":
        raise UserError(f"{where}: must hold one array of numbers")
    check_shape(joints.shape, layout, where)
    return joints[None] if joints.ndim == 3 else joints


def check_shape(shape: tuple[int, ...], layout: Layout, where: str) -> None:
    """Raises UserError where an array of this shape holds no joints of this layout."""
    if len(shape) not in (3, 4) or shape[-2:] != (layout.num_joints, layout.channels):
        channels = "x y z" if layout.dimensions == 3 else "x y"
        channels += " score" * layout.scored
        raise UserError(
            f"{where}: an array of shape {shape}; must be frames x {layout.num_joints} "
            f"joints x {layout.channels} channels ({channels}), with or without bodies before them"
        )
    if 0 in shape:
        raise UserError(f"{where}: an array of shape {shape}; must have at least one frame")
