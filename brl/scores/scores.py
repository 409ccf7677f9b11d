"""Scores on disk: what `predict` and `ensemble` write and what follows reads."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brl.support.files import written_whole


@dataclass(frozen=True)
class Scores:
    """Class probabilities of test clips.

    names (n,) str; labels (n,) int64; probabilities (n, C) float32, rows sum to one;
    weights_digest: hash of the weights file they come from, by which the tracked run is found.
    """

    names: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    weights_digest: str = ""


def save_scores(path: Path, scores: Scores) -> None:
    """Writes one `.npz` file."""
    with written_whole(path) as unfinished:
        np.savez(unfinished, **vars(scores))


def load_scores(path: Path) -> Scores:
    """Reads what `save_scores` wrote."""
    with np.load(path, allow_pickle=False) as file:
        columns = {name: file[name] for name in file.files}
    return Scores(**columns | {"weights_digest": str(columns["weights_digest"])})
