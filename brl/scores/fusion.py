"""Fusion of streams: `ensemble.kind` in params.yaml names a row of FUSIONS."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from brl.config.params import EnsembleParams
from brl.scores.scores import Scores
from brl.support.errors import UserError

StreamScores = Mapping[str, Scores]


class Fusion(Protocol):
    """Fuses the streams' scores of test clips.

    training: the streams' scores of training clips, for a fusion that learns from them.
    """

    def __call__(
        self, test: StreamScores, training: StreamScores, params: EnsembleParams, /
    ) -> np.ndarray:
        """Class probabilities (n, C) float32 of the test clips."""


def weighted(test: StreamScores, _training: StreamScores, params: EnsembleParams) -> np.ndarray:
    """Weighted mean of the streams' probabilities, as in BRL, arXiv 2308.14024.

    Weights of streams without scores are ignored.
    """
    # Any string may ask; the names that exist were checked when params.yaml was read.
    weights = np.array([params.weights[name] for name in test])  # type: ignore[index]
    stacked = np.stack([scores.probabilities for scores in test.values()])
    return np.tensordot(weights / weights.sum(), stacked, axes=1).astype(np.float32)


FUSIONS: dict[str, Fusion] = {"weighted": weighted}


def fuse(
    test: StreamScores, params: EnsembleParams, training: StreamScores | None = None
) -> Scores:
    """Fuses the streams' scores by `ensemble` in params.yaml.

    Raises UserError if the streams scored different clips.
    """
    first = next(iter(test.values()))
    for name, scores in test.items():
        if not np.array_equal(scores.names, first.names):
            raise UserError(f"scores/{name}.npz: not the clips that the other streams scored")
    fused = FUSIONS[params.kind](test, training or {}, params)
    return Scores(first.names, first.labels, fused)
