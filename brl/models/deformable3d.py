"""The network of "Cross-modal learning with 3D deformable attention" (Kim, Ahn, Ko, 2212.05638).

Blocks of three attentions, one after the other: the tokens of a map look where a token search
leads them, joints look at each other and their frame by a stride over joints, and all tokens look
along time by a stride over frames. Two cross-modal tokens go along, and the last one classifies.

Published are these parts. The code is not public, and the paper was known here from its abstract
and accounts of others, so all else is our reading: see also `brl.models.common.deformable`.

The map has the patches of pictures. Without pictures it has one row of cells, a learned map of the
joints in the order of the tree, where neighbours mostly are neighbours. The cross-modal tokens then
carry between this map, which is searched, and the tokens of the joints, which keep their places:
two views of the same joints instead of two modalities. Learned embeddings of a token's place in its
frame, and of its frame, are added. The latter are stretched to the frames that are seen.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.clips.layout import Layout
from brl.models.common import network
from brl.models.common.batch_norm import DataNorm
from brl.models.common.deformable import (
    JointStrideAttention,
    SearchedAttention,
    TimeStrideAttention,
    Tokens,
    linear,
)
from brl.models.common.seen import PictureNorm, SeenShape

BLOCKS = (2,)
FRAMES = 64  # of the time embedding
DEFAULTS = {"heads": 8, "search_stride": 2, "joint_stride": 2, "time_stride": 2, "patch": 16}
START = 0.02  # standard deviation of embeddings and cross-modal tokens


class JointMap(nn.Module):
    """A map of one row: a linear layer of each joint, in the order of the tree."""

    order: Tensor

    def __init__(self, layout: Layout, channels: int, width: int) -> None:
        super().__init__()
        self.register_buffer("order", torch.from_numpy(tree_order(layout)), persistent=False)
        self.linear = linear(channels, width)

    def forward(self, joints: Tensor) -> Tensor:
        """Maps joints (B, T, V, K) to tokens (B, T, 1, V, C)."""
        return self.linear(joints[:, :, self.order])[:, :, None]


class PatchMap(nn.Module):
    """A map of patches: a linear layer of each square of pixels."""

    def __init__(self, side: int, channels: int, width: int) -> None:
        super().__init__()
        self.side = side
        self.linear = linear(side * side * channels, width)

    def forward(self, pictures: Tensor) -> Tensor:
        """Maps pictures (B, T, H, W, K) to tokens (B, T, H / side, W / side, C)."""
        rows = pictures.unflatten(3, (-1, self.side)).unflatten(2, (-1, self.side))
        return self.linear(rows.transpose(3, 4).flatten(4))


class Block(nn.Module):
    """The three attentions, one after the other."""

    def __init__(self, width: int, settings: dict[str, int]) -> None:
        super().__init__()
        heads = settings["heads"]
        self.searched = SearchedAttention(width, heads, settings["search_stride"])
        self.by_joints = JointStrideAttention(width, heads, settings["joint_stride"])
        self.by_time = TimeStrideAttention(width, heads, settings["time_stride"])

    def looking(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """Places (B, P, 3) and weights (B, P) of the tokens that are found."""
        return self.searched.looking(tokens)

    def forward(self, tokens: Tokens) -> Tokens:
        """All tokens after the block."""
        return self.by_time(self.by_joints(self.searched(tokens)))


class Backbone(network.Backbone):
    """As many blocks of width C0 as `blocks` has in all stages; two if it is None.

    Raises ValueError where the side of a patch does not divide that of the pictures.
    """

    data_bn: DataNorm | PictureNorm

    def __init__(self, shape: network.Shape) -> None:
        super().__init__()
        settings = DEFAULTS | dict(shape.settings)
        width, channels = shape.base_channels, shape.in_channels
        self.seen = shape.seen or SeenShape(shape.layout.num_joints)
        if self.seen.picture is None:
            self.data_bn = DataNorm(self.seen.joints, channels, bodies=1)
            self.map: nn.Module = JointMap(shape.layout, channels, width)
            cells = (1, self.seen.joints)
        else:
            self.data_bn = PictureNorm(self.seen, channels)
            self.map = PatchMap(settings["patch"], channels, width)
            cells = patches(self.seen.picture, settings["patch"])
        self.joints = linear(channels, width)
        self.map_place = nn.Parameter(START * torch.randn(*cells, width))
        self.joint_place = nn.Parameter(START * torch.randn(self.seen.joints, width))
        self.time = nn.Parameter(torch.zeros(FRAMES, width))
        self.cross = nn.Parameter(START * torch.randn(2, width))
        number = sum(shape.blocks or BLOCKS)
        self.blocks = nn.ModuleList(Block(width, settings) for _ in range(number))
        self.norm = nn.LayerNorm(width)
        self.out_channels = width

    def tokens(self, frames: Tensor) -> Tokens:
        """The tokens of normalised frames (B, T, V, K), before the first block."""
        joints = self.seen.joints_of(frames)
        seen = joints if self.seen.picture is None else self.seen.pictures_of(frames)
        time = F.interpolate(self.time.T[None], frames.shape[1], mode="linear")[0].T  # T C
        return Tokens(
            self.map(seen) + self.map_place + time[:, None, None],
            self.joints(joints) + self.joint_place + time[:, None],
            self.cross.repeat(frames.shape[0], 1, 1),
        )

    def _after_blocks(self, frames: Tensor) -> Tokens:
        tokens = self.tokens(frames)
        for block in self.blocks:
            tokens = block(tokens)
        return tokens

    def encode(self, embedded: Tensor) -> Tensor:
        """Features (B, T, V, C0) of the joints of bodies (B, T, V, K), for pre-training."""
        return self.norm(self._after_blocks(embedded).joints)

    def forward(self, bodies: Tensor) -> Tensor:
        """Maps bodies (B, T, V, K) to features (B, 1, 1, C0): the last cross-modal token."""
        return self.norm(self._after_blocks(bodies).cross[:, -1])[:, None, None]

    def looking(self, bodies: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Where each block looks for bodies (B, T, V, K): places and weights of P found tokens.

        Places (B, P, 3) are (t, y, x): frames, and rows and columns of the map. Without pictures, y
        is 0 and x counts the joints in the order of `tree_order`; between two numbers lies a
        mixture of two joints. Weights (B, P) are those of the last cross-modal token, which
        classifies.
        """
        found = []
        tokens = self.tokens(bodies)
        for block in self.blocks:
            assert isinstance(block, Block)
            found.append(block.looking(tokens))
            tokens = block(tokens)
        return found


def tree_order(layout: Layout) -> np.ndarray:
    """The joints depth first from the centre, (V,) int64: a limb stays together."""
    parents = layout.parents
    order = []
    waiting = [joint for joint, parent in enumerate(parents) if joint == parent]
    while waiting:
        joint = waiting.pop()
        order.append(joint)
        waiting += [v for v in reversed(range(len(parents))) if parents[v] == joint != v]
    return np.array(order)


def patches(picture: tuple[int, int], side: int) -> tuple[int, int]:
    """Rows and columns of patches; raises ValueError if the side does not divide both."""
    rows, columns = picture
    if rows % side or columns % side:
        raise ValueError(
            f"patches of {side} x {side} pixels do not fill pictures of {rows} x {columns}; "
            "model.settings.patch must divide both"
        )
    return rows // side, columns // side
