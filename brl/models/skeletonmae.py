"""SkeletonMAE's network (Yan et al., arXiv 2307.08476): graph isomorphism layers on single frames.

An encoder of three such layers is shared by all layers of the network: each mixes joints with the
sum of what the encoder makes of their frame. The pre-training `masked` trains the encoder, as
published. Nothing looks along time but the means in the end.

No code is public, and the paper was known here from accounts of others. What they leave open is our
reading. The encoder is four times as wide as a layer. Sums and joints are joined by a convolution
with a norm, without which training diverges. The time embedding is stretched to the frames that
are seen. Features are averaged over halves and quarters of these, too. The MLP before the classes
is the head.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.common import network
from brl.models.common.batch_norm import BatchNorm, DataNorm
from brl.models.common.blocks import ConvNorm, Pointwise, aggregate

BLOCKS = (3,)  # layers, as published
ENCODER_LAYERS = 3  # as published
ENCODER_WIDTH = 4  # times C0
FRAMES = 64  # of the time embedding, as published
SEGMENTS = (1, 2, 4)  # over which features are averaged


class GraphIsomorphism(nn.Module):
    """An MLP of the sum of each joint and its neighbours (Xu et al., arXiv 1810.00826), epsilon 0.

    graph: (1, V, V), 1 for neighbours and on the diagonal.
    """

    graph: Tensor

    def __init__(self, in_channels: int, width: int, out_channels: int, graph: Tensor) -> None:
        super().__init__()
        self.register_buffer("graph", graph, persistent=False)
        self.mlp = nn.Sequential(
            ConvNorm(Pointwise(in_channels, width), BatchNorm(width)),
            nn.ReLU(),
            Pointwise(width, out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, T, V, C) to (B, T, V, C')."""
        return self.mlp(aggregate(x, self.graph))


class Layer(nn.Module):
    """ReLU(W (x + conv([x, s]))), s the sum over joints of what the shared encoder makes of x."""

    def __init__(self, channels: int, encoded: int) -> None:
        super().__init__()
        self.conv = ConvNorm(Pointwise(channels + encoded, channels), BatchNorm(channels))
        self.out = Pointwise(channels, channels)

    def forward(self, x: Tensor, encoder: nn.Module) -> Tensor:
        """Maps (B, T, V, C) to (B, T, V, C)."""
        sums = encoder(x).sum(dim=2, keepdim=True).expand(-1, -1, x.shape[2], -1)
        return F.relu(self.out(x + self.conv(torch.cat([x, sums.to(x.dtype)], dim=-1))))


class Backbone(network.Backbone):
    """As many layers of width C0 as there are blocks, and one encoder that they share."""

    graph: Tensor

    def __init__(self, shape: network.Shape) -> None:
        super().__init__()
        joints, width = shape.layout.num_joints, shape.base_channels
        near = torch.from_numpy(shape.layout.spatial_partition()).sum(dim=0) > 0
        self.register_buffer("graph", near.float()[None], persistent=False)
        self.data_bn = DataNorm(joints, shape.in_channels, bodies=1)
        self.embedding = Pointwise(shape.in_channels, width)
        self.time = nn.Parameter(torch.zeros(FRAMES, width))
        self.encoder = nn.Sequential()
        encoded = ENCODER_WIDTH * width
        for number in range(ENCODER_LAYERS):
            if number:
                self.encoder.append(nn.ReLU())
            channels = encoded if number else width
            self.encoder.append(GraphIsomorphism(channels, encoded, encoded, self.graph))
        number = sum(shape.blocks or BLOCKS)
        self.layers = nn.ModuleList(Layer(width, encoded) for _ in range(number))
        self.out_channels = sum(SEGMENTS) * width

    def embed(self, bodies: Tensor) -> Tensor:
        """Maps bodies (B, T, V, K) to features (B, T, V, C0), each joint alone."""
        return self.embedding(bodies)

    def encode(self, embedded: Tensor) -> Tensor:
        """The encoder's features (B, T, V, 4 C0) of frames (B, T, V, C0), each alone."""
        return self.encoder(embedded)

    def decoder(self, in_channels: int, out_channels: int) -> nn.Module:
        """An MLP and a graph isomorphism layer, as published; their widths are our reading."""
        return nn.Sequential(
            Pointwise(in_channels, in_channels),
            nn.ReLU(),
            GraphIsomorphism(in_channels, in_channels, out_channels, self.graph),
        )

    def forward(self, bodies: Tensor) -> Tensor:
        """Maps bodies (B, T, V, K) to features (B, 1, V, 7 C0): means over stretches of time."""
        frames = F.interpolate(self.time.T[None], bodies.shape[1], mode="linear")[0].T
        x = self.embed(bodies) + frames[:, None]
        for layer in self.layers:
            x = layer(x, self.encoder)
        means = [part.mean(dim=1) for number in SEGMENTS for part in x.tensor_split(number, dim=1)]
        return torch.cat(means, dim=-1)[:, None]
