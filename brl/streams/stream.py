"""Streams: the modalities that a network sees, of the body or of a part of it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from brl.clips.layout import WHOLE_BODY, Layout
from brl.config.params import Params
from brl.config.streams import MODALITIES, CheckpointParams, ModalityParams
from brl.pictures.form import Form


@dataclass(frozen=True)
class Camera:
    """The pictures that a stream sees: their name in params.yaml, and the form that they have."""

    name: str
    form: Form


@dataclass(frozen=True)
class Stream:
    """A stream: the inputs of its network, and the source of its weights.

    name     its key under `streams` in params.yaml
    inputs   the modalities, one after the other along the channels: one in BRL (arXiv 2308.14024),
             four in PSUMNet (arXiv 2208.05775); none if it sees pictures alone
    part     the part of the layout that is seen; `body`: all joints
    lr       peak learning rate; None: `train.lr`
    weights  a checkpoint that replaces the training; None: the stream is trained
    camera   the pictures that are seen, beside the joints or alone; None: none
    """

    name: str
    inputs: tuple[ModalityParams, ...]
    part: str = WHOLE_BODY
    lr: float | None = None
    weights: CheckpointParams | None = None
    camera: Camera | None = None

    @classmethod
    def of(cls, params: Params, name: str) -> "Stream":
        """The stream with this name in params.yaml."""
        settings, camera = params.streams[name], None
        if settings.pictures is not None:
            camera = Camera(settings.pictures, params.pictures[settings.pictures].form)
        seen = tuple(settings.modalities)
        return cls(name, seen, settings.part, settings.lr, settings.weights, camera)

    @property
    def seen(self) -> list[Any]:
        """What the network sees, as JSON: it identifies a training.

        A stream that has the name of its only modality is written as when there were no others, so
        that trainings of that time are found.
        """
        inputs = [modality.model_dump() for modality in self.inputs]
        if self.camera is not None:
            return [self.name, inputs, self.part, asdict(self.camera)]
        named, first = MODALITIES.get(self.name), self.inputs[0]
        alone = len(self.inputs) == 1 and self.part == WHOLE_BODY
        if alone and named is not None and named.motion == first.motion:
            return [self.name, first.hops]
        return [self.name, inputs, self.part]

    def show(
        self, layout: Layout, joints_at: Callable[[Tensor], Tensor], frames: Tensor, last: Tensor
    ) -> Tensor:
        """The stream's view of clips at frames (N, T): (N, M, T, V', K').

        joints_at returns the joints (N, M, T, V, K) at frames (N, T); last (N, 1) is each clip's
        last frame. V' is the number of joints of the part, K' the number of inputs times K. Offsets
        stay within the part. A motion is the difference to the next frame of the clip, not to the
        next sampled frame.
        """
        part, joints = layout.part(self.part), torch.tensor(layout.part_joints(self.part))

        def at(frames: Tensor) -> Tensor:
            whole = joints_at(frames)
            if part is layout:
                return whole
            return whole[..., joints.to(whole.device, non_blocking=True), :]

        now = at(frames)
        moves = any(modality.motion for modality in self.inputs)
        following = at(torch.minimum(frames + 1, last)) if moves else now
        views = []
        for modality in self.inputs:
            view = offsets(now, part, modality.hops)
            if modality.motion:
                view = motion(view, offsets(following, part, modality.hops), frames == last, part)
            views.append(view)
        return torch.cat(views, dim=-1) if len(views) > 1 else views[0]


def offsets(joints: Tensor, layout: Layout, hops: int) -> Tensor:
    """Each joint minus its ancestor `hops` steps towards the centre, in the shape of `joints`.

    joints: (..., V, K). The offset of a joint without such an ancestor is zero. In a scored layout
    the last channel becomes the mean of the two joints' scores, or the joint's own score where
    there is no ancestor.
    """
    if hops == 0:
        return joints
    ancestors = torch.from_numpy(layout.ancestors(hops)).to(joints.device, non_blocking=True)
    ancestor = joints[..., ancestors, :]
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
