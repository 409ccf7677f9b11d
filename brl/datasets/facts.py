"""What is worth knowing of clips as they were recorded: the basis of the data report."""

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Facts:
    """Of one clip as it was read, before normalisation (pixels are in the image's frame by then).

    bodies          seen in any frame
    frames          T
    empty_frames    without any body
    joints          of the bodies seen in a frame, over all frames
    missing_joints  of these: at zero, or not a finite number
    not_finite      of these: with a coordinate that is not a finite number
    digest          hash of the coordinates: equal clips have equal digests
    """

    bodies: int
    frames: int
    empty_frames: int
    joints: int
    missing_joints: int
    not_finite: int
    digest: bytes


def facts_of(joints: np.ndarray) -> Facts:
    """joints (M, T, V, K), as recorded."""
    unknown = ~np.isfinite(joints).all(axis=-1)
    missing = unknown | (joints == 0).all(axis=-1)
    seen = ~missing.all(axis=-1)
    return Facts(
        bodies=int(seen.any(axis=1).sum()),
        frames=joints.shape[1],
        empty_frames=int((~seen.any(axis=0)).sum()),
        joints=int(seen.sum()) * joints.shape[2],
        missing_joints=int(missing[seen].sum()),
        not_finite=int(unknown.sum()),
        digest=hashlib.blake2b(np.ascontiguousarray(joints).data, digest_size=16).digest(),
    )
