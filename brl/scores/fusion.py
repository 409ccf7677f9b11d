"""Fusion of streams: `ensemble.kind` in params.yaml names a row of FUSIONS."""

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np
from scipy.special import softmax

from brl.config.params import EnsembleParams
from brl.scores.scores import Scores
from brl.support.errors import UserError

StreamScores = Mapping[str, Scores]
# Below it a probability counts as this one: half of the step in which comparisons keep scores.
SMALLEST = 2.0**-12


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

    Weights of streams without scores are ignored. Raises UserError where the others are all zero.
    """
    of_streams = np.array(list(shares(test, params).values()))
    stacked = np.stack([scores.probabilities for scores in test.values()])
    return np.tensordot(of_streams, stacked, axes=1).astype(np.float32)


def logits(test: StreamScores, _training: StreamScores, params: EnsembleParams) -> np.ndarray:
    """Softmax of the weighted mean of the streams' log probabilities.

    It ranks classes as the weighted sum of logits in PSUMNet (arXiv 2208.05775) and Shap-Mix
    (arXiv 2407.12312), but for the floor, without which a stream could veto a class.
    """
    of_streams = np.array(list(shares(test, params).values()))
    stacked = np.stack([scores.probabilities for scores in test.values()])
    mean = np.tensordot(of_streams, np.log(np.maximum(stacked, SMALLEST)), axes=1)
    return softmax(mean, axis=1).astype(np.float32)


def shares(streams: Iterable[str], params: EnsembleParams) -> dict[str, float]:
    """Each stream's share of the weighted mean; the shares sum to one.

    Raises UserError where the streams' weights are all zero.
    """
    weights = {name: params.weights[name] for name in streams}
    if not weighed(weights, params):
        raise UserError(
            f"ensemble.weights: the weights of {', '.join(weights)} are all zero; one must be "
            "above zero"
        )
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def weighed(streams: Iterable[str], params: EnsembleParams) -> bool:
    """Whether a stream among these has a weight above zero, so that their fusion is defined."""
    return any(weight > 0 for name, weight in params.weights.items() if name in set(streams))


FUSIONS: dict[str, Fusion] = {"weighted": weighted, "logits": logits}


def fuse(
    test: StreamScores, params: EnsembleParams, training: StreamScores | None = None
) -> Scores:
    """Fuses the streams' scores by `ensemble` in params.yaml.

    Raises UserError if the streams scored different clips, or if their weights are all zero.
    """
    first = next(iter(test.values()))
    for name, scores in test.items():
        if not np.array_equal(scores.names, first.names):
            raise UserError(f"scores/{name}.npz: not the clips that the other streams scored")
    fused = FUSIONS[params.kind](test, training or {}, params)
    return Scores(first.names, first.labels, fused)
