"""Timelines of long recordings, from the probabilities of sliding windows.

Nothing here holds more of a recording than a window.
"""

from collections.abc import Iterable, Iterator
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


def windows(frames: int, length: int, step: int) -> Iterator[int]:
    """First frames of windows of `length` frames, one every `step` frames, ascending.

    The last window ends with the recording. There is one window if the recording is not longer.
    """
    last = max(frames - length, 0)
    yield from range(0, last, step)
    yield last


def mean_by_frame(
    probabilities: Iterable[np.ndarray], frames: int, length: int, step: int
) -> Iterator[np.ndarray]:
    """Mean probabilities (T', C) of the windows that contain each frame, for all frames in turn.

    probabilities: (C,) of each of the `windows`. If steps are longer than windows, a frame between
    two windows takes those of the earlier one.
    """
    following = windows(frames, length, step)
    start = next(following)
    sums, counts = np.zeros((0, 1)), np.zeros((0, 1))  # of frames from `start`
    for each in probabilities:
        after = next(following, frames)
        end = max(min(start + length, frames), after)
        sums, counts = (_longer(of_frames, end - start) for of_frames in (sums, counts))
        sums, counts = sums + each, counts + 1
        yield sums[: after - start] / counts[: after - start]
        sums, counts, start = sums[after - start :], counts[after - start :], after


def _longer(of_frames: np.ndarray, frames: int) -> np.ndarray:
    """Rows, and zeros behind them, of so many frames."""
    longer = np.zeros((frames, of_frames.shape[1]))
    longer[: len(of_frames)] = of_frames
    return longer


def segments(probabilities: Iterable[np.ndarray]) -> Iterator[Segment]:
    """Runs of consecutive frames with the same likeliest class.

    probabilities: (T', C) of all frames, part by part.
    """
    run: Segment | None = None  # its probability is the sum, until it ends
    end = 0
    for part in probabilities:
        labels = part.argmax(axis=1)
        edges = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
        for first, last in pairwise(edges):
            label = int(labels[first])
            total = float(part[first:last, label].sum())
            if run is not None and run.label == label:
                run = Segment(run.start, end + last, label, run.probability + total)
                continue
            if run is not None:
                yield _ended(run)
            run = Segment(end + first, end + last, label, total)
        end += len(part)
    if run is not None:
        yield _ended(run)


def _ended(run: Segment) -> Segment:
    return Segment(run.start, run.end, run.label, run.probability / (run.end - run.start))
