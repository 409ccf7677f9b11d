"""A network: a backbone, applied to each body, and a head on the mean over bodies."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from brl.clips.layout import Layout
from brl.models.common.batch_norm import DataNorm, places
from brl.models.common.fixed_sizes import FixedSizes, mean_features
from brl.models.common.seen import PictureNorm, SeenShape


class BlockShape(NamedTuple):
    """Widths of a block, and its stride over time."""

    in_channels: int
    out_channels: int
    stride: int


@dataclass(frozen=True)
class Shape:
    """The input, width and depth of a backbone.

    layout         the skeleton: V joints and their graph
    in_channels    K
    max_bodies     M; used only by backbones whose input norm treats each body separately
    base_channels  C0, width of the first stage
    blocks         number of blocks in each stage; None: as published
    settings       the network's own settings (`model.settings`), its published values left out
    seen           what is in a frame; None: the layout's joints
    """

    layout: Layout
    in_channels: int
    max_bodies: int
    base_channels: int
    blocks: tuple[int, ...] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seen: SeenShape | None = None

    def block_shapes(self, published: tuple[int, ...]) -> list[BlockShape]:
        """Shapes of all blocks; each stage but the first doubles the width and halves the frames.

        published: number of blocks in each stage, used where `blocks` is None.
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
    """Base class of the backbones: `data_bn` is the norm of the input, `out_channels` is C'.

    `forward` maps normalised bodies (B, T, V, K) to features (B, T', V, C').
    """

    data_bn: DataNorm | PictureNorm
    out_channels: int

    def start_head(self, linear: nn.Linear) -> None:
        """Initialises a linear head as this network's paper does; else those of `Head` stay."""

    def embed(self, bodies: Tensor) -> Tensor:
        """What pre-training by masked parts hides and rebuilds, (B, T, V, K'): here the bodies."""
        return bodies

    def encode(self, embedded: Tensor) -> Tensor:
        """Features (B, T', V, C') of what `embed` gives, by that part which is pre-trained."""
        return self(embedded)

    def decoder(self, in_channels: int, out_channels: int) -> nn.Module:
        """A fresh layer that rebuilds (B, T', V, out_channels) from what `encode` gives."""
        return nn.Linear(in_channels, out_channels)


class GraphBackbone(Backbone, ABC):
    """Base class of backbones that learn a graph for each body; see Network.logits_and_graphs.

    graph_shape: (C', V, V), that of a body's graphs in the last block.
    """

    graph_shape: tuple[int, int, int]

    @abstractmethod
    def collecting_graphs(self) -> AbstractContextManager[list[Tensor]]:
        """A scope whose forward passes add their last graphs (B, C', V, V) to a list."""


class Head(nn.Module):
    """Linear classifier. Its layer is called `fc_cls`, as in published checkpoints."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.fc_cls = nn.Linear(in_channels, num_classes)
        nn.init.normal_(self.fc_cls.weight, std=0.01)
        nn.init.zeros_(self.fc_cls.bias)

    def keep(self, num_classes: int) -> None:
        """Keeps the first `num_classes` outputs and drops the others."""
        for name, values in list(self.fc_cls.named_parameters()):
            setattr(self.fc_cls, name, nn.Parameter(values[:num_classes].detach().clone()))
        self.fc_cls.out_features = num_classes

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, C) of features (N, C'), in float32 whatever the backbone's precision."""
        with torch.autocast(features.device.type, enabled=False):
            return self.fc_cls(features)


