"""Which bodies of a clip are present.

A body is present in a frame if any of its coordinates there is not zero. A clip has the bodies that
are present in any of its frames: all others are dropped before a clip is stored or recognised. A
clip without any body keeps the first, all zero.
"""

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Joints = TypeVar("Joints", np.ndarray, "Tensor")


def presence(joints: Joints) -> Joints:
    """Which bodies of joints (M, T, V, K), an array or tensor, are present when: (M, T) bool."""
    return (joints != 0).any(-1).any(-1)


def present_bodies(joints: np.ndarray, max_bodies: int) -> np.ndarray:
    """The bodies that are present in any frame, in their order.

    joints: (M, T, V, K). Of more than `max_bodies`, those that are present in the most frames are
    kept (ties: the first). Returns (M', T, V, K), with M' >= 1: a clip without any body keeps the
    first.
    """
    frames = presence(joints).sum(axis=1)
    most = np.argsort(-frames, kind="stable")[:max_bodies]
    kept = np.sort(most[frames[most] > 0])
    return joints[kept] if len(kept) else joints[:1]
