"""The building blocks of the networks.

Activations are stored channels last, (B, T, V, C) for B bodies. A 1x1 convolution and the
aggregation over a graph are then plain matrix products without a copy, and a convolution over time
sees PyTorch's channels-last memory format. A graph convolution has S subsets, one graph for each.
Parameters keep their published names and shapes, so published checkpoints fit.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.common.batch_norm import BatchNorm, batch_norm


class Conv(nn.Conv2d, ABC):
    """A convolution that can be computed without its bias."""

    bias: Tensor

    @abstractmethod
    def unbiased(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T', V, C'), without the bias."""


class Pointwise(Conv):
    """1x1 convolution, with a stride over time."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, 1, (stride, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C')."""
        return self._product(x, self.bias)

    def unbiased(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C'), without the bias."""
        return self._product(x, None)

    def _product(self, x: Tensor, bias: Tensor | None) -> Tensor:
        # Without contiguous(), PyTorch would compute a batch of small products.
        frames = x[:, :: self.stride[0]].contiguous()
        return F.linear(frames, self.weight.flatten(1), bias)


class ConvNorm(nn.Sequential):
    """A convolution and its batch norm. The norm cancels the bias, so it is never added."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T', V, C')."""
        conv, norm = self
        return conv_norm(x, conv, norm)


def conv_norm(x: Tensor, conv: nn.Module, norm: nn.Module) -> Tensor:
    """BN(conv(x))."""
    assert isinstance(conv, Conv)
    assert isinstance(norm, BatchNorm)
    return batch_norm(conv.unbiased(x), [norm], conv.bias)


class PointwiseNorm(nn.Module):
    """1x1 convolution and batch norm: the residual of a block that changes the shape."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = Pointwise(in_channels, out_channels, stride)
        self.bn = BatchNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C')."""
        return conv_norm(x, self.conv, self.bn)


def pointwise_norm(in_channels: int, out_channels: int) -> nn.Module:
    """The residual inside a graph convolution, as published: identity if the widths are equal."""
    if in_channels == out_channels:
        return nn.Identity()
    return ConvNorm(Pointwise(in_channels, out_channels), BatchNorm(out_channels))


def aggregate(x: Tensor, graphs: Tensor) -> Tensor:
    """Aggregates x over each subset's graph: y[..., v, s, c] = sum_u graphs[s, u, v] x[..., u, c].

    x: (B, T, V, C); graphs: (S, V, V), [subset, source, receiver]. Returns (B, T, V, S C), subset
    before channel. A 1x1 convolution of it is a sum over subsets of aggregated 1x1 convolutions.
    """
    batch, frames, joints, channels = x.shape
    # Rows ordered by receiver, then subset: the product is the result, without a copy.
    rows = graphs.permute(2, 0, 1).reshape(-1, joints)
    aggregated = torch.bmm(
        rows.expand(batch * frames, -1, -1), x.reshape(batch * frames, joints, channels)
    )
    return aggregated.view(batch, frames, joints, len(graphs) * channels)


def graph_conv(x: Tensor, graphs: Tensor, conv: nn.Conv2d) -> Tensor:
    """Graph convolution: the sum over subsets of aggregated 1x1 convolutions of x.

    Maps (B, T, V, C) to (B, T, V, C'). graphs: (S, V, V); conv: 1x1 from C to S C' channels,
    subset before channel. Aggregation and convolution commute; aggregating first is the smaller
    product where the width grows.
    """
    subsets = len(graphs)
    weight = conv.weight.view(subsets, -1, conv.in_channels)  # S C' C
    by_output = weight.transpose(0, 1).flatten(1)  # C', S C
    y = F.linear(aggregate(x, graphs), by_output)
    if conv.bias is None:
        return y
    # The aggregation multiplies a subset's bias by its graph's column sums.
    bias = graphs.sum(dim=1).transpose(0, 1) @ conv.bias.view(subsets, -1)  # V C'
    return y + bias.to(y.dtype)


class Block(nn.Module):
    """ReLU(TCN(GCN(x)) + residual(x)); the first block of a network has no residual."""

    def __init__(
        self, gcn: nn.Module, tcn: nn.Module, in_channels: int, out_channels: int, stride: int,
        *, first: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.gcn = gcn
        self.tcn = tcn
        self.has_residual = not first
        self.residual: nn.Module = nn.Identity()
        if self.has_residual and (stride != 1 or in_channels != out_channels):
            self.residual = PointwiseNorm(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C')."""
        y = self.tcn(self.gcn(x))
        return F.relu(y + self.residual(x) if self.has_residual else y)


def merged_pointwise(x: Tensor, convs: Sequence[Pointwise]) -> Tensor:
    """Several 1x1 convolutions of x (B, T, V, C) in one product: (B, T, V, sum of widths)."""
    weights, biases = stacked(convs)
    return F.linear(x, weights.flatten(0, 1), biases.flatten())


def stacked(convs: Sequence[Pointwise]) -> tuple[Tensor, Tensor]:
    """Stacked weights (S, C', C) and biases (S, C') of S convolutions of equal shape."""
    weights = [conv.weight.flatten(1) for conv in convs]
    return torch.stack(weights), torch.stack([conv.bias for conv in convs])


def aggregate_channels(x: Tensor, graphs: Tensor) -> Tensor:
    """Aggregates each channel of each body over a graph of its own.

    x: (B, T, V, C); graphs: (B, C, V, V), [body, channel, source, receiver]. Returns (B, T, V, C),
    as a view of a channels-first tensor.
    """
    aggregated = torch.matmul(x.permute(0, 3, 1, 2), graphs.to(x.dtype))
    return aggregated.permute(0, 2, 3, 1)
