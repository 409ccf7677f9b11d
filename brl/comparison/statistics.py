"""Means with intervals, and paired tests of two methods on the same clips."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

RESAMPLINGS = 10_000


def interval(values: np.ndarray) -> float:
    """Half the width of the 95 % confidence interval of a mean (Student's t); NaN of one value."""
    if len(values) < 2:
        return float("nan")
    return float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


@dataclass(frozen=True)
class Paired:
    """Method A against method B on the same clips, seed by seed.

    difference   top-1 of A minus that of B, mean over seeds, in points
    low, high    its 95 % interval, clips and seeds resampled
    p            two-sided, of no difference, by the same resampling
    won, lost    clips that A alone, that B alone recognises, mean over seeds
    mcnemar      exact McNemar p of each seed's won and lost clips, the median
    """

    difference: float
    low: float
    high: float
    p: float
    won: float
    lost: float
    mcnemar: float


def paired(ours: list[pd.Series], theirs: list[pd.Series]) -> Paired:
    """Compares what is recognised (0 or 1 by clip name; a series a seed, in the same order).

    Bootstrap of both clips and seeds: a clip is drawn for all seeds together, so what makes clips
    hard is not taken for new evidence by every seed. Three seeds say little of how far seeds lie
    apart: where that is more than the clips' part, p comes out too small.
    """
    table = pd.concat([a - b for a, b in zip(ours, theirs, strict=True)], axis=1)
    seen = table.notna().to_numpy(float)
    differences = table.fillna(0).to_numpy()
    random = np.random.default_rng(0)
    clips, seeds = table.shape
    # Clips that came out alike are drawn as one: few kinds, however many the clips are.
    kinds, sizes = np.unique(np.hstack([differences, seen]), axis=0, return_counts=True)
    times = random.multinomial(clips, sizes / clips, size=RESAMPLINGS).astype(float)
    of_seed = (times @ kinds[:, :seeds]) / np.maximum(times @ kinds[:, seeds:], 1)
    drawn = random.integers(seeds, size=(RESAMPLINGS, seeds))
    resampled = 100 * np.take_along_axis(of_seed, drawn, axis=1).mean(axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    tail = min((resampled <= 0).mean(), (resampled >= 0).mean())
    won, lost = (differences > 0).sum(axis=0), (differences < 0).sum(axis=0)
    exact = [
        stats.binomtest(int(w), int(w + n)).pvalue if w + n else 1.0
        for w, n in zip(won, lost, strict=True)
    ]
    return Paired(
        difference=float(100 * np.mean(differences.sum(axis=0) / seen.sum(axis=0))),
        low=float(low),
        high=float(high),
        p=float(min(1.0, 2 * tail)),
        won=float(won.mean()),
        lost=float(lost.mean()),
        mcnemar=float(np.median(exact)),
    )
