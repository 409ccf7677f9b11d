"""The baseline of the speed benchmarks: ST-GCN++ as published implementations compute it.

It is channels first and in float32, computes every branch separately, and computes absent bodies as
zeros. Its parameters have the names of `brl.models.stgcnpp`, so the two compute the same function
of the same weights.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.common.network import BlockShape, Shape
from brl.models.stgcnpp import BLOCKS

DILATIONS = (1, 2, 3, 4)


class PlainGraphConv(nn.Module):
    """ReLU(BN(sum over subsets of aggregated 1x1 convolutions) + residual)."""

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
        """Maps (B, C, T, V) to (B, C', T, V)."""
        per_subset = self.conv(x).unflatten(1, (len(self.A), -1))
        aggregated = torch.einsum("bkctv,kvw->bctw", per_subset, self.A)
        return F.relu(self.bn(aggregated) + self.down(x))


class PlainTimeConv(nn.Module):
    """Dilated convolution over three frames."""

    def __init__(self, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            channels, channels, (3, 1), (stride, 1), (dilation, 0), dilation=(dilation, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, T, V) to (B, C, T / stride, V)."""
        return self.conv(x)


class PlainTemporalConv(nn.Module):
    """Six parallel temporal branches; BN, ReLU, 1x1, BN follow on their concatenation."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        width = channels // (len(DILATIONS) + 2)
        widths = [channels - width * (len(DILATIONS) + 1), *[width] * (len(DILATIONS) + 1)]

        def reduced(out_channels: int) -> list[nn.Module]:
            return [
                nn.Conv2d(channels, out_channels, 1), nn.BatchNorm2d(out_channels), nn.ReLU()
            ]  # fmt: skip

        self.branches = nn.ModuleList(
            nn.Sequential(*reduced(branch_width), PlainTimeConv(branch_width, stride, dilation))
            for branch_width, dilation in zip(widths, DILATIONS, strict=False)
        )
        pool = nn.MaxPool2d((3, 1), (stride, 1), (1, 0))
        self.branches.append(nn.Sequential(*reduced(width), pool))
        self.branches.append(nn.Conv2d(channels, width, 1, (stride, 1)))
        self.transform = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels, 1)
        )
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, T, V) to (B, C, T / stride, V)."""
        return self.bn(self.transform(torch.cat([branch(x) for branch in self.branches], dim=1)))


class PlainResidual(nn.Module):
    """1x1 convolution and batch norm: the residual of a block that changes the shape."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.conv = nn.Conv2d(shape.in_channels, shape.out_channels, 1, (shape.stride, 1))
        self.bn = nn.BatchNorm2d(shape.out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, T, V) to (B, C', T / stride, V)."""
        return self.bn(self.conv(x))


class PlainBlock(nn.Module):
    """ReLU(TCN(GCN(x)) + residual(x)); the first block has no residual."""

    def __init__(self, shape: BlockShape, adjacency: Tensor, *, first: bool) -> None:
        super().__init__()
        self.gcn = PlainGraphConv(shape.in_channels, shape.out_channels, adjacency)
        self.tcn = PlainTemporalConv(shape.out_channels, shape.stride)
        self.first = first
        self.residual: nn.Module = nn.Identity()
        if not first and shape.in_channels != shape.out_channels:
            self.residual = PlainResidual(shape)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, C, T, V) to (B, C', T / stride, V)."""
        y = self.tcn(self.gcn(x))
        return F.relu(y if self.first else y + self.residual(x))


class PlainBackbone(nn.Module):
    """Ten blocks, as in `brl.models.stgcnpp`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        adjacency = torch.from_numpy(shape.layout.spatial_partition())
        self.data_bn = nn.BatchNorm1d(shape.in_channels * shape.layout.num_joints)
        self.gcn = nn.ModuleList(
            PlainBlock(block, adjacency, first=number == 0)
            for number, block in enumerate(shape.block_shapes(BLOCKS))
        )

    def forward(self, bodies: Tensor) -> Tensor:
        """Maps (B, T, V, K) to (B, C', T / 4, V)."""
        batch, frames, joints, channels = bodies.shape
        by_feature = bodies.permute(0, 2, 3, 1).reshape(batch, joints * channels, frames)
        normalised = self.data_bn(by_feature).view(batch, joints, channels, frames)
        x = normalised.permute(0, 2, 3, 1).contiguous()
        for block in self.gcn:
            x = block(x)
        return x


class PlainHead(nn.Module):
    """Linear classifier."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.fc_cls = nn.Linear(in_channels, num_classes)

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, C) of features (N, C')."""
        return self.fc_cls(features)


class PlainSTGCNpp(nn.Module):
    """Backbone and head, called like `brl.models.common.network.Network`."""

    def __init__(self, shape: Shape, num_classes: int) -> None:
        super().__init__()
        self.backbone = PlainBackbone(shape)
        self.cls_head = PlainHead(shape.block_shapes(BLOCKS)[-1].out_channels, num_classes)

    def forward(self, clips: Tensor, _present: Tensor) -> Tensor:
        """Logits (N, C) of clips (N, M, T, V, K); the mask of present bodies is not used."""
        features = self.backbone(clips.flatten(0, 1)).mean(dim=(2, 3))
        return self.cls_head(features.unflatten(0, clips.shape[:2]).mean(dim=1))
