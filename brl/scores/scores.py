"""Test scores on disk: written by `predict` and `ensemble`, read by the stages after them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from brl.support.checked import map_npz
from brl.support.errors import UserError
from brl.support.files import written_whole

BLOCK = 2**23  # values that are computed with at once: the scores of NTU RGB+D 120 are fewer
FEW = 5  # classes: a label among so many most probable ones counts for top-5


def blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of the rows of an array (N, C), with `BLOCK` values or fewer in each."""
    rows = max(1, BLOCK // max(1, shape[1]))
    return (slice(start, start + rows) for start in range(0, shape[0], rows))


@dataclass(frozen=True)
class Predictions:
    """What N clips are recognised as: all that metrics and reports need to know of scores.

    names        (N,) str
    labels       (N,) int64
    predicted    (N,) int64, labels of the most probable classes
    confidence   (N,) float32, probabilities of these classes
    among_five   (N,) bool, whether the label is among the five most probable classes
    num_classes  C
    """

    names: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    among_five: np.ndarray
    num_classes: int

    @property
    def correct(self) -> np.ndarray:
        """Whether each clip is recognised, (N,) bool."""
        return self.predicted == self.labels


@dataclass(frozen=True)
class Scores:
    """Class probabilities of N clips. Raises UserError where one is not finite.

    names           (N,) str
    labels          (N,) int64
    probabilities   (N, C) float32, rows sum to one; may be a memory map
    weights_digest  hash of the weights file that gave them, by which the tracked run is found
    """

    names: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    weights_digest: str = ""

    def __post_init__(self) -> None:
        finite = np.ones(len(self.probabilities), dtype=bool)
        for rows in blocks(self.probabilities.shape):
            finite[rows] = np.isfinite(self.probabilities[rows]).all(axis=1)
        wrong = np.flatnonzero(~finite)
        if len(wrong):
            raise UserError(
                f"clip {self.names[wrong[0]]}: its scores are not finite ({len(wrong)} of "
                f"{len(self.names)} clips); its coordinates must be like those of the training, "
                "and the weights finite"
            )

    @cached_property
    def predictions(self) -> Predictions:
        """What the clips are recognised as."""
        clips, num_classes = self.probabilities.shape
        predicted = np.empty(clips, dtype=np.int64)
        confidence = np.empty(clips, dtype=self.probabilities.dtype)
        among_five = np.empty(clips, dtype=bool)
        for rows in blocks(self.probabilities.shape):
            block = np.array(self.probabilities[rows])  # read once, and aligned
            predicted[rows], confidence[rows] = block.argmax(axis=1), block.max(axis=1)
            among_five[rows] = _places(block, self.labels[rows]) < FEW
        return Predictions(self.names, self.labels, predicted, confidence, among_five, num_classes)


def _places(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many classes are more probable than each clip's label, (n,).

    probabilities: (n, C); labels: (n,). Of equally probable classes the last come first, as in
    sklearn's `top_k_accuracy_score`.
    """
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)
    later = np.arange(probabilities.shape[1]) > labels[:, None]
    return (probabilities > own).sum(axis=1) + ((probabilities == own) & later).sum(axis=1)


def rounded(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities in steps of 1/2048, which float16 holds exactly.

    A report made from scores that were kept as float16 is then the same as one made from these.
    """
    steps = np.array(probabilities, dtype=np.float32)
    steps *= 2048
    np.round(steps, out=steps)
    steps /= 2048
    return steps


def save_scores(path: Path, scores: Scores) -> None:
    """Writes scores to one `.npz` file."""
    with written_whole(path) as unfinished:
        np.savez(
            unfinished,
            names=scores.names,
            labels=scores.labels,
            probabilities=scores.probabilities,
            weights_digest=scores.weights_digest,
        )


def load_scores(path: Path) -> Scores:
    """Reads scores that `save_scores` wrote; probabilities of many clips are a memory map.

    Raises UserError for another file, and for a damaged one.
    """
    columns: dict[str, Any] = dict(map_npz(path))
    try:
        return Scores(**columns | {"weights_digest": str(columns["weights_digest"])})
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: not a file of scores of this project") from error
