"""Timelines of long recordings, from the probabilities of sliding windows."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Segment:
    """Frames `start` to `end` (exclusive) of a recording, with the same likeliest class.

    probability: the mean probability of the class over the frames.
    """

    start: int
    end: int
    label: int
    probability: float


def windows(frames: int, length: int, step: int) -> np.ndarray:
    """First frames (W,) int64 of windows of `length` frames, one every `step` frames.

    The last window ends with the recording. There is one window if the recording is not longer.
    """
    last = max(frames - length, 0)
    return np.unique(np.append(np.arange(0, last + 1, step), last))


def mean_by_frame(
    probabilities: np.ndarray, starts: np.ndarray, length: int, frames: int
) -> np.ndarray:
    """Mean probabilities (T, C) of the windows that contain each frame; probabilities (W, C).

    If steps are longer than windows, a frame between two windows takes those of the earlier one.
    """
    indices = np.arange(frames)
    contains = (starts[:, None] <= indices) & (indices < starts[:, None] + length)  # W T
    earlier = np.searchsorted(starts, indices, side="right") - 1
    between = np.flatnonzero(~contains.any(axis=0))
    contains[earlier[between], between] = True
    return contains.T @ probabilities / contains.sum(axis=0)[:, None]


def segments(probabilities: np.ndarray) -> list[Segment]:
    """Runs of consecutive frames with the same likeliest class; probabilities (T, C)."""
    labels = probabilities.argmax(axis=1).tolist()
    edges = np.flatnonzero(np.diff(labels, prepend=-1, append=-1))
    return [
        Segment(start, end, labels[start], float(probabilities[start:end, labels[start]].mean()))
        for start, end in pairwise(edges.tolist())
    ]
