"""A network: a backbone for each body, a linear head on the mean over bodies."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from brl.clips.layout import Layout
from brl.models.common.batch_norm import DataNorm


class BlockShape(NamedTuple):
    """A block's widths, and its stride over time."""

    in_channels: int
    out_channels: int
    stride: int


@dataclass(frozen=True)
class Shape:
    """What a backbone is built for, and how wide and deep.

    in_channels    K
    max_bodies     M; only a backbone that normalises each body's input on its own asks for it
    base_channels  width of the first stage
    blocks         blocks of each stage; None: as published
    """

    layout: Layout
    in_channels: int
    max_bodies: int
    base_channels: int
    blocks: tuple[int, ...] | None = None

    def of_blocks(self, published: tuple[int, ...]) -> list[BlockShape]:
        """The blocks' shapes; every stage after the first begins by doubling the width and
        halving time. published: the blocks of each stage where none are asked for.
        """
        shapes = []
        channels, width = self.in_channels, self.base_channels
        for stage, count in enumerate(self.blocks or published):
            for block in range(count):
                widens = stage > 0 and block == 0
                width *= 2 if widens else 1
                shapes.append(BlockShape(channels, width, 2 if widens else 1))
                channels = width
        return shapes


class Backbone(nn.Module):
    """What every backbone has: `data_bn`, the norm of its input; `out_channels`, C'.

    `forward` takes normalised bodies (B, T, V, K) to features (B, T', V, C').
    """

    data_bn: DataNorm
    out_channels: int


class Head(nn.Module):
    """Linear classifier; `fc_cls` by that name for the checkpoints' sake."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.fc_cls = nn.Linear(in_channels, num_classes)
        nn.init.normal_(self.fc_cls.weight, std=0.01)
        nn.init.zeros_(self.fc_cls.bias)

    def keep(self, num_classes: int) -> None:
        """Drops all outputs but the first `num_classes`."""
        for name, values in list(self.fc_cls.named_parameters()):
            setattr(self.fc_cls, name, nn.Parameter(values[:num_classes].detach().clone()))
        self.fc_cls.out_features = num_classes

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, C) of features (N, C'), in float32 whatever the backbone computes in."""
        with torch.autocast(features.device.type, enabled=False):
            return self.fc_cls(features)


class CosineHead(Head):
    """Cosines between features and a direction a class, times 30: what LDAM's margins are made
    for. arXiv 1906.07413, section 4."""

    SCALE = 30.0

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__(in_channels, num_classes)
        self.fc_cls.register_parameter("bias", None)
        # Of unit length, as in the paper. A gradient grows as the directions get shorter: from
        # Head's short ones the first step would throw them so far that no later one turned them.
        with torch.no_grad():
            self.fc_cls.weight.copy_(functional.normalize(self.fc_cls.weight))

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, C), from -30 to 30, of features (N, C'), in float32."""
        with torch.autocast(features.device.type, enabled=False):
            directions = functional.normalize(self.fc_cls.weight)
            return self.SCALE * functional.linear(functional.normalize(features), directions)


HEADS = {"linear": Head, "cosine": CosineHead}


class Network(nn.Module):
    """A backbone and a head.

    head: `linear` or `cosine`.

    absent_bodies: what becomes of the bodies that clips of fewer persons lack.
    `skip`: they are not computed, and the mean over bodies is that over present ones.
    `pad`: they count as bodies at the origin, as published. In training they are computed, and
    batch norms see them; in evaluation, where a body's features depend on no other body, one such
    body a slot stands for all.
    """

    def __init__(
        self, backbone: Backbone, num_classes: int, absent_bodies: str, head: str = "linear"
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.cls_head = HEADS[head](backbone.out_channels, num_classes)
        self.pads = absent_bodies == "pad"

    def features(self, clips: Tensor, present: Tensor) -> Tensor:
        """Mean feature of each body over frames and joints, (N, M, C').

        clips: (N, M, T, V, K), zero where a body is absent; present: (N, M) bool. An absent
        body's features are zero, or with `pad` those of a body at the origin.
        """
        if not self.pads:
            return self._of_present(clips, present)
        if self.training:
            return self.of_every_body(clips)
        everything = torch.cat([clips, torch.zeros_like(clips[:1])])
        computed = torch.cat([present, torch.ones_like(present[:1])])
        features = self._of_present(everything, computed)
        return torch.where(present[..., None], features[:-1], features[-1:])

    def of_every_body(self, clips: Tensor) -> Tensor:
        """Mean feature of each body, present or not, (N, M, C').

        No step depends on which bodies are present, so a graph of it can be exported.
        """
        bodies = self.backbone.data_bn.normalise_every(clips)
        return self._mean_over_frames_and_joints(bodies).unflatten(0, clips.shape[:2])

    def _of_present(self, clips: Tensor, present: Tensor) -> Tensor:
        bodies = self.backbone.data_bn.normalise(clips, present)
        of_present = self._mean_over_frames_and_joints(bodies)
        if clips.shape[1] == 1:
            return of_present[:, None]
        by_clip = of_present.new_zeros(*present.shape, of_present.shape[-1])
        by_clip[present] = of_present
        return by_clip

    def _mean_over_frames_and_joints(self, bodies: Tensor) -> Tensor:
        """(B, T, V, K) to (B, C'), in float32 at least."""
        features = self.backbone(bodies)
        exact = torch.promote_types(features.dtype, torch.float32)
        return features.mean(dim=(1, 2), dtype=exact)

    def clip_features(self, clips: Tensor, present: Tensor) -> Tensor:
        """Mean over bodies of `features`, (N, C'): what the head takes."""
        return self.mean_over_bodies(self.features(clips, present), present)

    def mean_over_bodies(self, features: Tensor, present: Tensor) -> Tensor:
        """Mean of (N, M, C') over present bodies, or with `pad` over all, (N, C').

        Without `pad`, the features of absent bodies must be zero.
        """
        if self.pads:
            return features.mean(dim=1)
        return features.sum(dim=1) / present.sum(dim=1, keepdim=True)

    def forward(self, clips: Tensor, present: Tensor) -> Tensor:
        """Logits (N, C) of clips (N, M, T, V, K): the head on the mean over bodies."""
        return self.cls_head(self.clip_features(clips, present))
