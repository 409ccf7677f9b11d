"""Statistics of single clips as they were recorded: the basis of the data report."""

import hashlib
from dataclasses import dataclass

import numpy as np

from brl.clips.normalize import seen_joints
from brl.clips.presence import presence


@dataclass(frozen=True)
class Facts:
    """Statistics of one clip before normalisation (but with pixels in the image's frame).

    bodies          number of bodies that any frame shows
    frames          number of frames T
    empty_frames    number of frames without any body
    joints          number of joints of the bodies that a frame shows, over all frames
    missing_joints  number of these joints that are all zero or not finite
    not_finite      number of joints with a coordinate that is not finite
    digest          hash of the coordinates; equal clips have equal digests
    """

    bodies: int
    frames: int
    empty_frames: int
    joints: int
    missing_joints: int
    not_finite: int
    digest: bytes


def facts_of(joints: np.ndarray) -> Facts:
    """Computes the statistics of joints (M, T, V, K), as recorded."""
    known = seen_joints(joints)
    missing = (known == 0).all(axis=-1)
    seen = presence(known)
    return Facts(
        bodies=int(seen.any(axis=1).sum()),
        frames=joints.shape[1],
        empty_frames=int((~seen.any(axis=0)).sum()),
        joints=int(seen.sum()) * joints.shape[2],
        missing_joints=int(missing[seen].sum()),
        not_finite=int((~np.isfinite(joints).all(axis=-1)).sum()),
        digest=hashlib.blake2b(np.ascontiguousarray(joints).data, digest_size=16).digest(),
    )
