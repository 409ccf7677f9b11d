"""What happens when in a long recording: sliding windows, and what they say together."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Segment:
    """Frames `start` to `end` (exclusive) of a recording, in which one class is the likeliest.

    probability: the class's, mean over the frames.
    """

    start: int
    end: int
    label: int
    probability: float


def windows(frames: int, length: int, step: int) -> np.ndarray:
    """First frames of windows of `length`, every `step`, the last at the very end, (W,) int64.

    One, at 0, where the recording is no longer than a window.
    """
    last = max(frames - length, 0)
    return np.unique(np.append(np.arange(0, last + 1, step), last))


def by_frame(probabilities: np.ndarray, starts: np.ndarray, length: int, frames: int) -> np.ndarray:
    """Mean probabilities (T, C) of the windows that hold each frame; probabilities (W, C).

    Frames between windows, where steps are longer than windows, have those of the window before.
    """
    places = np.arange(frames)
    holding = (starts[:, None] <= places) & (places < starts[:, None] + length)
    before = np.searchsorted(starts, places, side="right") - 1
    alone = np.flatnonzero(~holding.any(axis=0))
    holding[before[alone], alone] = True
    return holding.T @ probabilities / holding.sum(axis=0)[:, None]


def segments(probabilities: np.ndarray) -> list[Segment]:
    """Runs of frames with the same likeliest class, in order; probabilities (T, C)."""
    labels = probabilities.argmax(axis=1).tolist()
    edges = np.flatnonzero(np.diff(labels, prepend=-1, append=-1))
    return [
        Segment(start, end, labels[start], float(probabilities[start:end, labels[start]].mean()))
        for start, end in pairwise(edges.tolist())
    ]
