"""Networks. One file each; this table gives them the names `model.name` knows."""

from torch import nn

from brl.models.stgcnpp import STGCNpp
from brl.skeleton import Layout

MODELS = {"stgcnpp": STGCNpp}


def build(
    name: str, layout: Layout, in_channels: int, num_classes: int, base_channels: int
) -> nn.Module:
    """A network with fresh weights; it takes clips (N, M, T, V, K) and present bodies (N, M)."""
    return MODELS[name](layout, in_channels, num_classes, base_channels)
