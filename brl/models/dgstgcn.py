"""DG-STGCN (Duan et al., "Dynamic Spatial-Temporal Modeling", arXiv 2210.05895).

The modules are named as in published checkpoints, so their state dicts fit.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.common import network
from brl.models.common.batch_norm import BatchNorm, DataNorm
from brl.models.common.blocks import (
    Block,
    ConvNorm,
    Pointwise,
    aggregate_channels,
    conv_norm,
    merged_pointwise,
    pointwise_norm,
)
from brl.models.common.temporal import MixedBranches, TemporalBranches

BLOCKS = (4, 3, 3)
GRAPHS = 8  # published
# Joints of NTU RGB+D, the largest published layout: checkpoints hold so many coefficients.
MIN_COEFFICIENTS = 25


class GraphConv(nn.Module):
    """ReLU(BN(1x1 convolution of features, aggregated by channel group) + residual).

    The graphs of a group are the sum of a learned graph, of the body's joint differences in each
    channel, and of its joint similarity over the group's channels (section 3.2, "DG-GCN").

    collected: where a list, gets the graphs of each pass without the learned one.
    """

    collected: list[Tensor] | None = None

    def __init__(self, in_channels: int, out_channels: int, joints: int, graphs: int) -> None:
        super().__init__()
        self.num_graphs = graphs
        width = graphs * max(out_channels // graphs, 1)
        # Not initialised from the skeleton: all joints are linked, with similar weights.
        self.A = nn.Parameter(torch.empty(graphs, joints, joints).normal_(0.04, 0.02))
        # Checkpoints hold vectors; only the first entry is used, and scales all graphs.
        self.alpha = nn.Parameter(torch.zeros(graphs))
        self.beta = nn.Parameter(torch.zeros(graphs))
        self.pre = ConvNorm(Pointwise(in_channels, width), BatchNorm(width))
        self.conv1 = Pointwise(in_channels, width)
        self.conv2 = Pointwise(in_channels, width)
        self.post = Pointwise(width, out_channels)
        self.bn = BatchNorm(out_channels)
        self.down = pointwise_norm(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T, V, C')."""
        y = aggregate_channels(F.relu(self.pre(x)), self.graphs(x))
        return F.relu(conv_norm(y, self.post, self.bn) + self.down(x))

    def graphs(self, x: Tensor) -> Tensor:
        """Graphs of bodies (B, T, V, C): (B, C', V, V), [body, channel, source, receiver]."""
        exact = torch.promote_types(x.dtype, torch.float32)
        with torch.autocast(x.device.type, enabled=False):
            embedded = merged_pointwise(x.mean(dim=1, dtype=exact), [self.conv1, self.conv2])
            embedded = embedded.unflatten(-1, (2, self.num_graphs, -1)).permute(2, 0, 3, 4, 1)
            source, receiver = embedded  # B G C'/G V
            differences = source[..., None] - receiver[..., None, :]  # B G C'/G V V
            similarity = torch.einsum("bkcu,bkcv->bkuv", source, receiver)
            similar = self.beta[0] * similarity.softmax(dim=2)  # B G V V
            common = self.A + similar if self.collected is None else similar
            graphs = torch.addcmul(common[:, :, None], self.alpha[0], differences.tanh())
            if self.collected is not None:
                self.collected.append(graphs.flatten(1, 2))
                graphs = graphs + self.A[:, None]
            return graphs.flatten(1, 2)


class TemporalConv(MixedBranches):
    """Temporal branches of the joints and of their mean (section 3.3, "DG-TCN").

    The mean's output is added to each joint with a learned weight. BN, ReLU, a 1x1 convolution and
    BN follow.
    """

    def __init__(self, channels: int, stride: int, joints: int) -> None:
        super().__init__(channels, stride)
        self.add_coeff = nn.Parameter(torch.zeros(max(joints, MIN_COEFFICIENTS)))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T / stride, V, C)."""
        y = TemporalBranches.forward(self, torch.cat([x, x.mean(dim=2, keepdim=True)], dim=2))
        weights = self.add_coeff[: x.shape[2], None].to(y.dtype)  # V 1
        joints = torch.addcmul(y[:, :, :-1], weights, y[:, :, -1:])
        return self.mixed(joints)


class Backbone(network.GraphBackbone):
    """Ten blocks, as published: four of width C0, three of 2 C0, three of 4 C0."""

    def __init__(self, shape: network.Shape) -> None:
        super().__init__()
        joints, graphs = shape.layout.num_joints, shape.settings.get("graphs", GRAPHS)
        self.data_bn = DataNorm(joints, shape.in_channels, bodies=1)
        blocks = shape.block_shapes(BLOCKS)
        self.gcn = nn.Sequential()
        for block in blocks:
            gcn = GraphConv(block.in_channels, block.out_channels, joints, graphs)
            tcn = TemporalConv(block.out_channels, block.stride, joints)
            self.gcn.append(Block(gcn, tcn, *block, first=len(self.gcn) == 0))
        self.out_channels = blocks[-1].out_channels
        self.graph_shape = (self._last_graph_conv().post.in_channels, joints, joints)

    def forward(self, bodies: Tensor) -> Tensor:
        """Maps bodies (B, T, V, K) to features (B, T / 4, V, C')."""
        return self.gcn(bodies)

    @contextmanager
    def collecting_graphs(self) -> Iterator[list[Tensor]]:
        """Collects the graphs of the last block without the learned one that all bodies share."""
        last = self._last_graph_conv()
        last.collected = []
        try:
            yield last.collected
        finally:
            last.collected = None

    def _last_graph_conv(self) -> GraphConv:
        last = self.gcn[-1].gcn
        assert isinstance(last, GraphConv)
        return last
