"""CTR-GCN (Chen et al., "Channel-wise Topology Refinement Graph Convolution", arXiv 2107.12213).

The modules are named as in published checkpoints, so their state dicts fit.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.common import network
from brl.models.common.batch_norm import BatchNorm, DataNorm
from brl.models.common.blocks import (
    Pointwise,
    PointwiseNorm,
    aggregate_channels,
    merged_pointwise,
    pointwise_norm,
    stacked,
)
from brl.models.common.temporal import TemporalBranches

BLOCKS = (4, 3, 3)


class RefinedSubset(nn.Module):
    """The convolutions of one subset (section 3.2).

    `conv1` and `conv2` embed source and receiver joints in R channels, `conv4` turns the
    differences of the embeddings into a graph for each output channel, and `conv3` computes the
    features that are aggregated.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        reduced = 8 if in_channels <= 16 else in_channels // 8
        self.conv1 = Pointwise(in_channels, reduced)
        self.conv2 = Pointwise(in_channels, reduced)
        self.conv3 = Pointwise(in_channels, out_channels)
        self.conv4 = Pointwise(reduced, out_channels)


class GraphConv(nn.Module):
    """ReLU(BN(sum over subsets of features, aggregated on one graph per channel) + residual).

    A body's graphs are a learned graph that all channels share, plus a refinement for each channel
    (section 3.2).
    """

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        super().__init__()
        self.A = nn.Parameter(adjacency.clone())
        self.alpha = nn.Parameter(torch.zeros(1))
        self._subsets = [RefinedSubset(in_channels, out_channels) for _ in adjacency]
        self.convs = nn.ModuleList(self._subsets)
        self.bn = BatchNorm(out_channels)
        self.down = pointwise_norm(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T, V, C')."""
        features = merged_pointwise(x, [subset.conv3 for subset in self._subsets])  # B T V S C'
        aggregated = aggregate_channels(features, self.graphs(x))
        by_subset = aggregated.unflatten(-1, (len(self.A), -1))
        # The dtype is explicit because autocast on a GPU would sum copies in float32.
        y = by_subset.sum(dim=3, dtype=by_subset.dtype).contiguous()
        return F.relu(self.bn(y) + self.down(x))

    def graphs(self, x: Tensor) -> Tensor:
        """Graphs of bodies (B, T, V, C): (B, S C', V, V).

        Indices: [body, subset and channel, source, receiver].
        """
        differences = self.differences(x).flatten(3)  # B, S, R, V V
        weights, biases = stacked([subset.conv4 for subset in self._subsets])
        refinement = torch.matmul(self.alpha * weights, differences)  # B, S, C', V V
        shared = self.A.flatten(1)[:, None] + self.alpha * biases[:, :, None]  # S, C', V V
        graphs = refinement + shared.to(refinement.dtype)
        return graphs.flatten(1, 2).unflatten(-1, self.A.shape[1:])

    def differences(self, x: Tensor) -> Tensor:
        """Tanh of differences between source and receiver embeddings, (B, S, R, V, V).

        x: (B, T, V, C); the embeddings are those of its mean over time.
        """
        exact = torch.promote_types(x.dtype, torch.float32)
        sources = [subset.conv1 for subset in self._subsets]
        receivers = [subset.conv2 for subset in self._subsets]
        with torch.autocast(x.device.type, enabled=False):
            embedded = merged_pointwise(x.mean(dim=1, dtype=exact), sources + receivers)
            embedded = embedded.unflatten(-1, (2, len(self.A), -1)).permute(2, 0, 3, 4, 1)
            source, receiver = embedded  # B S R V
            return (source[..., None] - receiver[..., None, :]).tanh()


class Block(nn.Module):
    """ReLU(ReLU(TCN(GCN(x))) + residual(x)); the first block of a network has no residual."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, adjacency: Tensor, *, first: bool
    ) -> None:
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
        self.has_residual = not first
        self.residual: nn.Module = nn.Identity()
        if self.has_residual and (stride != 1 or in_channels != out_channels):
            self.residual = PointwiseNorm(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C')."""
        y = F.relu(self.tcn1(self.gcn1(x)))
        return F.relu(y + self.residual(x)) if self.has_residual else y


class Backbone(network.Backbone):
    """Ten blocks, as published: four of width C0, three of 2 C0, three of 4 C0."""

    def __init__(self, shape: network.Shape) -> None:
        super().__init__()
        layout = shape.layout
        adjacency = torch.from_numpy(layout.spatial_partition())
        self.data_bn = DataNorm(layout.num_joints, shape.in_channels, bodies=shape.max_bodies)
        blocks = shape.block_shapes(BLOCKS)
        self.net = nn.Sequential(
            *(Block(*block, adjacency, first=index == 0) for index, block in enumerate(blocks))
        )
        self.out_channels = blocks[-1].out_channels

    def forward(self, bodies: Tensor) -> Tensor:
        """Maps bodies (B, T, V, K) to features (B, T / 4, V, C')."""
        return self.net(bodies)
