"""Builds the network that `model.name` names: a module of brl/models with a class `Backbone`."""

from importlib import import_module

from brl.clips.layout import Layout
from brl.config.params import ModelParams
from brl.models.common.network import Network, Shape
from brl.models.common.seen import SeenShape


def build(
    model: ModelParams,
    layout: Layout,
    in_channels: int,
    num_classes: int,
    max_bodies: int,
    seen: SeenShape | None = None,
) -> Network:
    """A network with random initial weights.

    It maps clips (N, M, T, V, K) and the mask of present bodies (N, M) to logits (N, C). Only the
    module of this network is imported, so a change in one network does not retrain the others.

    in_channels: K; num_classes: C; max_bodies: M; seen: what is in a frame, None: the joints.
    """
    shape = Shape(
        layout=layout,
        in_channels=in_channels,
        max_bodies=max_bodies,
        base_channels=model.base_channels,
        blocks=tuple(model.blocks) if model.blocks else None,
        settings=model.settings,
        seen=seen,
    )
    backbone = import_module(f"brl.models.{model.name}").Backbone(shape)
    return Network(backbone, num_classes, model.absent_bodies, model.head)
