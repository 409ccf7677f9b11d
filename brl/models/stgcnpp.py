"""ST-GCN++ (Duan et al., "PYSKL", arXiv 2205.09443, section 3.2).

Module names give the state-dict keys of published checkpoints.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.models import network
from brl.models.batch_norm import BatchNorm, DataNorm, batch_norm
from brl.models.blocks import (
    Pointwise,
    PointwiseNorm,
    TemporalBranches,
    conv_norm,
    graph_conv,
    pointwise_norm,
)

BLOCKS = (4, 3, 3)


class GraphConv(nn.Module):
    """ReLU(BN(sum over subsets of graph-aggregated 1x1 convolutions) + residual)."""

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        super().__init__()
        self.A = nn.Parameter(adjacency.clone())
        self.conv = Pointwise(in_channels, out_channels * len(adjacency))
        self.bn = BatchNorm(out_channels)
        self.down = pointwise_norm(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, T, V, C')."""
        return F.relu(self.bn(graph_conv(x, self.A, self.conv)) + self.down(x))


class MultiScaleTemporalConv(TemporalBranches):
    """Six branches over time: four dilated 3x1, one max-pool, one 1x1; then BN, ReLU, 1x1, BN."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__(
            channels,
            channels,
            stride,
            kernel=3,
            dilations=(1, 2, 3, 4),
            wide=0,
            closing_norm=False,
        )
        self.transform = nn.Sequential(
            BatchNorm(channels), nn.ReLU(), Pointwise(channels, channels)
        )
        self.bn = BatchNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, T / stride, V, C)."""
        norm, relu, conv = self.transform
        assert isinstance(norm, BatchNorm)
        y, bias = self.unbiased(x)
        return conv_norm(relu(batch_norm(y, [norm], bias)), conv, self.bn)


class Block(nn.Module):
    """ReLU(TCN(GCN(x)) + residual(x)); the first block has no residual."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, adjacency: Tensor, *, first: bool
    ) -> None:
        super().__init__()
        self.gcn = GraphConv(in_channels, out_channels, adjacency)
        self.tcn = MultiScaleTemporalConv(out_channels, stride)
        self.has_residual = not first
        self.residual: nn.Module = nn.Identity()
        if self.has_residual and (stride != 1 or in_channels != out_channels):
            self.residual = PointwiseNorm(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.tcn(self.gcn(x))
        return F.relu(y + self.residual(x) if self.has_residual else y)


class Backbone(network.Backbone):
    """Ten blocks; widths C0 x4, 2C0 x3, 4C0 x3."""

    def __init__(self, shape: network.Shape) -> None:
        super().__init__()
        adjacency = torch.from_numpy(shape.layout.spatial_partition())
        self.data_bn = DataNorm(shape.layout.num_joints, shape.in_channels, bodies=1)
        blocks = shape.of_blocks(BLOCKS)
        self.gcn = nn.ModuleList(
            Block(*block, adjacency, first=index == 0) for index, block in enumerate(blocks)
        )
        self.out_channels = blocks[-1].out_channels

    def forward(self, bodies: Tensor) -> Tensor:
        """(B, T, V, K) bodies to (B, T / 4, V, C') features."""
        x = bodies
        for block in self.gcn:
            x = block(x)
        return x
