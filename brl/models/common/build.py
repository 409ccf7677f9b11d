"""Builds a network: `model.name` is a file of brl/models, with a class `Backbone`."""

from importlib import import_module

from brl.clips.layout import Layout
from brl.config.params import ModelParams
from brl.models.common.network import Network, Shape


def build(
    model: ModelParams, layout: Layout, in_channels: int, num_classes: int, max_bodies: int
) -> Network:
    """A network with fresh weights; it takes clips (N, M, T, V, K) and present bodies (N, M).

    Only the network asked for is imported: so a change of one makes no other train again.
    """
    shape = Shape(
        layout=layout,
        in_channels=in_channels,
        max_bodies=max_bodies,
        base_channels=model.base_channels,
        blocks=tuple(model.blocks) if model.blocks else None,
    )
    backbone = import_module(f"brl.models.{model.name}").Backbone(shape)
    return Network(backbone, num_classes, model.absent_bodies, model.head)
