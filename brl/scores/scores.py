"""Test scores on disk: written by `predict` and `ensemble`, read by the stages after them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brl.support.checked import read_npz
from brl.support.errors import UserError
from brl.support.files import written_whole


@dataclass(frozen=True)
class Scores:
    """Class probabilities of N clips. Raises UserError where one is not finite.

    names           (N,) str
    labels          (N,) int64
    probabilities   (N, C) float32, rows sum to one
    weights_digest  hash of the weights file that gave them, by which the tracked run is found
    """

    names: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    weights_digest: str = ""

    def __post_init__(self) -> None:
        wrong = np.flatnonzero(~np.isfinite(self.probabilities).all(axis=1))
        if len(wrong):
            raise UserError(
                f"clip {self.names[wrong[0]]}: its scores are not finite ({len(wrong)} of "
                f"{len(self.names)} clips); its coordinates must be like those of the training, "
                "and the weights finite"
            )

    @property
    def predicted(self) -> np.ndarray:
        """Labels of the most probable classes, (N,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def correct(self) -> np.ndarray:
        """Whether each clip is recognised, (N,) bool."""
        return self.predicted == self.labels


def rounded(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities in steps of 1/2048, which float16 holds exactly.

    A report made from scores that were kept as float16 is then the same as one made from these.
    """
    return np.round(probabilities.astype(np.float32) * 2048) / 2048


def save_scores(path: Path, scores: Scores) -> None:
    """Writes scores to one `.npz` file."""
    with written_whole(path) as unfinished:
        np.savez(unfinished, **vars(scores))


def load_scores(path: Path) -> Scores:
    """Reads scores that `save_scores` wrote.

    Raises UserError for another file, and for a damaged one.
    """
    columns: dict[str, Any] = dict(read_npz(path))
    try:
        return Scores(**columns | {"weights_digest": str(columns["weights_digest"])})
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: not a file of scores of this project") from error
