"""Fusion of streams: the weighted mean of their probabilities, as in BRL, arXiv 2308.14024."""

import numpy as np

from brl.scores.scores import Scores
from brl.support.errors import UserError


def fuse(streams: dict[str, Scores], weights: dict[str, float]) -> Scores:
    """Weighted mean of the streams' probabilities; a stream without scores has no share.

    Raises UserError where two streams scored different clips.
    """
    first = next(iter(streams.values()))
    for name, scores in streams.items():
        if not np.array_equal(scores.names, first.names):
            raise UserError(f"scores/{name}.npz: scores other clips than the other streams")
    shares = np.array([weights[name] for name in streams])
    stacked = np.stack([scores.probabilities for scores in streams.values()])
    fused = np.tensordot(shares / shares.sum(), stacked, axes=1).astype(np.float32)
    return Scores(first.names, first.labels, fused)
