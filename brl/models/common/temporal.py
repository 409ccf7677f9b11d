"""Temporal convolutions, and the multi-branch modules that several networks share.

Activations are stored channels last, as in blocks.py.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.common.batch_norm import BatchNorm, batch_norm
from brl.models.common.blocks import Conv, Pointwise, conv_norm

# Rows whose length is a multiple of this fill whole vector registers.
ALIGNMENT = 16


class TimeConv(Conv):
    """Convolution over time, padded so that only the stride changes the number of frames."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1
    ) -> None:
        padding = dilation * (kernel - 1) // 2
        super().__init__(
            in_channels, out_channels, (kernel, 1), (stride, 1), (padding, 0), (dilation, 1)
        )
        self._stride_padding_dilation = stride, padding, dilation

    def unbiased(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C'), without the bias."""
        stride, padding, dilation = self._stride_padding_dilation
        if dilation % stride == 0 and padding % stride == 0:
            # No tap reads the frames in between, and a strided convolution has a slow gradient.
            x = x[:, ::stride]
            stride, padding, dilation = 1, padding // stride, dilation // stride
        channels_first = x.contiguous().permute(0, 3, 1, 2)
        y = F.conv2d(channels_first, self.weight, None, (stride, 1), (padding, 0), (dilation, 1))
        return y.permute(0, 2, 3, 1)


class MaxPoolTime(nn.Module):
    """Max-pooling over three frames."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C)."""
        channels_first = x.contiguous().permute(0, 3, 1, 2)
        pooled = F.max_pool2d(channels_first, (3, 1), (self.stride, 1), (1, 0))
        return pooled.permute(0, 2, 3, 1)


class TimeConvNorm(nn.Module):
    """Convolution over nine frames and batch norm: the temporal part of a block."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = TimeConv(channels, channels, 9, stride)
        self.bn = BatchNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C)."""
        return conv_norm(x, self.conv, self.bn)


class TemporalBranches(nn.Module):
    """Parallel temporal branches, concatenated along the channels.

    In this order: for each dilation a branch of 1x1 convolution, BN, ReLU and temporal convolution;
    a branch of 1x1 convolution, BN, ReLU and max-pooling; a branch of a 1x1 convolution alone. With
    `closing_norm` each branch ends in a batch norm. The channels are divided evenly; the branch
    with index `wide` also takes the remainder. Operations that the branches have in common are
    computed together: the 1x1 convolutions, the batch norms after them, the closing batch norms.
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
        # Plain lists: `branches` registers these modules under their published names.
        self._pointwise = [
            *(Pointwise(in_channels, width) for width in reduced),
            Pointwise(in_channels, unreduced, stride),
        ]
        self._norms = [BatchNorm(width) for width in reduced]
        self._time_convs = [
            TimeConv(width, width, kernel, stride, dilation)
            for width, dilation in zip(reduced, dilations, strict=False)
        ]
        self._pools = [MaxPoolTime(stride)]
        self._closing_norms = [BatchNorm(width) for width in widths] if closing_norm else []
        self.branches = self._published()

    def _published(self) -> nn.ModuleList:
        """All modules, nested as in published checkpoints."""
        norms = self._closing_norms
        time_convs: list[nn.Module] = []
        for number, conv in enumerate(self._time_convs):
            parts = {"conv": conv, "bn": norms[number]} if norms else {"conv": conv}
            time_convs.append(nn.ModuleDict(parts))
        tails = [[module] for module in time_convs] + [[*self._pools, *norms[-2:-1]]]
        *reducing, last = self._pointwise
        columns = zip(reducing, self._norms, tails, strict=True)
        branches: list[nn.Module] = [
            nn.Sequential(conv, norm, nn.ReLU(), *tail) for conv, norm, tail in columns
        ]
        branches.append(nn.Sequential(last, norms[-1]) if norms else last)
        return nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C')."""
        y, bias = self.unbiased(x)
        if self._closing_norms:
            return batch_norm(y, self._closing_norms, bias)
        return y + bias.to(y.dtype)

    def unbiased(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Concatenated outputs before the closing norms, and the biases (C',) not yet added."""
        *reducing, last = self._pointwise
        parts = self._reduced(x, reducing).split([conv.out_channels for conv in reducing], dim=-1)
        outputs = [conv.unbiased(p) for conv, p in zip(self._time_convs, parts, strict=False)]
        outputs += [pool(parts[-1]) for pool in self._pools]
        y = torch.cat([*outputs, last.unbiased(x)], dim=-1)
        no_bias = torch.zeros_like(reducing[-1].bias)  # the pooled branch has none
        return y, torch.cat([*(conv.bias for conv in self._time_convs), no_bias, last.bias])

    def _reduced(self, x: Tensor, convs: list[Pointwise]) -> Tensor:
        """ReLU(BN(1x1(x))) of all branches but the last, (B, T, V, sum of their widths)."""
        weight = torch.cat([conv.weight.flatten(1) for conv in convs])
        bias = torch.cat([conv.bias for conv in convs])
        # Channels of zeros align the rows of the common batch norm.
        padding = -len(bias) % ALIGNMENT
        y = F.linear(x, F.pad(weight, (0, 0, 0, padding)))
        return F.relu(batch_norm(y, self._norms, F.pad(bias, (0, padding))))[..., : len(bias)]


class MixedBranches(TemporalBranches):
    """The temporal module of ST-GCN++ (arXiv 2205.09443, section 3.2).

    Six branches: four dilated convolutions over three frames, max-pooling, and a 1x1 convolution.
    BN, ReLU, a 1x1 convolution and BN follow on their concatenation.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__(
            channels,
            channels,
            stride,
            kernel=3,
            dilations=(1, 2, 3, 4),
            wide=0,
            closing_norm=False,
        )
        self.transform = nn.Sequential(
            BatchNorm(channels), nn.ReLU(), Pointwise(channels, channels)
        )
        self.bn = BatchNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C)."""
        return self.mixed(*self.unbiased(x))

    def mixed(self, y: Tensor, missing_bias: Tensor | None = None) -> Tensor:
        """Applies BN, ReLU, 1x1, BN to branches (B, T, V, C). missing_bias: see `batch_norm`."""
        norm, relu, conv = self.transform
        assert isinstance(norm, BatchNorm)
        return conv_norm(relu(batch_norm(y, [norm], missing_bias)), conv, self.bn)
