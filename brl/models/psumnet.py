"""PSUMNet (Trivedi and Sarvadevabhatla, arXiv 2208.05775), section 3.

A network for a part of the body that is shown several modalities at once. Its graph convolution is
that of CTR-GCN with graphs of the other direction.
"""

import torch
from torch import Tensor, nn

from brl.models.common import network
from brl.models.common.batch_norm import BatchNorm, DataNorm
from brl.models.common.blocks import Block, Conv
from brl.models.common.refined import RefinedGraphConv
from brl.models.common.temporal import TemporalBranches

BLOCKS = {"body": (4, 3, 3), "hand": (1, 3, 2), "leg": (1, 2, 1)}  # of each stage


class GraphConv(RefinedGraphConv):
    """CTR-GCN's with reversed edges: in the inward graph, a joint receives the sum of its children.

    Joints are embedded in an eighth of the channels. The shared graphs start as the layout's. On
    NTU's whole body, their hand tips hang on the hands; as published they hang on the thumbs.
    """

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        super().__init__(in_channels, out_channels, adjacency, reduced=max(in_channels // 8, 1))

    def graphs(self, x: Tensor) -> Tensor:
        """Graphs of bodies (B, T, V, C): (B, S C', V, V).

        Indices: [body, subset and channel, source, receiver].
        """
        return super().graphs(x).transpose(-1, -2)


class Backbone(network.Backbone):
    """Blocks of widths C0, 2 C0 and 4 C0, as many as published for the part of the body.

    A layout that is neither arms (LAYOUT/hand) nor legs (LAYOUT/leg) has as many as a whole body.
    """

    def __init__(self, shape: network.Shape) -> None:
        super().__init__()
        layout = shape.layout
        adjacency = torch.from_numpy(layout.spatial_partition())
        self.data_bn = DataNorm(layout.num_joints, shape.in_channels, bodies=shape.max_bodies)
        part = layout.name.rpartition("/")[2]
        blocks = shape.block_shapes(BLOCKS.get(part, BLOCKS["body"]))
        self.layers = nn.Sequential()
        for block in blocks:
            gcn = GraphConv(block.in_channels, block.out_channels, adjacency)
            tcn = TemporalBranches(
                block.out_channels,
                block.out_channels,
                block.stride,
                kernel=5,
                dilations=(1, 2),
                wide=-1,
                closing_norm=True,
            )
            self.layers.append(Block(gcn, tcn, *block, first=len(self.layers) == 0))
        self.out_channels = blocks[-1].out_channels
        self.layers.apply(_initialise)

    def forward(self, bodies: Tensor) -> Tensor:
        """Maps bodies (B, T, V, K) to features (B, T / 4, V, C')."""
        return self.layers(bodies)

    def start_head(self, linear: nn.Linear) -> None:
        """Normal weights of variance 2 / C, a uniform bias of at most 1 / sqrt(C')."""
        nn.init.normal_(linear.weight, std=(2 / linear.out_features) ** 0.5)
        bound = linear.in_features**-0.5
        nn.init.uniform_(linear.bias, -bound, bound)


def _initialise(module: nn.Module) -> None:
    """The published initial values of a module."""
    if isinstance(module, Conv):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        nn.init.zeros_(module.bias)
    elif isinstance(module, GraphConv):
        nn.init.constant_(module.bn.weight, 1e-6)
    elif isinstance(module, TemporalBranches):
        for norm in module.modules():
            if isinstance(norm, BatchNorm):
                nn.init.normal_(norm.weight, 1, 0.02)
