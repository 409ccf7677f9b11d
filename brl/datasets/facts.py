"""Statistics of single clips as they were recorded: the basis of the data report."""

import hashlib
from dataclasses import dataclass

import numpy as np

from brl.clips.clip import Clip
from brl.clips.layout import Layout
from brl.clips.normalize import seen_joints
from brl.clips.presence import presence
from brl.datasets.doubts import doubts


@dataclass(frozen=True, slots=True)
class Facts:
    """Statistics of one clip as recorded.

    bodies          number of bodies that any frame shows
    frames          number of frames T
    empty_frames    number of frames without any body
    joints          number of joints of the bodies that a frame shows, over all frames
    missing_joints  number of these joints that were not seen
    not_finite      number of joints with a coordinate that is not finite
    doubts          signs that the numbers do not mean what they are taken for
    digest          hash of the coordinates; equal clips have equal digests
    """

    bodies: int
    frames: int
    empty_frames: int
    joints: int
    missing_joints: int
    not_finite: int
    doubts: tuple[str, ...]
    digest: bytes


def facts_of(clip: Clip, layout: Layout) -> Facts:
    """Computes the statistics of a clip of this layout."""
    with np.errstate(over="ignore"):  # becomes infinite: not seen
        joints = np.asarray(clip.joints, dtype=np.float32)
    known = seen_joints(joints, layout.dimensions)
    missing = (known == 0).all(axis=-1)
    seen = presence(known)
    return Facts(
        bodies=int(seen.any(axis=1).sum()),
        frames=joints.shape[1],
        empty_frames=int((~seen.any(axis=0)).sum()),
        joints=int(seen.sum()) * joints.shape[2],
        missing_joints=int(missing[seen].sum()),
        not_finite=int((~np.isfinite(joints).all(axis=-1)).sum()),
        doubts=doubts(joints, layout, clip.image_size),
        digest=hashlib.blake2b(np.ascontiguousarray(joints).data, digest_size=16).digest(),
    )
