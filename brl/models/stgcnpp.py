"""ST-GCN++ (Duan et al., "PYSKL", arXiv 2205.09443, section 3.2).

The modules are named as in published checkpoints, so their state dicts fit.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.common import network
from brl.models.common.batch_norm import BatchNorm, DataNorm
from brl.models.common.blocks import Block, Pointwise, graph_conv, pointwise_norm
from brl.models.common.temporal import MixedBranches

BLOCKS = (4, 3, 3)


class GraphConv(nn.Module):
    """ReLU(BN(sum over subsets of aggregated 1x1 convolutions) + residual); learned graphs."""

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        super().__init__()
        self.A = nn.Parameter(adjacency.clone())
        self.conv = Pointwise(in_channels, out_channels * len(adjacency))
        self.bn = BatchNorm(out_channels)
        self.down = pointwise_norm(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T, V, C')."""
        return F.relu(self.bn(graph_conv(x, self.A, self.conv)) + self.down(x))


class Backbone(network.Backbone):
    """Ten blocks, as published: four of width C0, three of 2 C0, three of 4 C0."""

    def __init__(self, shape: network.Shape) -> None:
        super().__init__()
        adjacency = torch.from_numpy(shape.layout.spatial_partition())
        self.data_bn = DataNorm(shape.layout.num_joints, shape.in_channels, bodies=1)
        blocks = shape.block_shapes(BLOCKS)
        self.gcn = nn.Sequential()
        for block in blocks:
            gcn = GraphConv(block.in_channels, block.out_channels, adjacency)
            tcn = MixedBranches(block.out_channels, block.stride)
            self.gcn.append(Block(gcn, tcn, *block, first=len(self.gcn) == 0))
        self.out_channels = blocks[-1].out_channels

    def forward(self, bodies: Tensor) -> Tensor:
        """Maps bodies (B, T, V, K) to features (B, T / 4, V, C')."""
        return self.gcn(bodies)
