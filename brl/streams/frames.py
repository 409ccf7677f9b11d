"""Sampling of the T frames of a clip that a network sees.

`uniform` draws one frame from each of T equal segments of the clip, as PYSKL does (arXiv
2205.09443). `random` draws frames with replacement and sorts them; test frames are evenly spaced.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Generator, Tensor

TEST_SEED = 255


def train_frames(sampling: str, lengths: Tensor, clip_len: int, generator: Generator) -> Tensor:
    """Random frame indices (N, T) int64 for clips of `lengths` (N,) frames; T is clip_len."""
    sampler = {"uniform": _uniform_frames, "random": _random_frames}[sampling]
    return sampler(lengths[:, None], clip_len, generator)


def _random_frames(lengths: Tensor, clip_len: int, generator: Generator) -> Tensor:
    """Sorted frames (N, T), drawn with replacement; lengths (N, 1)."""
    draws = _uniform_draws((len(lengths), clip_len), lengths.device, generator)
    return (draws * lengths).long().minimum(lengths - 1).sort(dim=1).values


def _uniform_frames(lengths: Tensor, clip_len: int, generator: Generator) -> Tensor:
    """Frames (N, T), one per segment; lengths (N, 1).

    Clips shorter than T frames are looped; clips shorter than 2 T frames skip some frames. All
    three cases are computed for all clips.
    """
    steps = torch.arange(clip_len, device=lengths.device)
    count, device = len(lengths), lengths.device

    start = (_uniform_draws((count, 1), device, generator) * lengths).long()
    looped = (start + steps) % lengths

    # n - T of the T + 1 gaps skip a frame: those with the smallest of T + 1 random keys.
    keys = _uniform_draws((count, clip_len + 1), device, generator)
    skips = keys.argsort(dim=1).argsort(dim=1) < lengths - clip_len
    skipping = steps + skips.long().cumsum(dim=1)[:, :clip_len]

    first, end = steps * lengths // clip_len, (steps + 1) * lengths // clip_len
    draws = _uniform_draws((count, clip_len), device, generator)
    segmented = first + (draws * (end - first)).long().minimum(end - first - 1)

    sampled = torch.where(lengths < clip_len, looped, skipping)
    return torch.where(lengths < 2 * clip_len, sampled, segmented)


def _uniform_draws(shape: tuple[int, int], device: torch.device, generator: Generator) -> Tensor:
    return torch.rand(shape, device=device, generator=generator)


def evaluation_frames(sampling: str, length: int, clip_len: int, num_clips: int) -> np.ndarray:
    """Frame indices of a clip's test views, (I, T) int64; equal for clips of equal length.

    With `uniform` sampling I is num_clips. With `random` sampling there is one view, of evenly
    spaced frames.
    """
    if sampling == "random":
        return np.linspace(0, length - 1, clip_len).astype(np.int64)[None]
    return _uniform_test_frames(length, clip_len, num_clips)


def test_frames(lengths: Tensor, sampling: str, clip_len: int, num_clips: int) -> Tensor:
    """Frame indices (N, I, T) int64 of the I test views of clips of `lengths` (N,) frames."""
    different, inverse = np.unique(lengths, return_inverse=True)
    tables = [evaluation_frames(sampling, int(each), clip_len, num_clips) for each in different]
    return torch.from_numpy(np.stack(tables)[inverse])


@lru_cache(maxsize=4096)
def _uniform_test_frames(length: int, clip_len: int, num_clips: int) -> np.ndarray:
    generator = np.random.RandomState(TEST_SEED)
    steps = np.arange(clip_len)
    views = []
    for view in range(num_clips):
        # The published sampler first draws an optional crop: keep the generator in step with it.
        generator.rand()
        generator.randint(1)
        if length < clip_len:
            start = view if length < num_clips else view * length // num_clips
            views.append((start + steps) % length)
        elif length < 2 * clip_len:
            skips = np.zeros(clip_len + 1, dtype=np.int64)
            skips[generator.choice(clip_len + 1, length - clip_len, replace=False)] = 1
            views.append(steps + skips.cumsum()[:clip_len])
        else:
            edges = np.arange(clip_len + 1) * length // clip_len
            views.append(edges[:-1] + generator.randint(np.diff(edges)))
    return np.stack(views)
