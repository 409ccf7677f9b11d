"""MS-G3D (Liu et al., "Disentangling and Unifying Graph Convolutions", arXiv 2003.14111).

Module names give the state-dict keys of published checkpoints.
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
    """Graphs of the joints k hops away, for each scale k: (K, V, V) [scale, source, receiver].

    linked: (V, V) bool, joints at most one hop apart. Every joint stays a source of its own, so
    no column is empty; columns sum to one. Source: section 3.2, "disentangled" aggregation.
    """
    itself = np.eye(len(linked), dtype=bool)
    graphs, within = [itself], itself
    for _ in range(1, scales):
        further = within @ linked
        graphs.append((further & ~within) | itself)
        within = further
    stacked = np.stack(graphs).astype(np.float32)
    return torch.from_numpy(stacked / stacked.sum(axis=1, keepdims=True))


def linked_joints(layout: Layout, frames: int = 1) -> np.ndarray:
    """Joints at most one hop apart whatever their frames, (frames V, frames V) bool."""
    return np.tile(layout.spatial_partition().any(axis=0), (frames, frames))


class GraphConv(nn.Module):
    """ReLU(BN(1x1 convolution of the aggregations on all scales))."""

    A: Tensor

    def __init__(self, in_channels: int, out_channels: int, scales: Tensor) -> None:
        super().__init__()
        self.register_buffer("A", scales)
        # All but zero: training starts from the scales' own graphs (section 3.4).
        self.PA = nn.Parameter(torch.empty_like(scales).uniform_(-1e-6, 1e-6))
        conv = Pointwise(in_channels * len(scales), out_channels)
        self.mlp = nn.ModuleDict({"layers": ConvNorm(conv, BatchNorm(out_channels))})

    def graphs(self) -> Tensor:
        return self.A + self.PA

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, T, V, C')."""
        return F.relu(self.mlp["layers"](aggregate(x, self.graphs())))


class Windows(nn.Module):
    """Each frame with its neighbours in time: one graph of all the frames' joints."""

    def __init__(self, frames: int, stride: int) -> None:
        super().__init__()
        self.frames, self.stride = frames, stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, T / stride, frames V, C); zeros before the start and past the end."""
        around = self.frames // 2
        padded = F.pad(x, (0, 0, 0, 0, around, around))
        windows = padded.unfold(1, self.frames, self.stride)  # B T' V C frames
        return windows.permute(0, 1, 4, 2, 3).flatten(2, 3)


class WindowGraphConv(GraphConv):
    """The same on windows, (B, T, frames V, C) to (B, T, V frames, C')."""

    def __init__(self, in_channels: int, out_channels: int, layout: Layout, frames: int) -> None:
        scales = scale_graphs(linked_joints(layout, frames), WINDOW_SCALES)
        super().__init__(in_channels, out_channels, scales)
        self.frames = frames

    def graphs(self) -> Tensor:
        """Receivers joint by joint, so that a joint's frames come out side by side."""
        return super().graphs().unflatten(2, (self.frames, -1)).transpose(2, 3).flatten(2)


class CollapseWindow(nn.Conv3d):
    """Convolution over the frames of a window, 1 x frames x 1: they become one."""

    def __init__(self, in_channels: int, out_channels: int, frames: int) -> None:
        super().__init__(in_channels, out_channels, (1, frames, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, V frames, C) to (B, T, V, C')."""
        weight = self.weight.flatten(2).transpose(1, 2).flatten(1)  # C', frames C
        return F.linear(x.unflatten(2, (-1, self.kernel_size[1])).flatten(3), weight, self.bias)


class WindowPath(nn.Module):
    """G3D: convolution on the graph across space and time of sliding windows (section 3.3)."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, layout: Layout, frames: int,
        *, first: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        # Coordinates are too few to convolve: the first block widens them at once.
        width = out_channels if first else in_channels
        self.gcn3d = nn.Sequential(
            Windows(frames, stride), WindowGraphConv(in_channels, width, layout, frames)
        )
        self.out_conv = CollapseWindow(width, out_channels, frames)
        self.out_bn = BatchNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, T / stride, V, C')."""
        return self.out_bn(self.out_conv(self.gcn3d(x)))


class WindowPaths(nn.Module):
    """The sum over windows of several lengths."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, layout: Layout, *, first: bool
    ) -> None:
        super().__init__()
        self.gcn3d = nn.ModuleList(
            WindowPath(in_channels, out_channels, stride, layout, frames, first=first)
            for frames in WINDOWS
        )

    def forward(self, x: Tensor) -> Tensor:
        return sum(path(x) for path in self.gcn3d)


class TemporalConv(TemporalBranches):
    """Six branches over time, plus residual; the ReLU after it is the caller's."""

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
        """(B, T, V, C) to (B, T / stride, V, C')."""
        return super().forward(x) + self.residual(x)


class FactorisedPath(nn.Sequential):
    """A graph convolution over long distances, then two over long times."""

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
        """(B, T, V, C) to (B, T / stride, V, C')."""
        graph_conv, widening, closing = self
        return closing(F.relu(widening(graph_conv(x))))


class Backbone(network.Backbone):
    """Three blocks of two paths each; widths C0, 2C0, 4C0 (section 3.4)."""

    def __init__(self, shape: network.Shape) -> None:
        super().__init__()
        layout = shape.layout
        self.data_bn = DataNorm(layout.num_joints, shape.in_channels, bodies=shape.max_bodies)
        blocks = shape.of_blocks(BLOCKS)
        for number, block in enumerate(blocks, start=1):
            first = number == 1
            self.add_module(f"gcn3d{number}", WindowPaths(*block, layout, first=first))
            self.add_module(f"sgcn{number}", FactorisedPath(*block, layout, first=first))
            width = block.out_channels
            self.add_module(f"tcn{number}", TemporalConv(width, width, 1))
        self.depth = len(blocks)
        self.out_channels = blocks[-1].out_channels

    def forward(self, bodies: Tensor) -> Tensor:
        """(B, T, V, K) bodies to (B, T / 4, V, C') features."""
        x = bodies
        for number in range(1, self.depth + 1):
            factorised, windows, temporal = (
                self.get_submodule(f"{path}{number}") for path in ("sgcn", "gcn3d", "tcn")
            )
            x = F.relu(temporal(F.relu(factorised(x) + windows(x))))
        return x
