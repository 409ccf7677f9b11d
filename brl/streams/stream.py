"""Streams: what a network sees of a skeleton. BRL, arXiv 2308.14024, sections 3.1 and 4.1."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from brl.clips.layout import Layout
from brl.config.params import CheckpointParams, Params, StreamName


@dataclass(frozen=True)
class Stream:
    """A stream: what its network sees, and where its weights come from.

    name     its block under `streams` in params.yaml; `..._motion` shows differences in time
    hops     each joint is seen relative to the one `hops` steps nearer to the centre; 0: the
             joint itself, 1: its bone, 2: its skip
    lr       peak learning rate; None: that of all streams
    weights  a checkpoint that replaces the training; None: the stream is trained
    """

    name: str
    hops: int
    lr: float | None = None
    weights: CheckpointParams | None = None

    @classmethod
    def of(cls, params: Params, name: StreamName) -> "Stream":
        """The stream of that name in params.yaml."""
        chosen = params.streams[name]
        return cls(name, chosen.hops, chosen.lr, chosen.weights)

    @property
    def motion(self) -> bool:
        """Whether it shows the difference of each frame to the next one."""
        return self.name.endswith("_motion")

    def show(
        self, layout: Layout, joints_at: Callable[[Tensor], Tensor], frames: Tensor, last: Tensor
    ) -> Tensor:
        """What the stream shows of clips at frames (N, T): (N, M, T, V, K).

        joints_at gives the joints (N, M, T, V, K) of frames (N, T); last (N, 1) is each clip's
        last frame. A motion is taken to the next frame of the clip, not to the next sampled one.
        """
        shown = offsets(joints_at(frames), layout, self.hops)
        if not self.motion:
            return shown
        following = offsets(joints_at(torch.minimum(frames + 1, last)), layout, self.hops)
        return motion(shown, following, frames == last, layout)


def offsets(joints: Tensor, layout: Layout, hops: int) -> Tensor:
    """Each joint minus its ancestor `hops` steps towards the centre; zero where there is none.

    joints: (..., V, K). In a scored layout the last channel becomes the mean of the two joints'
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
    """Difference of frames to the ones that follow them; zero for a clip's last frame.

    now, following: (N, M, T, V, K), the sampled frames and their successors in the clip;
    is_last: (N, T). In a scored layout the last channel is the mean of the two frames' scores,
    and zero at the last frame. Returns (N, M, T, V, K).
    """
    difference = following - now
    if layout.scored:
        difference[..., -1] = (now[..., -1] + following[..., -1]) / 2
    return difference.masked_fill_(is_last[:, None, :, None, None], 0)
