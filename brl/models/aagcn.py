"""AAGCN (Shi et al., "Multi-Stream Adaptive Graph Convolutional Networks", arXiv 1912.06971).

Module names give the state-dict keys of published checkpoints.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.common import network
from brl.models.common.batch_norm import BatchNorm, DataNorm, batch_norm
from brl.models.common.blocks import (
    Block,
    Pointwise,
    beside,
    pointwise_norm,
    stacked,
)
from brl.models.common.temporal import TimeConvNorm

BLOCKS = (4, 3, 3)
# Frames that the attention over time sees at once.
ATTENTION_FRAMES = 9


class AdaptiveGraphConv(nn.Module):
    """ReLU(BN(sum over subsets of 1x1 convolutions on each body's own graphs) + residual).

    A body's graphs: learned ones, and how alike its joints move (section 3.2).
    """

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        super().__init__()
        self.A = nn.Parameter(adjacency.clone())
        self.alpha = nn.Parameter(torch.zeros(1))
        width = out_channels // 4
        # Plain lists of modules that the lists below register under their published names.
        self._of_source = [Pointwise(in_channels, width) for _ in adjacency]
        self._of_receiver = [Pointwise(in_channels, width) for _ in adjacency]
        self._convs = [Pointwise(in_channels, out_channels) for _ in adjacency]
        self.conv_a = nn.ModuleList(self._of_source)
        self.conv_b = nn.ModuleList(self._of_receiver)
        self.conv_d = nn.ModuleList(self._convs)
        self.bn = BatchNorm(out_channels)
        self.down = pointwise_norm(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, T, V, C')."""
        weights, biases = stacked(self._convs)
        y = F.linear(self.aggregated(x), weights.transpose(0, 1).flatten(1))
        return F.relu(batch_norm(y, [self.bn], biases.sum(dim=0)) + self.down(x))

    def aggregated(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, T, V, K C), subset before channel."""
        rows = self.graphs(x).permute(0, 3, 1, 2).flatten(1, 2)  # B, V K, V
        aggregated = torch.matmul(rows.to(x.dtype)[:, None], x)
        return aggregated.view(*x.shape[:3], len(self.A) * x.shape[-1])

    def graphs(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, K, V, V), [body, subset, source, receiver]."""
        embedded = beside(x, self._of_source + self._of_receiver)
        of_source, of_receiver = embedded.unflatten(-1, (2, len(self.A), -1)).unbind(3)
        size = x.shape[1] * of_source.shape[-1]  # each is B T V K C'/4
        products = torch.einsum("btuke,btvke->bkuv", of_source / size, of_receiver)
        return self.A + self.alpha * products.to(self.A.dtype).tanh()


class GraphConv(AdaptiveGraphConv):
    """The same, then attention to joints, to frames and to channels (section 3.3)."""

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        super().__init__(in_channels, out_channels, adjacency)
        joints = adjacency.shape[-1]
        self.conv_sa = _attention_conv(out_channels, joints - (joints % 2 == 0))
        self.conv_ta = _attention_conv(out_channels, ATTENTION_FRAMES)
        self.fc1c = nn.Linear(out_channels, out_channels // 2)
        self.fc2c = nn.Linear(out_channels // 2, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, T, V, C')."""
        y = super().forward(x)
        exact = torch.promote_types(y.dtype, torch.float32)
        # Each attention looks at means of what those before it leave of y: y itself is read
        # for the first two means, and written once.
        with torch.autocast(y.device.type, enabled=False):
            of_joints = _factors(self.conv_sa, y.mean(dim=1, dtype=exact))  # B V
            weights = (of_joints / y.shape[2]).to(y.dtype)
            by_frame = torch.matmul(weights[:, None, None], y).squeeze(2).to(exact)  # B T C
            of_frames = _factors(self.conv_ta, by_frame)  # B T
            overall = (of_frames[:, :, None] * by_frame).mean(dim=1)
            of_channels = 1 + self.fc2c(F.relu(self.fc1c(overall))).sigmoid()  # B C
            of_places = of_frames[:, :, None] * of_joints[:, None]  # B T V
        return y * of_places.to(y.dtype)[..., None] * of_channels.to(y.dtype)[:, None, None]


def _attention_conv(channels: int, kernel: int) -> nn.Conv1d:
    return nn.Conv1d(channels, 1, kernel, padding=(kernel - 1) // 2)


def _factors(conv: nn.Conv1d, means: Tensor) -> Tensor:
    """What attention multiplies joints or frames by, (B, L), from their means (B, L, C)."""
    return 1 + conv(means.transpose(1, 2)).squeeze(1).sigmoid()


class Backbone(network.Backbone):
    """Ten blocks; widths C0 x4, 2C0 x3, 4C0 x3."""

    def __init__(self, shape: network.Shape) -> None:
        super().__init__()
        layout = shape.layout
        adjacency = torch.from_numpy(layout.spatial_partition())
        self.data_bn = DataNorm(layout.num_joints, shape.in_channels, bodies=shape.max_bodies)
        blocks = shape.of_blocks(BLOCKS)
        self.gcn = nn.Sequential()
        for block in blocks:
            gcn = GraphConv(block.in_channels, block.out_channels, adjacency)
            tcn = TimeConvNorm(block.out_channels, block.stride)
            self.gcn.append(Block(gcn, tcn, *block, first=len(self.gcn) == 0))
        self.out_channels = blocks[-1].out_channels

    def forward(self, bodies: Tensor) -> Tensor:
        """(B, T, V, K) bodies to (B, T / 4, V, C') features."""
        return self.gcn(bodies)
