"""Streams: joints, bones and skips, and their motions. BRL, arXiv 2308.14024."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from brl.clips.layout import Layout
from brl.config.params import CheckpointParams, Params, StreamName


@dataclass(frozen=True)
class Stream:
    """A stream: the inputs of its network, and the source of its weights.

    name     its key under `streams` in params.yaml; `..._motion` shows differences in time
    hops     each joint is shown relative to the joint `hops` steps nearer to the centre; 0 shows
             joints, 1 bones, 2 skips
    lr       peak learning rate; None: `train.lr`
    weights  a checkpoint that replaces the training; None: the stream is trained
    """

    name: str
    hops: int
    lr: float | None = None
    weights: CheckpointParams | None = None

    @classmethod
    def of(cls, params: Params, name: StreamName) -> "Stream":
        """The stream with this name in params.yaml."""
        settings = params.streams[name]
        return cls(name, settings.hops, settings.lr, settings.weights)

    @property
    def motion(self) -> bool:
        """Whether the stream shows the difference of each frame to the next one."""
        return self.name.endswith("_motion")

    def show(
        self, layout: Layout, joints_at: Callable[[Tensor], Tensor], frames: Tensor, last: Tensor
    ) -> Tensor:
        """The stream's view of clips at frames (N, T): (N, M, T, V, K).

        joints_at returns the joints (N, M, T, V, K) at frames (N, T); last (N, 1) is each clip's
        last frame. A motion is the difference to the next frame of the clip, not to the next
        sampled frame.
        """
        shown = offsets(joints_at(frames), layout, self.hops)
        if not self.motion:
            return shown
        following = offsets(joints_at(torch.minimum(frames + 1, last)), layout, self.hops)
        return motion(shown, following, frames == last, layout)


def offsets(joints: Tensor, layout: Layout, hops: int) -> Tensor:
    """Each joint minus its ancestor `hops` steps towards the centre, in the shape of `joints`.

    joints: (..., V, K). The offset of a joint without such an ancestor is zero. In a scored layout
    the last channel becomes the mean of the two joints' scores, or the joint's own score where
    there is no ancestor.
    """
    if hops == 0:
        return joints
    ancestor = joints[..., torch.from_numpy(layout.ancestors(hops)).to(joints.device), :]
    difference = joints - ancestor
    if layout.scored:
        difference[..., -1] = (joints[..., -1] + ancestor[..., -1]) / 2
    return difference


def motion(now: Tensor, following: Tensor, is_last: Tensor, layout: Layout) -> Tensor:
    """Difference of each frame to the next one, (N, M, T, V, K); zero for a clip's last frame.

    now, following: (N, M, T, V, K), the sampled frames and their successors in the clip;
    is_last: (N, T) bool. In a scored layout the last channel is the mean of the two frames'
    scores, and zero at the last frame.
    """
    difference = following - now
    if layout.scored:
        difference[..., -1] = (now[..., -1] + following[..., -1]) / 2
    return difference.masked_fill_(is_last[:, None, :, None, None], 0)
