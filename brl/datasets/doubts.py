"""Signs that numbers do not mean what they are taken for: axes, units or the image's size.

Such arrays have a valid shape. Without a word they would give a network that learns nothing.
"""

from collections.abc import Iterator

import numpy as np

from brl.clips.layout import Layout
from brl.clips.normalize import seen_joints
from brl.clips.presence import presence

FEW_PIXELS = 8
SMALL_PART = 0.05  # of the image; its size may be 1 x 1, for coordinates from 0 to 1
FRAMES_AT_ONCE = 4096
SOME, HARDLY_ANY = 0.1, 0.01  # shares of the joints

MORE_BODIES = "more bodies than frames (the axes are bodies x frames x joints x channels)"
NARROW = f"joints within {FEW_PIXELS} pixels (coordinates from 0 to 1 need width and height 1)"
OUTSIDE = "joints that lie mostly outside the image"
SWAPPED = "joints that fit into the image if its width and height are swapped"
DOUBTS = (MORE_BODIES, NARROW, OUTSIDE, SWAPPED)


def doubts(
    joints: np.ndarray, layout: Layout, image_size: tuple[float, float] | None = None
) -> tuple[str, ...]:
    """Those of DOUBTS that a recording raises, joints (M, T, V, K) as recorded.

    image_size: height and width of the image, if the coordinates are its pixels.
    """
    bodies, frames = joints.shape[:2]
    raised = [MORE_BODIES] if bodies > frames and _bodies_seen(joints, layout) > frames else []
    if image_size is not None:
        raised += _of_pixels(_seen_points(joints, layout), image_size)
    return tuple(raised)


def _bodies_seen(joints: np.ndarray, layout: Layout) -> int:
    return int(presence(seen_joints(joints, layout.dimensions)).any(axis=1).sum())


def _seen_points(joints: np.ndarray, layout: Layout) -> Iterator[np.ndarray]:
    """The coordinates (n, D) of the seen joints, some frames at a time: joints may be mapped."""
    for start in range(0, joints.shape[1], FRAMES_AT_ONCE):
        part = joints[:, start : start + FRAMES_AT_ONCE]
        seen = seen_joints(part, layout.dimensions)[..., : layout.dimensions]
        points = seen.astype(np.float64)
        yield points[(points != 0).any(axis=-1)]


def _of_pixels(parts: Iterator[np.ndarray], image_size: tuple[float, float]) -> list[str]:
    """What the seen joints (n, 2) of a recording, in parts, raise."""
    size = np.array(image_size[::-1])
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    count, outside, if_swapped = 0, 0, 0
    for points in filter(len, parts):
        low, high = np.minimum(low, points.min(axis=0)), np.maximum(high, points.max(axis=0))
        count += len(points)
        outside += _outside(points, size)
        if_swapped += _outside(points, size[::-1])
    if not count:
        return []
    if (high - low < FEW_PIXELS).all() and (high - low < SMALL_PART * size).all():
        return [NARROW]
    if outside / count > SOME and if_swapped / count < HARDLY_ANY:
        return [SWAPPED]
    return [OUTSIDE] if outside / count > 0.5 else []


def _outside(points: np.ndarray, size: np.ndarray) -> int:
    """How many of the points (n, 2) are outside an image of this width and height."""
    return int(((points < 0) | (points > size)).any(axis=-1).sum())
