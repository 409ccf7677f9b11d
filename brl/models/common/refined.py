"""Graph convolution with a graph for each channel and body.

Source: CTR-GCN (arXiv 2107.12213), section 3.2.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.common.batch_norm import BatchNorm
from brl.models.common.blocks import (
    Pointwise,
    aggregate_channels,
    merged_pointwise,
    pointwise_norm,
    stacked,
)


class RefinedSubset(nn.Module):
    """The convolutions of one subset.

    `conv1` and `conv2` embed source and receiver joints in R channels, `conv4` turns the
    differences of the embeddings into a graph for each output channel, and `conv3` computes the
    features that are aggregated.
    """

    def __init__(self, in_channels: int, out_channels: int, reduced: int) -> None:
        super().__init__()
        self.conv1 = Pointwise(in_channels, reduced)
        self.conv2 = Pointwise(in_channels, reduced)
        self.conv3 = Pointwise(in_channels, out_channels)
        self.conv4 = Pointwise(reduced, out_channels)


class RefinedGraphConv(nn.Module):
    """ReLU(BN(sum over subsets of features, aggregated on one graph per channel) + residual).

    A body's graphs are a learned graph that all channels share, plus a refinement for each channel.

    adjacency: (S, V, V), the initial value of the shared graphs; reduced: R, the channels of the
    embedded joints.
    """

    def __init__(
        self, in_channels: int, out_channels: int, adjacency: Tensor, reduced: int
    ) -> None:
        super().__init__()
        self.A = nn.Parameter(adjacency.clone())
        self.alpha = nn.Parameter(torch.zeros(1))
        self._subsets = [RefinedSubset(in_channels, out_channels, reduced) for _ in adjacency]
        self.convs = nn.ModuleList(self._subsets)
        self.bn = BatchNorm(out_channels)
        self.down = pointwise_norm(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T, V, C')."""
        features = merged_pointwise(x, [subset.conv3 for subset in self._subsets])  # B T V S C'
        aggregated = aggregate_channels(features, self.graphs(x))
        by_subset = aggregated.unflatten(-1, (len(self.A), -1))
        # The dtype is explicit because autocast on a GPU would sum copies in float32.
        y = by_subset.sum(dim=3, dtype=by_subset.dtype).contiguous()
        return F.relu(self.bn(y) + self.down(x))

    def graphs(self, x: Tensor) -> Tensor:
        """Graphs of bodies (B, T, V, C): (B, S C', V, V).

        Indices: [body, subset and channel, source, receiver].
        """
        differences = self.differences(x).flatten(3)  # B, S, R, V V
        weights, biases = stacked([subset.conv4 for subset in self._subsets])
        refinement = torch.matmul(self.alpha * weights, differences)  # B, S, C', V V
        shared = self.A.flatten(1)[:, None] + self.alpha * biases[:, :, None]  # S, C', V V
        graphs = refinement + shared.to(refinement.dtype)
        return graphs.flatten(1, 2).unflatten(-1, self.A.shape[1:])

    def differences(self, x: Tensor) -> Tensor:
        """Tanh of differences between source and receiver embeddings, (B, S, R, V, V).

        x: (B, T, V, C); the embeddings are those of its mean over time.
        """
        exact = torch.promote_types(x.dtype, torch.float32)
        sources = [subset.conv1 for subset in self._subsets]
        receivers = [subset.conv2 for subset in self._subsets]
        with torch.autocast(x.device.type, enabled=False):
            embedded = merged_pointwise(x.mean(dim=1, dtype=exact), sources + receivers)
            embedded = embedded.unflatten(-1, (2, len(self.A), -1)).permute(2, 0, 3, 4, 1)
            source, receiver = embedded  # B S R V
            return (source[..., None] - receiver[..., None, :]).tanh()
