"""What the networks are made of. Activations lie channels last: (B, T, V, C), B bodies.

So a 1x1 convolution, and the aggregation over a graph, are plain matrix products without a copy,
and a convolution over time sees PyTorch's channels-last memory format. Modules keep the
parameters' published names and shapes, so published checkpoints fit.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.batch_norm import BatchNorm, batch_norm

# Rows of activations that are a multiple of this are read in whole vector registers.
ALIGNMENT = 16


class Pointwise(nn.Conv2d):
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


class TimeConv(nn.Conv2d):
    """Convolution over time that keeps its length, but for the stride."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1
    ) -> None:
        padding = dilation * (kernel - 1) // 2
        super().__init__(
            in_channels, out_channels, (kernel, 1), (stride, 1), (padding, 0), (dilation, 1)
        )
        self._over_time = stride, padding, dilation

    def unbiased(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, T / stride, V, C'), without the bias."""
        stride, padding, dilation = self._over_time
        if dilation % stride == 0 and padding % stride == 0:
            # No tap meets the frames between; and a stride is slow to differentiate.
            x = x[:, ::stride]
            stride, padding, dilation = 1, padding // stride, dilation // stride
        channels_first = x.contiguous().permute(0, 3, 1, 2)
        y = F.conv2d(channels_first, self.weight, None, (stride, 1), (padding, 0), (dilation, 1))
        return y.permute(0, 2, 3, 1)


class ConvNorm(nn.Sequential):
    """A convolution and its batch norm, which makes the convolution's bias needless to add."""

    def forward(self, x: Tensor) -> Tensor:
        conv, norm = self
        return conv_norm(x, conv, norm)


def conv_norm(x: Tensor, conv: nn.Module, norm: nn.Module) -> Tensor:
    """BN(conv(x)) of a Pointwise or a TimeConv."""
    assert isinstance(conv, Pointwise | TimeConv)
    assert isinstance(norm, BatchNorm)
    return batch_norm(conv.unbiased(x), [norm], conv.bias)


class MaxPoolTime(nn.Module):
    """Maximum over three frames."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, T / stride, V, C)."""
        channels_first = x.contiguous().permute(0, 3, 1, 2)
        pooled = F.max_pool2d(channels_first, (3, 1), (self.stride, 1), (1, 0))
        return pooled.permute(0, 2, 3, 1)


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


class TemporalBranches(nn.Module):
    """Branches over time side by side, their outputs one after the other in the channels.

    For each dilation: 1x1, BN, ReLU, convolution over time; then 1x1, BN, ReLU, max-pool; then
    1x1. With `closing_norm` each branch ends in a batch norm. One branch, `wide`, takes the
    remainder of the division. What branches have in common is computed as one: the 1x1
    convolutions, the batch norms after them, and the closing batch norms.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        *,
        kernel: int,
        dilations: tuple[int, ...],
        wide: int,
        closing_norm: bool,
    ) -> None:
        super().__init__()
        count = len(dilations) + 2
        widths = [out_channels // count] * count
        widths[wide] += out_channels - sum(widths)
        *reduced, unreduced = widths
        # Plain lists of modules that `branches` registers under their published names.
        self._pointwise = [
            *(Pointwise(in_channels, width) for width in reduced),
            Pointwise(in_channels, unreduced, stride),
        ]
        self._norms = [BatchNorm(width) for width in reduced]
        self._over_time = [
            TimeConv(width, width, kernel, stride, dilation)
            for width, dilation in zip(reduced, dilations, strict=False)
        ]
        self._pools = [MaxPoolTime(stride)]
        self._closing_norms = [BatchNorm(width) for width in widths] if closing_norm else []
        self.branches = self._published()

    def _published(self) -> nn.ModuleList:
        """The modules, nested as in published checkpoints."""
        norms = self._closing_norms
        over_time: list[nn.Module] = []
        for number, conv in enumerate(self._over_time):
            parts = {"conv": conv, "bn": norms[number]} if norms else {"conv": conv}
            over_time.append(nn.ModuleDict(parts))
        tails = [[module] for module in over_time] + [[*self._pools, *norms[-2:-1]]]
        *reducing, last = self._pointwise
        columns = zip(reducing, self._norms, tails, strict=True)
        branches: list[nn.Module] = [
            nn.Sequential(conv, norm, nn.ReLU(), *tail) for conv, norm, tail in columns
        ]
        branches.append(nn.Sequential(last, norms[-1]) if norms else last)
        return nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, T / stride, V, C')."""
        y, bias = self.unbiased(x)
        if self._closing_norms:
            return batch_norm(y, self._closing_norms, bias)
        return y + bias.to(y.dtype)

    def unbiased(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The branches' outputs before the closing norms, and the biases (C',) they lack."""
        *reducing, last = self._pointwise
        parts = self._reduced(x, reducing).split([conv.out_channels for conv in reducing], dim=-1)
        outputs = [conv.unbiased(p) for conv, p in zip(self._over_time, parts, strict=False)]
        outputs += [pool(parts[-1]) for pool in self._pools]
        y = torch.cat([*outputs, last.unbiased(x)], dim=-1)
        no_bias = torch.zeros_like(_bias(reducing[-1]))  # of the pooled branch
        return y, torch.cat([*map(_bias, self._over_time), no_bias, _bias(last)])

    def _reduced(self, x: Tensor, convs: list[Pointwise]) -> Tensor:
        """ReLU(BN(1x1)) of all reducing branches, (B, T, V, sum of their widths)."""
        weight = torch.cat([conv.weight.flatten(1) for conv in convs])
        bias = torch.cat([_bias(conv) for conv in convs])
        # Channels of zeros, so that the joint batch norm's rows are aligned.
        padding = -len(bias) % ALIGNMENT
        y = F.linear(x, F.pad(weight, (0, 0, 0, padding)))
        return F.relu(batch_norm(y, self._norms, F.pad(bias, (0, padding))))[..., : len(bias)]


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None  # every convolution here has one
    return conv.bias


class TimeConvNorm(nn.Module):
    """Convolution over nine frames, and batch norm: the temporal part of a block."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = TimeConv(channels, channels, 9, stride)
        self.bn = BatchNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, T / stride, V, C)."""
        return conv_norm(x, self.conv, self.bn)


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
    return torch.stack(weights), torch.stack([_bias(conv) for conv in convs])


def aggregate_channels(x: Tensor, graphs: Tensor) -> Tensor:
    """Sums over sources u, on a graph for each channel of each body.

    x: (B, T, U, C); graphs: (B, C, U, V), [body, channel, source, receiver]. Returns (B, T, V, C).
    """
    aggregated = torch.matmul(x.permute(0, 3, 1, 2), graphs.to(x.dtype))
    return aggregated.permute(0, 2, 3, 1)
