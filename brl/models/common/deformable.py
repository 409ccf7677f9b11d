"""Attention over tokens of space and time: searched, by a stride over joints, by one over frames.

These are the three attentions of Kim, Ahn and Ko, "Cross-modal learning with 3D deformable
attention" (arXiv 2212.05638). Published are their ideas; the paper was known here from its abstract
and accounts of others, and there is no code. Every formula and number below is our reading.

A map of tokens is (B, T, H, W, C), the tokens of joints are (B, T, N, C), and the cross-modal
tokens are (B, 2, C). A place is (t, y, x), counted in cells of the map.
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MLP_WIDTH = 4  # times the width of the tokens


class Tokens(NamedTuple):
    """What the attentions see of B bodies: a map, joints (none: N = 0) and cross-modal tokens."""

    map: Tensor  # B T H W C
    joints: Tensor  # B T N C
    cross: Tensor  # B 2 C


def sampled(tokens: Tensor, places: Tensor) -> Tensor:
    """The values (B, P, C) of a map (B, T, H, W, C) at places (B, P, 3), trilinear.

    Places are clamped to the border. The gradient reaches tokens and places. It is written out as
    eight corners, since not every format of exports has a sampling in three dimensions.
    """
    sizes = tokens.shape[1:4]
    flat = tokens.flatten(1, 3)
    axes = []  # of each axis: its lower and its upper cell, with their weights
    for axis, size in enumerate(sizes):
        place = places[..., axis].clamp(0, size - 1)
        if size == 1:
            axes.append([(torch.zeros_like(place, dtype=torch.long), torch.ones_like(place))])
            continue
        lower = place.detach().floor().clamp(max=size - 2)
        share = place - lower
        axes.append([(lower.long(), 1 - share), (lower.long() + 1, share)])
    total = torch.zeros_like(flat[:, :1])
    for (t, of_t), (y, of_y), (x, of_x) in product(*axes):
        cell = (t * sizes[1] + y) * sizes[2] + x
        corner = flat.gather(1, cell[..., None].expand(-1, -1, flat.shape[-1]))
        total = total + corner * (of_t * of_y * of_x)[..., None].to(flat.dtype)
    return total


class TokenSearch(nn.Module):
    """3D token search: finds tokens at learned distances from a grid of the map's cells.

    Offsets are s tanh(o): o is made of the map's tokens by a depthwise 3x3x3 convolution, a layer
    norm, GELU and a linear layer to three numbers, which starts from zeros. s is a quarter of the
    frames, half of the rows and half of the columns.

    stride: of the grid, on each axis.
    """

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.near = nn.Conv3d(width, width, 3, stride=stride, padding=1, groups=width)
        self.norm = nn.LayerNorm(width)
        self.offset = nn.Linear(width, 3, bias=False)
        nn.init.zeros_(self.offset.weight)

    def places(self, tokens: Tensor) -> Tensor:
        """Where tokens are found, (B, P, 3), for a map (B, T, H, W, C); in float32 at least."""
        exact = tokens.to(torch.promote_types(tokens.dtype, torch.float32))
        with torch.autocast(tokens.device.type, enabled=False):
            near = self.near(exact.movedim(-1, 1)).movedim(1, -1)
            found = torch.tanh(self.offset(F.gelu(self.norm(near))))  # B T' H' W' 3
        frames, rows, columns = tokens.shape[1:4]
        axes = [
            torch.arange(0, size, self.stride, device=tokens.device, dtype=found.dtype)
            for size in (frames, rows, columns)
        ]
        grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        moved = [
            grid[..., axis] + reach * found[..., axis]
            for axis, reach in enumerate((frames / 4, rows / 2, columns / 2))
        ]
        limits = (frames - 1, rows - 1, columns - 1)
        inside = [each.clamp(0, limit) for each, limit in zip(moved, limits, strict=True)]
        return torch.stack(inside, dim=-1).flatten(1, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        """The found tokens (B, P, C) of a map (B, T, H, W, C)."""
        return sampled(tokens, self.places(tokens))


def linear(in_channels: int, out_channels: int) -> nn.Linear:
    """A linear layer with the initial weights of transformers: Glorot's, and no bias.

    PyTorch's are smaller: what tells clips apart would be lost beside what they have in common.
    """
    layer = nn.Linear(in_channels, out_channels)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class Attention(nn.Module):
    """Multi-head attention; a head has a share of the width, rounded up."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        inner = heads * -(-width // heads)
        self.query = linear(width, inner)
        self.key = linear(width, inner)
        self.value = linear(width, inner)
        self.out = linear(inner, width)

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """(B, Q, C) of queries (B, Q, C) that attend to keys (B, P, C)."""
        query, key, value = (
            self._by_head(layer(given))
            for layer, given in ((self.query, queries), (self.key, keys), (self.value, keys))
        )
        found = F.scaled_dot_product_attention(query, key, value)
        return self.out(found.transpose(1, 2).flatten(2))

    def weights(self, queries: Tensor, keys: Tensor) -> Tensor:
        """How much each query (B, Q, C) attends to each key (B, P, C): (B, heads, Q, P)."""
        query, key = self._by_head(self.query(queries)), self._by_head(self.key(keys))
        return torch.softmax(query @ key.transpose(2, 3) / query.shape[-1] ** 0.5, dim=-1)

    def _by_head(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Layer(nn.Module):
    """x + attention(norm(x)), and to it the MLP of its norm: a layer of a transformer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            linear(width, MLP_WIDTH * width),
            nn.GELU(),
            linear(MLP_WIDTH * width, width),
        )

    def added(self, tokens: Tensor, attended: Tensor) -> Tensor:
        """The layer's result for tokens (..., C), of what they attend to, (..., C)."""
        tokens = tokens + attended
        return tokens + self.mlp(tokens)


class SearchedAttention(Layer):
    """(a) The map and the cross-modal tokens attend to found tokens and the cross-modal tokens."""

    def __init__(self, width: int, heads: int, stride: int) -> None:
        super().__init__(width, heads)
        self.search = TokenSearch(width, stride)

    def forward(self, tokens: Tokens) -> Tokens:
        """Joints stay as they are."""
        normed, cross = self.norm(tokens.map), self.norm(tokens.cross)
        queries = torch.cat([normed.flatten(1, 3), cross], dim=1)
        attended = self.attention(queries, torch.cat([self.search(normed), cross], dim=1))
        seen = torch.cat([tokens.map.flatten(1, 3), tokens.cross], dim=1)
        result = self.added(seen, attended)
        number = cross.shape[1]
        shape = tokens.map.shape[1:4]
        return Tokens(result[:, :-number].unflatten(1, shape), tokens.joints, result[:, -number:])

    def looking(self, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """The places (B, P, 3) of found tokens, and how much the last cross-modal one sees of each.

        The second is (B, P): means over heads, whose sum over P is at most 1, since the cross-modal
        tokens are seen, too.
        """
        normed, cross = self.norm(tokens.map), self.norm(tokens.cross)
        places = self.search.places(normed)
        keys = torch.cat([sampled(normed, places), cross], dim=1)
        weights = self.attention.weights(cross[:, -1:], keys).mean(dim=1)[:, 0]
        return places, weights[:, : places.shape[1]]


class JointStrideAttention(Layer):
    """(b) In a frame, every s-th joint and the cross-modal tokens see each other and the map.

    Each joint is in one of s groups. Cross-modal tokens are averaged over groups and frames.
    """

    def __init__(self, width: int, heads: int, stride: int) -> None:
        super().__init__(width, heads)
        self.stride = stride

    def forward(self, tokens: Tokens) -> Tokens:
        """The map stays as it is."""
        batch, frames = tokens.joints.shape[:2]
        in_frame = self.norm(tokens.map).flatten(2, 3).flatten(0, 1)  # B T, H W, C
        normed = self.norm(tokens.joints).flatten(0, 1)  # B T, N, C
        cross = self.norm(tokens.cross)[:, None].expand(-1, frames, -1, -1).flatten(0, 1)
        of_joints, of_cross = [], []
        for group in grouped(normed, self.stride):
            queries = torch.cat([group, cross], dim=1)
            attended = self.attention(queries, torch.cat([queries, in_frame], dim=1))
            of_joints.append(attended[:, : group.shape[1]])
            of_cross.append(attended[:, group.shape[1] :])
        attended = interleaved(of_joints).unflatten(0, (batch, frames))
        mean = torch.stack(of_cross).mean(dim=0).unflatten(0, (batch, frames)).mean(dim=1)
        return tokens._replace(
            joints=self.added(tokens.joints, attended), cross=self.added(tokens.cross, mean)
        )


class TimeStrideAttention(Layer):
    """(c) All tokens of every s-th frame and the cross-modal tokens see each other.

    Each frame is in one of s groups. Cross-modal tokens are averaged over groups.
    """

    def __init__(self, width: int, heads: int, stride: int) -> None:
        super().__init__(width, heads)
        self.stride = stride

    def forward(self, tokens: Tokens) -> Tokens:
        """All tokens change."""
        cells = tokens.map.shape[2:4].numel()
        seen = torch.cat([tokens.map.flatten(2, 3), tokens.joints], dim=2)  # B, T, H W + N, C
        normed, cross = self.norm(seen), self.norm(tokens.cross)
        of_frames, of_cross = [], []
        for group in grouped(normed, self.stride):
            queries = torch.cat([group.flatten(1, 2), cross], dim=1)
            attended = self.attention(queries, queries)
            number = cross.shape[1]
            of_frames.append(attended[:, :-number].unflatten(1, group.shape[1:3]))
            of_cross.append(attended[:, -number:])
        result = self.added(seen, interleaved(of_frames))
        return Tokens(
            result[:, :, :cells].unflatten(2, tokens.map.shape[2:4]),
            result[:, :, cells:],
            self.added(tokens.cross, torch.stack(of_cross).mean(dim=0)),
        )


def grouped(tokens: Tensor, stride: int) -> list[Tensor]:
    """Every stride-th of n tokens (B, n, ...), from the first, the second and so on.

    No group is empty, except where there is no token at all: then there is one.
    """
    number = min(stride, max(1, tokens.shape[1]))
    return [tokens[:, first::number] for first in range(number)]


def interleaved(groups: Sequence[Tensor]) -> Tensor:
    """The tokens (B, n, ...) whose groups these are."""
    longest, total = groups[0].shape[1], sum(group.shape[1] for group in groups)
    # A shorter group lacks one token; what fills it up is behind the last one, and cut off.
    filled = [torch.cat([group, group[:, : longest - group.shape[1]]], dim=1) for group in groups]
    return torch.stack(filled, dim=2).flatten(1, 2)[:, :total]
