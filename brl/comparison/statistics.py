"""Confidence intervals of means, and paired tests of two methods on the same clips."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats


def interval(values: np.ndarray) -> float:
    """Half the 95 % confidence interval of the mean of values (S,), by Student's t.

    NaN for a single value.
    """
    if len(values) < 2:
        return float("nan")
    return float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))


@dataclass(frozen=True)
class Paired:
    """Method A against method B on the same clips, seed by seed.

    difference   top-1 of A minus top-1 of B, mean over seeds, in percentage points
    low, high    its 95 % interval, over clips and seeds
    p            two-sided p value of no difference, by the same standard error
    won, lost    clips that only A and only B recognises, mean over seeds
    mcnemar      p value of the exact McNemar test, median over seeds
    """

    difference: float
    low: float
    high: float
    p: float
    won: float
    lost: float
    mcnemar: float


def paired(ours: list[pd.Series], theirs: list[pd.Series]) -> Paired:
    """Tests method A (`ours`) against method B (`theirs`).

    Both hold one series for each seed, in the same order: 0 or 1 for each clip, by its name.
    """
    table = pd.concat([a - b for a, b in zip(ours, theirs, strict=True)], axis=1).to_numpy()
    difference = float(np.nanmean(table, axis=0).mean())
    error, freedom = standard_error(table)
    half = stats.t.ppf(0.975, freedom) * error
    p = 2 * stats.t.sf(abs(difference) / error, freedom) if error else float(difference == 0)
    won, lost = (table > 0).sum(axis=0), (table < 0).sum(axis=0)
    exact = [
        stats.binomtest(int(w), int(w + n)).pvalue if w + n else 1.0
        for w, n in zip(won, lost, strict=True)
    ]
    return Paired(
        difference=100 * difference,
        low=float(100 * (difference - half)),
        high=float(100 * (difference + half)),
        p=float(p),
        won=float(won.mean()),
        lost=float(lost.mean()),
        mcnemar=float(np.median(exact)),
    )


def standard_error(table: np.ndarray) -> tuple[float, float]:
    """Standard error of the mean of a table (clips, seeds), and its degrees of freedom.

    Clips and seeds are crossed random effects. The variance is that of a two-way table with random
    rows and columns, but at least that of the rows or the columns alone, with Satterthwaite's
    degrees of freedom (quasi-F; Clark, 1973). With one seed only the clips vary. If the seeds have
    different clips (NaN where a seed lacks one), the error is that of the seeds' means.
    """
    clips, seeds = table.shape
    if seeds == 1:
        return float(stats.sem(table[:, 0])), clips - 1
    by_seed = np.nanmean(table, axis=0)
    if np.isnan(table).any():
        return float(stats.sem(by_seed)), seeds - 1
    by_clip = table.mean(axis=1)
    rest = table - by_clip[:, None] - by_seed + table.mean()
    of_seeds = clips * by_seed.var(ddof=1)
    of_clips = seeds * by_clip.var(ddof=1)
    free = np.array([seeds - 1, clips - 1, (seeds - 1) * (clips - 1)])
    squares = np.array([of_seeds, of_clips, (rest**2).sum() / free[2]])
    total = max(squares @ [1, 1, -1], of_seeds, of_clips)
    if total == 0:
        return 0.0, seeds - 1
    return float(np.sqrt(total / table.size)), float(total**2 / (squares**2 / free).sum())
