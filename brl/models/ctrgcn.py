"""CTR-GCN (Chen et al., "Channel-wise Topology Refinement Graph Convolution", arXiv 2107.12213).

The modules are named as in published checkpoints, so their state dicts fit.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.common import network
from brl.models.common.batch_norm import DataNorm
from brl.models.common.blocks import PointwiseNorm
from brl.models.common.refined import RefinedGraphConv
from brl.models.common.temporal import TemporalBranches

BLOCKS = (4, 3, 3)


class GraphConv(RefinedGraphConv):
    """Embeds joints in an eighth of the channels, or in eight where these are few."""

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        reduced = 8 if in_channels <= 16 else in_channels // 8
        super().__init__(in_channels, out_channels, adjacency, reduced)


class Block(nn.Module):
    """ReLU(ReLU(TCN(GCN(x))) + residual(x)); the first block of a network has no residual.

    temporal_relu: whether the inner ReLU is there.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, adjacency: Tensor, *,
        first: bool, temporal_relu: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.gcn1 = GraphConv(in_channels, out_channels, adjacency)
        self.tcn1 = TemporalBranches(
            out_channels,
            out_channels,
            stride,
            kernel=5,
            dilations=(1, 2),
            wide=-1,
            closing_norm=True,
        )
        self.temporal_relu = temporal_relu
        self.has_residual = not first
        self.residual: nn.Module = nn.Identity()
        if self.has_residual and (stride != 1 or in_channels != out_channels):
            self.residual = PointwiseNorm(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C')."""
        y = self.tcn1(self.gcn1(x))
        if not self.has_residual:
            return F.relu(y)
        y = F.relu(y) if self.temporal_relu else y
        return F.relu(y + self.residual(x))


class Backbone(network.Backbone):
    """Ten blocks, as published: four of width C0, three of 2 C0, three of 4 C0."""

    def __init__(self, shape: network.Shape) -> None:
        super().__init__()
        layout = shape.layout
        adjacency = torch.from_numpy(layout.spatial_partition())
        self.data_bn = DataNorm(layout.num_joints, shape.in_channels, bodies=shape.max_bodies)
        blocks = shape.block_shapes(BLOCKS)
        relu = shape.settings.get("temporal_relu", True)
        self.net = nn.Sequential(
            *(
                Block(*block, adjacency, first=index == 0, temporal_relu=relu)
                for index, block in enumerate(blocks)
            )
        )
        self.out_channels = blocks[-1].out_channels

    def forward(self, bodies: Tensor) -> Tensor:
        """Maps bodies (B, T, V, K) to features (B, T / 4, V, C')."""
        return self.net(bodies)
