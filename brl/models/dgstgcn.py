"""DG-STGCN (Duan et al., "Dynamic Spatial-Temporal Modeling", arXiv 2210.05895).

Module names give the state-dict keys of published checkpoints.
"""

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
    beside,
    conv_norm,
    pointwise_norm,
)
from brl.models.common.temporal import MixedBranches, TemporalBranches

BLOCKS = (4, 3, 3)
GRAPHS = 8
# Joints of the published layout of most joints: checkpoints hold a coefficient for each.
MIN_COEFFICIENTS = 25


class GraphConv(nn.Module):
    """ReLU(BN(1x1 of the groups of channels, each aggregated on its own graphs) + residual).

    A group's graphs: a learned one, and each body's own, from differences of joints channel by
    channel and from their likeness over all channels of the group (section 3.2, "DG-GCN").
    """

    def __init__(self, in_channels: int, out_channels: int, joints: int) -> None:
        super().__init__()
        width = GRAPHS * max(out_channels // GRAPHS, 1)
        # No skeleton: all joints are linked, about evenly.
        self.A = nn.Parameter(torch.empty(GRAPHS, joints, joints).normal_(0.04, 0.02))
        # Vectors in checkpoints, of which the first entry scales all graphs.
        self.alpha = nn.Parameter(torch.zeros(GRAPHS))
        self.beta = nn.Parameter(torch.zeros(GRAPHS))
        self.pre = ConvNorm(Pointwise(in_channels, width), BatchNorm(width))
        self.conv1 = Pointwise(in_channels, width)
        self.conv2 = Pointwise(in_channels, width)
        self.post = Pointwise(width, out_channels)
        self.bn = BatchNorm(out_channels)
        self.down = pointwise_norm(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, T, V, C')."""
        y = aggregate_channels(F.relu(self.pre(x)), self.graphs(x))
        return F.relu(conv_norm(y, self.post, self.bn) + self.down(x))

    def graphs(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, C', V, V), [body, channel, source, receiver]; channels by group."""
        exact = torch.promote_types(x.dtype, torch.float32)
        with torch.autocast(x.device.type, enabled=False):
            embedded = beside(x.mean(dim=1, dtype=exact), [self.conv1, self.conv2])
            embedded = embedded.unflatten(-1, (2, GRAPHS, -1)).permute(2, 0, 3, 4, 1)
            of_source, of_receiver = embedded  # B K C'/K V
            differences = of_source[..., None] - of_receiver[..., None, :]  # B K C'/K V V
            likeness = torch.einsum("bkcu,bkcv->bkuv", of_source, of_receiver)
            common = self.A + self.beta[0] * likeness.softmax(dim=2)  # B K V V
            own = torch.addcmul(common[:, :, None], self.alpha[0], differences.tanh())
            return own.flatten(1, 2)


class TemporalConv(MixedBranches):
    """Branches over time of the joints and their mean (section 3.3, "DG-TCN").

    Each joint takes its own share of the mean's output; then BN, ReLU, 1x1, BN.
    """

    def __init__(self, channels: int, stride: int, joints: int) -> None:
        super().__init__(channels, stride)
        self.add_coeff = nn.Parameter(torch.zeros(max(joints, MIN_COEFFICIENTS)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, V, C) to (B, T / stride, V, C)."""
        y = TemporalBranches.forward(self, torch.cat([x, x.mean(dim=2, keepdim=True)], dim=2))
        shares = self.add_coeff[: x.shape[2], None].to(y.dtype)  # V 1
        joints = torch.addcmul(y[:, :, :-1], shares, y[:, :, -1:])
        return self.mixed(joints)


class Backbone(network.Backbone):
    """Ten blocks; widths C0 x4, 2C0 x3, 4C0 x3."""

    def __init__(self, shape: network.Shape) -> None:
        super().__init__()
        joints = shape.layout.num_joints
        self.data_bn = DataNorm(joints, shape.in_channels, bodies=1)
        blocks = shape.of_blocks(BLOCKS)
        self.gcn = nn.Sequential()
        for block in blocks:
            gcn = GraphConv(block.in_channels, block.out_channels, joints)
            tcn = TemporalConv(block.out_channels, block.stride, joints)
            self.gcn.append(Block(gcn, tcn, *block, first=len(self.gcn) == 0))
        self.out_channels = blocks[-1].out_channels

    def forward(self, bodies: Tensor) -> Tensor:
        """(B, T, V, K) bodies to (B, T / 4, V, C') features."""
        return self.gcn(bodies)
