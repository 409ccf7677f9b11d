"""What the networks are made of. Activations lie channels last: (B, T, V, C), B bodies.

So a 1x1 convolution, and the aggregation over a graph, are plain matrix products without a copy,
and a convolution over time sees PyTorch's channels-last memory format. Modules keep the
parameters' published names and shapes, so published checkpoints fit.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.common.batch_norm import BatchNorm, batch_norm


class Conv(nn.Conv2d, ABC):
    """A convolution with a bias, which it can leave out."""

    bias: Tensor

    @abstractmethod
    def unbiased(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, T', V, C'), without the bias."""


class Pointwise(Conv):
    """1x1 convolution: (B, T, V, C) to (B, T / stride, V, C')."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, 1, (stride, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self._product(x, self.bias)

    def unbiased(self, x: Tensor) -> Tensor:
        """The same without the bias."""
        return self._product(x, None)

    def _product(self, x: Tensor, bias: Tensor | None) -> Tensor:
        # Contiguous, or PyTorch would make a batch of small products of it.
        frames = x[:, :: self.stride[0]].contiguous()
        return F.linear(frames, self.weight.flatten(1), bias)


class ConvNorm(nn.Sequential):
    """A convolution and its batch norm, which makes the convolution's bias needless to add."""

    def forward(self, x: Tensor) -> Tensor:
        conv, norm = self
        return conv_norm(x, conv, norm)


def conv_norm(x: Tensor, conv: nn.Module, norm: nn.Module) -> Tensor:
    """BN(conv(x))."""
    assert isinstance(conv, Conv)
    assert isinstance(norm, BatchNorm)
    return batch_norm(conv.unbiased(x), [norm], conv.bias)


class PointwiseNorm(nn.Module):
    """1x1 convolution with stride, and batch norm: the residual of a block that changes shape."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = Pointwise(in_channels, out_channels, stride)
        self.bn = BatchNorm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return conv_norm(x, self.conv, self.bn)


def pointwise_norm(in_channels: int, out_channels: int) -> nn.Module:
    """The same as a sequence, as published inside graph convolutions; identity at equal widths."""
    if in_channels == out_channels:
        return nn.Identity()
    return ConvNorm(Pointwise(in_channels, out_channels), BatchNorm(out_channels))


def aggregate(x: Tensor, graphs: Tensor) -> Tensor:
    """Sums over source joints u: y[..., v, k, c] = sum_u graphs[k, u, v] x[..., u, c].

    x: (B, T, V, C); graphs: (K, V, V), [subset, source, receiver]. Returns (B, T, V, K C), subset
    before channel: a 1x1 convolution on it is the sum over subsets of aggregated convolutions.
    """
    batch, frames, joints, channels = x.shape
    # Rows by receiver, then subset: the product's memory is the result's.
    rows = graphs.permute(2, 0, 1).reshape(-1, joints)
    aggregated = torch.bmm(
        rows.expand(batch * frames, -1, -1), x.reshape(batch * frames, joints, channels)
    )
    return aggregated.view(batch, frames, joints, len(graphs) * channels)


def graph_conv(x: Tensor, graphs: Tensor, conv: nn.Conv2d) -> Tensor:
    """Sum over subsets k of the convolutions' outputs, aggregated: (B, T, V, C) to (B, T, V, C').

    conv: 1x1 from C to K C' channels, subset before channel. Aggregating first commutes with it
    and is one product less where the width grows.
    """
    subsets = len(graphs)
    weight = conv.weight.view(subsets, -1, conv.in_channels)  # K C' C
    by_output = weight.transpose(0, 1).flatten(1)  # C', K C
    y = F.linear(aggregate(x, graphs), by_output)
    if conv.bias is None:
        return y
    # A subset's bias reaches a joint as often as its graph's column sums to.
    bias = graphs.sum(dim=1).transpose(0, 1) @ conv.bias.view(subsets, -1)  # V C'
    return y + bias.to(y.dtype)


class Block(nn.Module):
    """ReLU(TCN(GCN(x)) + residual(x)); a network's first block has no residual."""

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
        """(B, T, V, C) to (B, T / stride, V, C')."""
        y = self.tcn(self.gcn(x))
        return F.relu(y + self.residual(x) if self.has_residual else y)


def beside(x: Tensor, convs: Sequence[Pointwise]) -> Tensor:
    """1x1 convolutions of one input as one, their outputs one after the other in the channels."""
    weights, biases = stacked(convs)
    return F.linear(x, weights.flatten(0, 1), biases.flatten())


def stacked(convs: Sequence[Pointwise]) -> tuple[Tensor, Tensor]:
    """Weights (K, C', C) and biases (K, C') of K convolutions of one shape."""
    weights = [conv.weight.flatten(1) for conv in convs]
    return torch.stack(weights), torch.stack([conv.bias for conv in convs])


def aggregate_channels(x: Tensor, graphs: Tensor) -> Tensor:
    """Sums over sources u, on a graph for each channel of each body.

    x: (B, T, V, C); graphs: (B, C, V, V), [body, channel, source, receiver]. Returns (B, T, V, C),
    a view of channels that lie first.
    """
    aggregated = torch.matmul(x.permute(0, 3, 1, 2), graphs.to(x.dtype))
    return aggregated.permute(0, 2, 3, 1)
