"""Streams: what a network sees of a skeleton. Method: section 2."""

from dataclasses import dataclass

import torch
from torch import Tensor

from brl.clips.layout import Layout


@dataclass(frozen=True)
class Stream:
    """Each joint relative to the one `hops` steps nearer to the centre (0: the joint itself).

    motion: the difference of that to the next frame instead.
    """

    hops: int
    motion: bool


def stream_of(name: str, hops: int) -> Stream:
    """The stream of that name in params.yaml: `..._motion` is the motion of what is named."""
    return Stream(hops, name.endswith("_motion"))


def offsets(joints: Tensor, layout: Layout, hops: int) -> Tensor:
    """Each joint minus its ancestor `hops` towards the centre, zero where there is none.

    joints: (..., V, K). With a scored layout the last channel becomes the mean of the two ends'
    scores (its own where there is no ancestor). Returns the same shape.
    """
    if hops == 0:
        return joints
    ancestor = joints[..., torch.from_numpy(layout.ancestors(hops)).to(joints.device), :]
    difference = joints - ancestor
    if layout.scored:
        difference[..., -1] = (joints[..., -1] + ancestor[..., -1]) / 2
    return difference


def motion(now: Tensor, following: Tensor, is_last: Tensor, layout: Layout) -> Tensor:
    """Difference of frames to the ones that follow them, zero for a clip's last frame.

    now, following: (N, M, T, V, K), the sampled frames and their successors in the clip;
    is_last: (N, T). With a scored layout the last channel is the mean of the two frames' scores,
    and zero at the last frame. Returns (N, M, T, V, K).
    """
    difference = following - now
    if layout.scored:
        difference[..., -1] = (now[..., -1] + following[..., -1]) / 2
    return difference.masked_fill_(is_last[:, None, :, None, None], 0)