class CosineHead(Head):
    """Cosine classifier: 30 times the cosine between the features and each class's weight vector.

    LDAM's margins presume it. Source: arXiv 1906.07413, section 4.
    """

    SCALE = 30.0

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__(in_channels, num_classes)
        self.fc_cls.register_parameter("bias", None)
        # Unit length, as in the paper. The shorter a weight vector, the larger its gradient: from
        # Head's short vectors, the first step would go so far that later steps hardly turn them.
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

    absent_bodies: how a clip with fewer than M bodies is treated.
    `skip`: absent bodies are not computed; the mean over bodies runs over the present ones.
    `pad`: absent bodies count as bodies at the origin, as published. In training they are computed,
    and batch norms see them. In evaluation a body's features do not depend on other bodies, so one
    absent body for each of the M slots is computed and used for all clips.
    """

    def __init__(
        self, backbone: Backbone, num_classes: int, absent_bodies: str, head: str = "linear"
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.cls_head = HEADS[head](backbone.out_channels, num_classes)
        if head == "linear":
            backbone.start_head(self.cls_head.fc_cls)
        self.pads = absent_bodies == "pad"
        self.fixed_sizes: FixedSizes | None = None  # in which a training computes bodies

    def features(self, clips: Tensor, present: Tensor) -> Tensor:
        """Features of each body, averaged over frames and joints: (N, M, C').

        clips: (N, M, T, V, K), zero where a body is absent; present: (N, M) bool, best on the CPU:
        how many bodies there are decides shapes, and is then known without waiting for a GPU. The
        features of an absent body are zero; with `pad` they are those of a body at the origin.
        """
        if not self.pads:
            return self._present_features(clips, present)
        if self.training:
            return self.every_body_features(clips)
        # One more clip, whose bodies all stand at the origin.
        padded = torch.cat([clips, torch.zeros_like(clips[:1])])
        computed = torch.cat([present, torch.ones_like(present[:1])])
        features = self._present_features(padded, computed)
        shown = present.to(features.device, non_blocking=True)[..., None]
        return torch.where(shown, features[:-1], features[-1:])

    def every_body_features(self, clips: Tensor) -> Tensor:
        """Features (N, M, C') of every body, present or not.

        No step depends on which bodies are present, so a graph of it can be exported.
        """
        bodies = self.backbone.data_bn.normalise_every(clips)
        return self._mean_features(bodies).unflatten(0, clips.shape[:2])

    def _present_features(self, clips: Tensor, present: Tensor) -> Tensor:
        """Features (N, M, C'): computed for present bodies, zero for the others."""
        return by_clip(
            self._mean_features(self.backbone.data_bn.normalise(clips, present)), present
        )

    def _mean_features(self, bodies: Tensor) -> Tensor:
        """Means over frames and joints of bodies (B, T, V, K): (B, C'), in float32 at least."""
        if self.fixed_sizes is not None and self.training:
            return self.fixed_sizes(self.backbone, bodies)
        return mean_features(self.backbone, bodies)

    def clip_features(self, clips: Tensor, present: Tensor) -> Tensor:
        """Mean of `features` over bodies, (N, C'): the input of the head."""
        return self.mean_over_bodies(self.features(clips, present), present)

    def mean_over_bodies(self, features: Tensor, present: Tensor) -> Tensor:
        """Mean of features (N, M, C') over present bodies, or with `pad` over all: (N, C').

        Without `pad`, the features of absent bodies must be zero.
        """
        if self.pads:
            return features.mean(dim=1)
        bodies = present.sum(dim=1, keepdim=True)
        return features.sum(dim=1) / bodies.to(features.device, non_blocking=True)

    def forward(self, clips: Tensor, present: Tensor) -> Tensor:
        """Logits (N, C) of clips (N, M, T, V, K); present: (N, M) bool."""
        return self.cls_head(self.clip_features(clips, present))

    def logits_and_graphs(self, clips: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """In training: the logits, and the graphs of the last block, (N, C', V, V).

        Graphs are averaged over bodies as features are. Only for a GraphBackbone.
        """
        assert isinstance(self.backbone, GraphBackbone)
        with self.backbone.collecting_graphs() as collected:
            logits = self(clips, present)
        (graphs,) = collected
        computed = torch.ones_like(present) if self.pads else present
        mean = self.mean_over_bodies(by_clip(graphs.flatten(1), computed), present)
        return logits, mean.unflatten(1, graphs.shape[1:])


def by_clip(of_bodies: Tensor, present: Tensor) -> Tensor:
    """Values (B, D) of the present (N, M) bodies in clips: (N, M, D), zero for absent bodies."""
    if present.shape[1] == 1:
        return of_bodies[:, None]
    values = of_bodies.new_zeros(*present.shape, of_bodies.shape[-1])
    values[places(present, values.device)] = of_bodies
    return values
