"""MS-G3D (Liu et al., "Disentangling and Unifying Graph Convolutions", arXiv 2003.14111).

The modules are named as in published checkpoints, so their state dicts fit.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.clips.layout import Layout
from brl.models.common import network
from brl.models.common.batch_norm import BatchNorm, DataNorm
from brl.models.common.blocks import ConvNorm, Pointwise, PointwiseNorm, aggregate
from brl.models.common.temporal import TemporalBranches

BLOCKS = (1, 1, 1)
SCALES = 13
WINDOWS = (3, 5)
WINDOW_SCALES = 6


def scale_graphs(linked: np.ndarray, scales: int) -> Tensor:
    """Graphs that link joints s hops apart, for each scale s: (S, V, V), [scale, source, receiver].

    linked: (V, V) bool, joints at most one hop apart. Every joint also links to itself, so no
    column is empty; columns sum to one. Source: section 3.2, disentangled aggregation.
    """
    identity = np.eye(len(linked), dtype=bool)
    graphs, within = [identity], identity
    for _ in range(1, scales):
        further = within @ linked
        graphs.append((further & ~within) | identity)
        within = further
    stacked = np.stack(graphs).astype(np.float32)
    return torch.from_numpy(stacked / stacked.sum(axis=1, keepdims=True))


def linked_joints(layout: Layout, frames: int = 1) -> np.ndarray:
    """Joints at most one hop apart, in the same or different frames: (frames V, frames V) bool."""
    return np.tile(layout.spatial_partition().any(axis=0), (frames, frames))


class GraphConv(nn.Module):
    """ReLU(BN(1x1 convolution of the features, aggregated on all scales))."""

    A: Tensor

    def __init__(self, in_channels: int, out_channels: int, scales: Tensor) -> None:
        super().__init__()
        self.register_buffer("A", scales)
        # Almost zero, so training starts from the graphs of the skeleton.
        self.PA = nn.Parameter(torch.empty_like(scales).uniform_(-1e-6, 1e-6))
        conv = Pointwise(in_channels * len(scales), out_channels)
        self.mlp = nn.ModuleDict({"layers": ConvNorm(conv, BatchNorm(out_channels))})

    def graphs(self) -> Tensor:
        """(S, V, V), [scale, source, receiver]."""
        return self.A + self.PA

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T, V, C')."""
        return F.relu(self.mlp["layers"](aggregate(x, self.graphs())))


class Windows(nn.Module):
    """Sliding windows: each frame together with its neighbours in time."""

    def __init__(self, frames: int, stride: int) -> None:
        super().__init__()
        self.frames, self.stride = frames, stride

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, frames V, C).

        Windows reach past the first and the last frame; there they hold zeros.
        """
        half = self.frames // 2
        padded = F.pad(x, (0, 0, 0, 0, half, half))
        windows = padded.unfold(1, self.frames, self.stride)  # B T' V C frames
        return windows.permute(0, 1, 4, 2, 3).flatten(2, 3)


class WindowGraphConv(GraphConv):
    """`GraphConv` on windows: maps (B, T, frames V, C) to (B, T, V frames, C')."""

    def __init__(self, in_channels: int, out_channels: int, layout: Layout, frames: int) -> None:
        scales = scale_graphs(linked_joints(layout, frames), WINDOW_SCALES)
        super().__init__(in_channels, out_channels, scales)
        self.frames = frames

    def graphs(self) -> Tensor:
        """(S, frames V, V frames), [scale, source, receiver].

        Receivers are ordered by joint, so that the frames of a joint are adjacent.
        """
        return super().graphs().unflatten(2, (self.frames, -1)).transpose(2, 3).flatten(2)


class CollapseWindow(nn.Conv3d):
    """Convolution over the frames of a window, 1 x frames x 1, which become one frame."""

    def __init__(self, in_channels: int, out_channels: int, frames: int) -> None:
        super().__init__(in_channels, out_channels, (1, frames, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V frames, C) to (B, T, V, C')."""
        weight = self.weight.flatten(2).transpose(1, 2).flatten(1)  # C', frames C
        return F.linear(x.unflatten(2, (-1, self.kernel_size[1])).flatten(3), weight, self.bias)


class WindowPath(nn.Module):
    """G3D: graph convolution across space and time in sliding windows (section 3.3)."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, layout: Layout, frames: int,
        *, first: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        # The first block's input has only K channels, so its graph convolution already widens it.
        width = out_channels if first else in_channels
        self.gcn3d = nn.Sequential(
            Windows(frames, stride), WindowGraphConv(in_channels, width, layout, frames)
        )
        self.out_conv = CollapseWindow(width, out_channels, frames)
        self.out_bn = BatchNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C')."""
        return self.out_bn(self.out_conv(self.gcn3d(x)))


class WindowPaths(nn.Module):
    """The sum of G3D paths with windows of several lengths."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, layout: Layout, *, first: bool
    ) -> None:
        super().__init__()
        self.gcn3d = nn.ModuleList(
            WindowPath(in_channels, out_channels, stride, layout, frames, first=first)
            for frames in WINDOWS
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C')."""
        return sum(path(x) for path in self.gcn3d)


class TemporalConv(TemporalBranches):
    """Six temporal branches plus residual, without a ReLU at the end."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__(
            in_channels,
            out_channels,
            stride,
            kernel=3,
            dilations=(1, 2, 3, 4),
            wide=-1,
            closing_norm=True,
        )
        self.residual: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.residual = PointwiseNorm(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C')."""
        return super().forward(x) + self.residual(x)


class FactorisedPath(nn.Sequential):
    """A graph convolution over many hops, then two temporal convolutions (section 3.4)."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, layout: Layout, *, first: bool
    ) -> None:
        width = out_channels if first else in_channels
        super().__init__(
            GraphConv(in_channels, width, scale_graphs(linked_joints(layout), SCALES)),
            TemporalConv(width, out_channels, stride),
            TemporalConv(out_channels, out_channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C')."""
        graph_conv, widening, closing = self
        return closing(F.relu(widening(graph_conv(x))))


class Backbone(network.Backbone):
    """Three blocks of two paths each, of widths C0, 2 C0 and 4 C0 (section 3.4)."""

    def __init__(self, shape: network.Shape) -> None:
        super().__init__()
        layout = shape.layout
        self.data_bn = DataNorm(layout.num_joints, shape.in_channels, bodies=shape.max_bodies)
        blocks = shape.block_shapes(BLOCKS)
        for number, block in enumerate(blocks, start=1):
            first = number == 1
            self.add_module(f"gcn3d{number}", WindowPaths(*block, layout, first=first))
            self.add_module(f"sgcn{number}", FactorisedPath(*block, layout, first=first))
            width = block.out_channels
            self.add_module(f"tcn{number}", TemporalConv(width, width, 1))
        self.depth = len(blocks)
        self.out_channels = blocks[-1].out_channels

    def forward(self, bodies: Tensor) -> Tensor:
        """Maps bodies (B, T, V, K) to features (B, T / 4, V, C')."""
        x = bodies
        for number in range(1, self.depth + 1):
            factorised, windows, temporal = (
                self.get_submodule(f"{path}{number}") for path in ("sgcn", "gcn3d", "tcn")
            )
            x = F.relu(temporal(F.relu(factorised(x) + windows(x))))
        return x
