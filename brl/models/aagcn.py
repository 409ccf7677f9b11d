"""AAGCN (Shi et al., "Multi-Stream Adaptive Graph Convolutional Networks", arXiv 1912.06971).

The modules are named as in published checkpoints, so their state dicts fit.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.common import network
from brl.models.common.batch_norm import BatchNorm, DataNorm, batch_norm
from brl.models.common.blocks import (
    Block,
    Pointwise,
    merged_pointwise,
    pointwise_norm,
    stacked,
)
from brl.models.common.temporal import TimeConvNorm

BLOCKS = (4, 3, 3)
# Kernel size of the temporal attention.
ATTENTION_FRAMES = 9


class AdaptiveGraphConv(nn.Module):
    """ReLU(BN(sum over subsets of 1x1 convolutions, aggregated on adaptive graphs) + residual).

    A body's graphs are the sum of learned graphs and of its joints' similarity (section 3.2).
    """

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        super().__init__()
        self.A = nn.Parameter(adjacency.clone())
        self.alpha = nn.Parameter(torch.zeros(1))
        width = out_channels // 4
        # Plain lists: the module lists below register them under their published names.
        self._source_convs = [Pointwise(in_channels, width) for _ in adjacency]
        self._receiver_convs = [Pointwise(in_channels, width) for _ in adjacency]
        self._convs = [Pointwise(in_channels, out_channels) for _ in adjacency]
        self.conv_a = nn.ModuleList(self._source_convs)
        self.conv_b = nn.ModuleList(self._receiver_convs)
        self.conv_d = nn.ModuleList(self._convs)
        self.bn = BatchNorm(out_channels)
        self.down = pointwise_norm(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T, V, C')."""
        weights, biases = stacked(self._convs)
        y = F.linear(self.aggregated(x), weights.transpose(0, 1).flatten(1))
        return F.relu(batch_norm(y, [self.bn], biases.sum(dim=0)) + self.down(x))

    def aggregated(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T, V, S C), subset before channel."""
        rows = self.graphs(x).permute(0, 3, 1, 2).flatten(1, 2)  # B, V S, V
        aggregated = torch.matmul(rows.to(x.dtype)[:, None], x)
        return aggregated.view(*x.shape[:3], len(self.A) * x.shape[-1])

    def graphs(self, x: Tensor) -> Tensor:
        """Graphs of bodies (B, T, V, C): (B, S, V, V), [body, subset, source, receiver]."""
        embedded = merged_pointwise(x, self._source_convs + self._receiver_convs)
        sources, receivers = embedded.unflatten(-1, (2, len(self.A), -1)).unbind(3)
        size = x.shape[1] * sources.shape[-1]  # each is B T V S C'/4
        products = torch.einsum("btuke,btvke->bkuv", sources / size, receivers)
        return self.A + self.alpha * products.to(self.A.dtype).tanh()


class GraphConv(AdaptiveGraphConv):
    """`AdaptiveGraphConv`, then attention over joints, frames and channels (section 3.3)."""

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        super().__init__(in_channels, out_channels, adjacency)
        joints = adjacency.shape[-1]
        self.conv_sa = _attention_conv(out_channels, joints - (joints % 2 == 0))
        self.conv_ta = _attention_conv(out_channels, ATTENTION_FRAMES)
        self.fc1c = nn.Linear(out_channels, out_channels // 2)
        self.fc2c = nn.Linear(out_channels // 2, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T, V, C')."""
        y = super().forward(x)
        exact = torch.promote_types(y.dtype, torch.float32)
        # Each attention sees means of y, scaled by the attentions before it. The scaling is applied
        # to the means, so y is read for the first two means and written once.
        with torch.autocast(y.device.type, enabled=False):
            joint_factors = _factors(self.conv_sa, y.mean(dim=1, dtype=exact))  # B V
            weights = (joint_factors / y.shape[2]).to(y.dtype)
            by_frame = torch.matmul(weights[:, None, None], y).squeeze(2).to(exact)  # B T C
            frame_factors = _factors(self.conv_ta, by_frame)  # B T
            overall = (frame_factors[:, :, None] * by_frame).mean(dim=1)
            channel_factors = 1 + self.fc2c(F.relu(self.fc1c(overall))).sigmoid()  # B C
            factors = frame_factors[:, :, None] * joint_factors[:, None]  # B T V
        return y * factors.to(y.dtype)[..., None] * channel_factors.to(y.dtype)[:, None, None]


def _attention_conv(channels: int, kernel: int) -> nn.Conv1d:
    """One output for each joint or frame."""
    return nn.Conv1d(channels, 1, kernel, padding=(kernel - 1) // 2)


def _factors(conv: nn.Conv1d, means: Tensor) -> Tensor:
    """Attention factors of L joints or frames, (B, L), from their means (B, L, C)."""
    return 1 + conv(means.transpose(1, 2)).squeeze(1).sigmoid()


class Backbone(network.Backbone):
    """Ten blocks, as published: four of width C0, three of 2 C0, three of 4 C0."""

    def __init__(self, shape: network.Shape) -> None:
        super().__init__()
        layout = shape.layout
        adjacency = torch.from_numpy(layout.spatial_partition())
        self.data_bn = DataNorm(layout.num_joints, shape.in_channels, bodies=shape.max_bodies)
        blocks = shape.block_shapes(BLOCKS)
        self.gcn = nn.Sequential()
        for block in blocks:
            gcn = GraphConv(block.in_channels, block.out_channels, adjacency)
            tcn = TimeConvNorm(block.out_channels, block.stride)
            self.gcn.append(Block(gcn, tcn, *block, first=len(self.gcn) == 0))
        self.out_channels = blocks[-1].out_channels

    def forward(self, bodies: Tensor) -> Tensor:
        """Maps bodies (B, T, V, K) to features (B, T / 4, V, C')."""
        return self.gcn(bodies)
