"""The views of a clip that contrastive pre-training compares: those of HaLP (arXiv 2304.00387).

A view is a stretch of the clip, resized in time. Either it is sheared, or three fifths of the
joints are zeroed or turned: 15 of NTU's 25, as published. All frames and bodies change alike.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from brl.clips.layout import Layout

SHORTEST = 0.1  # share of a clip
CHANGED = 0.6  # share of the joints


@dataclass(frozen=True)
class Change:
    """How joints of clips change: their coordinates, as rows, are multiplied by a matrix.

    matrices  one for each clip, (N, K, K)
    joints    those of each clip that change, (N, V) bool
    """

    matrices: Tensor
    joints: Tensor

    def __call__(self, joints: Tensor) -> Tensor:
        """Maps joints (N, M, T, V, K) to changed ones."""
        changed = (joints.flatten(1, 3) @ self.matrices).view(joints.shape)
        return torch.where(self.joints[:, None, None, :, None], changed, joints)


def draw_stretches(lengths: Tensor, clip_len: int, generator: Generator) -> Tensor:
    """Frames (N, T) of a random stretch of clips with `lengths` (N,) frames; T is clip_len.

    They are no whole numbers. The stretch has a tenth of the clip's frames or more, and T frames or
    more where the clip has as many.
    """
    shares, places = torch.rand(2, len(lengths), device=lengths.device, generator=generator)
    sizes = stretch_sizes(SHORTEST + (1 - SHORTEST) * shares, lengths, clip_len)
    free = lengths - sizes
    starts = (places * (free + 1)).long().minimum(free)
    return resized(starts, sizes, clip_len)


def stretch_sizes(shares: Tensor, lengths: Tensor, clip_len: int) -> Tensor:
    """Frames (N,) of stretches that are shares (N,) of their clips."""
    return (shares * lengths).long().clamp(min=clip_len).minimum(lengths)


def resized(starts: Tensor, sizes: Tensor, clip_len: int) -> Tensor:
    """The middles (N, T) of T equal parts of stretches, in frames of the clip.

    starts, sizes (N,): first frames and numbers of frames. Joints at these places are the stretch
    resized by linear interpolation, with centres of half a pixel and without antialiasing.
    """
    steps = torch.arange(clip_len, device=starts.device) + 0.5
    places = steps * (sizes[:, None] / clip_len) - 0.5
    return starts[:, None] + places.clamp(min=0).minimum(sizes[:, None] - 1)


def draw_changes(
    count: int, layout: Layout, channels: int, device: torch.device, generator: Generator
) -> Change:
    """One random change for each of N clips (N is count) of joints with K channels."""
    coins = torch.rand(2, count, device=device, generator=generator) < 0.5
    shears, zeroes = coins[0], coins[1] & ~coins[0]
    entries = torch.rand(
        (count, layout.dimensions, layout.dimensions), device=device, generator=generator
    )
    order = torch.rand((count, layout.num_joints), device=device, generator=generator).argsort()
    chosen = order < round(CHANGED * layout.num_joints)
    matrices = change_matrices(2 * entries - 1, shears, channels)
    matrices = matrices * ~zeroes[:, None, None]
    return Change(matrices, chosen | shears[:, None])


def change_matrices(entries: Tensor, shears: Tensor, channels: int) -> Tensor:
    """Matrices (N, K, K) with given entries (N, D, D); those of shears (N,) have a diagonal of 1.

    K is channels. What joints have beside D coordinates, such as a score, stays.
    """
    diagonal = torch.eye(entries.shape[1], dtype=torch.bool, device=entries.device)
    entries = entries.masked_fill(diagonal & shears[:, None, None], 1)
    matrices = torch.eye(channels, device=entries.device).repeat(len(entries), 1, 1)
    matrices[:, : entries.shape[1], : entries.shape[1]] = entries
    return matrices
