"""ST-GCN++ (Duan et al., "PYSKL", arXiv 2205.09443, section 3.2).

Module names give the state-dict keys of published checkpoints.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.skeleton import Layout

NUM_BLOCKS = 10
# Blocks that double the width and halve time, counted from 0.
WIDENING_BLOCKS = (4, 7)
DILATIONS = (1, 2, 3, 4)


class GraphConv(nn.Module):
    """ReLU(BN(sum over subsets of graph-aggregated 1x1 convolutions) + residual)."""

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        super().__init__()
        self.A = nn.Parameter(adjacency.clone())
        self.conv = nn.Conv2d(in_channels, out_channels * len(adjacency), 1)
        self.bn = nn.BatchNorm2d(out_channels)
        self.down: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.down = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, V) to (B, C', T, V)."""
        per_subset = self.conv(x).unflatten(1, (len(self.A), -1))
        aggregated = torch.einsum("bkctv,kvw->bctw", per_subset, self.A)
        return F.relu(self.bn(aggregated) + self.down(x))


class TimeConv(nn.Module):
    """3x1 convolution over time; `conv` by that name for the checkpoints' sake."""

    def __init__(self, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels, channels, (3, 1), (stride, 1), (dilation, 0), dilation=(dilation, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class MultiScaleTemporalConv(nn.Module):
    """Six branches over time: four dilated 3x1, one max-pool, one 1x1; then BN, ReLU, 1x1, BN."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        width = channels // (len(DILATIONS) + 2)
        first_width = channels - width * (len(DILATIONS) + 1)

        def reduced(out_channels: int) -> list[nn.Module]:
            return [
                nn.Conv2d(channels, out_channels, 1),
                nn.BatchNorm2d(out_channels),
                nn.ReLU(inplace=True),
            ]

        self.branches = nn.ModuleList()
        for dilation in DILATIONS:
            branch_width = width if self.branches else first_width
            convolution = TimeConv(branch_width, stride, dilation)
            self.branches.append(nn.Sequential(*reduced(branch_width), convolution))
        pool = nn.MaxPool2d((3, 1), (stride, 1), (1, 0))
        self.branches.append(nn.Sequential(*reduced(width), pool))
        self.branches.append(nn.Conv2d(channels, width, 1, (stride, 1)))
        self.transform = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.Conv2d(channels, channels, 1)
        )
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, V) to (B, C, T / stride, V)."""
        return self.bn(self.transform(torch.cat([branch(x) for branch in self.branches], dim=1)))


class Residual(nn.Module):
    """1x1 convolution with stride, and batch norm."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, (stride, 1))
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


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
            self.residual = Residual(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.tcn(self.gcn(x))
        return F.relu(y + self.residual(x) if self.has_residual else y)


class Backbone(nn.Module):
    """Ten blocks; widths C0 x4, 2C0 x3, 4C0 x3."""

    def __init__(self, layout: Layout, in_channels: int, base_channels: int) -> None:
        super().__init__()
        adjacency = torch.from_numpy(layout.spatial_partition())
        self.data_bn = nn.BatchNorm1d(in_channels * layout.num_joints)
        self.gcn = nn.ModuleList()
        channels, width = in_channels, base_channels
        for index in range(NUM_BLOCKS):
            widening = index in WIDENING_BLOCKS
            width *= 2 if widening else 1
            stride = 2 if widening else 1
            self.gcn.append(Block(channels, width, stride, adjacency, first=index == 0))
            channels = width
        self.out_channels = channels

    def forward(self, bodies: Tensor) -> Tensor:
        """(B, T, V, K) bodies to (B, C', T / 4, V) features."""
        batch, frames, joints, channels = bodies.shape
        by_feature = bodies.permute(0, 2, 3, 1).reshape(batch, joints * channels, frames)
        normalised = self.data_bn(by_feature).view(batch, joints, channels, frames)
        x = normalised.permute(0, 2, 3, 1).contiguous()
        for block in self.gcn:
            x = block(x)
        return x


class Head(nn.Module):
    """Linear classifier; `fc_cls` by that name for the checkpoints' sake."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.fc_cls = nn.Linear(in_channels, num_classes)
        nn.init.normal_(self.fc_cls.weight, std=0.01)
        nn.init.zeros_(self.fc_cls.bias)

    def forward(self, features: Tensor) -> Tensor:
        return self.fc_cls(features)


class STGCNpp(nn.Module):
    """ST-GCN++ with a linear head."""

    def __init__(
        self, layout: Layout, in_channels: int, num_classes: int, base_channels: int
    ) -> None:
        super().__init__()
        self.backbone = Backbone(layout, in_channels, base_channels)
        self.cls_head = Head(self.backbone.out_channels, num_classes)

    def features(self, clips: Tensor, present: Tensor) -> Tensor:
        """Mean feature of each body over frames and joints, (N, M, C'); zero where absent.

        clips: (N, M, T, V, K); present: (N, M) bool. Only present bodies are computed, so absent
        ones touch neither the time a step takes nor the batch norms' statistics.
        """
        of_present = self.backbone(clips[present]).mean(dim=(2, 3))
        features = of_present.new_zeros(*present.shape, of_present.shape[-1])
        features[present] = of_present
        return features

    def forward(self, clips: Tensor, present: Tensor) -> Tensor:
        """Logits (N, C) of clips (N, M, T, V, K): the head on the mean over present bodies."""
        features = self.features(clips, present)
        return self.cls_head(features.sum(dim=1) / present.sum(dim=1, keepdim=True))
