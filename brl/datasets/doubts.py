"""Signs that numbers do not mean what they are taken for: axes, units or the image's size.

Such arrays have a valid shape. Without a word they would give a network that learns nothing.
"""

import numpy as np

from brl.clips.layout import Layout
from brl.clips.normalize import seen_joints
from brl.clips.presence import presence

FEW_PIXELS = 8
SMALL_PART = 0.05  # of the image; its size may be 1 x 1, for coordinates from 0 to 1
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
    seen = seen_joints(joints, layout.dimensions)
    raised = [MORE_BODIES] if presence(seen).any(axis=1).sum() > joints.shape[1] else []
    if image_size is not None:
        points = seen[..., : layout.dimensions].astype(np.float64)
        raised += _of_pixels(points[(points != 0).any(axis=-1)], image_size)
    return tuple(raised)


def _of_pixels(points: np.ndarray, image_size: tuple[float, float]) -> list[str]:
    """What the seen joints (n, 2) of a recording raise."""
    if not len(points):
        return []
    size = np.array(image_size[::-1])
    span = np.ptp(points, axis=0)
    if (span < FEW_PIXELS).all() and (span < SMALL_PART * size).all():
        return [NARROW]
    outside, if_swapped = (_share_outside(points, each) for each in (size, size[::-1]))
    if outside > SOME and if_swapped < HARDLY_ANY:
        return [SWAPPED]
    return [OUTSIDE] if outside > 0.5 else []


def _share_outside(points: np.ndarray, size: np.ndarray) -> float:
    """The share of points (n, 2) outside an image of this width and height."""
    return float(((points < 0) | (points > size)).any(axis=-1).mean())
