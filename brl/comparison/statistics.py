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

    seeds         number of common seeds
    top1          top-1 of A over these seeds, in %
    against_top1  that of B
    difference    top-1 of A minus top-1 of B, mean over seeds, in percentage points
    low, high     its 95 % interval, over clips and seeds; NaN with one common seed
    p             two-sided p value of no difference, over clips and seeds; with one common seed
                  over clips alone, so that it holds for the two networks, not for the methods
    won, lost     clips that only A and only B recognises, mean over seeds
    mcnemar       p value of the exact McNemar test, median over seeds
    """

    seeds: int
    top1: float
    against_top1: float
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
    half = float("nan")
    if len(ours) > 1:
        half = max(stats.t.ppf(0.975, freedom) * error for error, freedom in errors(table))
    won, lost = (table > 0).sum(axis=0), (table < 0).sum(axis=0)
    exact = [
        stats.binomtest(int(w), int(w + n)).pvalue if w + n else 1.0
        for w, n in zip(won, lost, strict=True)
    ]
    return Paired(
        seeds=len(ours),
        top1=100 * float(np.mean([series.mean() for series in ours])),
        against_top1=100 * float(np.mean([series.mean() for series in theirs])),
        difference=100 * difference,
        low=100 * (difference - half),
        high=100 * (difference + half),
        p=p_of_no_difference(table),
        won=float(won.mean()),
        lost=float(lost.mean()),
        mcnemar=float(np.median(exact)),
    )


def p_of_no_difference(table: np.ndarray) -> float:
    """Two-sided p value of a mean of 0, of a table (clips, seeds) as in `errors`."""
    mean = float(np.nanmean(table, axis=0).mean())
    return max(
        float(2 * stats.t.sf(abs(mean) / error, freedom)) if error else float(mean == 0)
        for error, freedom in errors(table)
    )


def errors(table: np.ndarray) -> list[tuple[float, float]]:
    """Standard errors of the mean of a table (clips, seeds), each with its degrees of freedom.

    The mean is as uncertain as the most uncertain of them says. NaN marks a clip that a seed lacks.

    Clips and seeds are crossed random effects. The variance is that of a two-way table with random
    rows and columns, but at least that of the rows or the columns alone, with Satterthwaite's
    degrees of freedom (quasi-F; Clark, 1973). If the seeds have different clips, the interaction,
    which is in both parts, is not subtracted: the error is then too large rather than too small.
    Two seeds can agree by chance, and then have too many degrees of freedom (10 % of equal methods
    would differ at the 5 % level), so the error of the seeds alone counts too. With one seed only
    the clips vary.
    """
    clips, seeds = table.shape
    if clips == 1:
        return [(float("nan"), 1)]
    if seeds == 1:
        return [(float(stats.sem(table[:, 0])), clips - 1)]
    by_seed = np.nanmean(table, axis=0)
    counts = (~np.isnan(table)).sum(axis=0)
    of_seeds = by_seed.var(ddof=1) / seeds
    shares = np.nansum((table - by_seed) / counts / seeds, axis=1)
    of_clips = clips / (clips - 1) * (shares**2).sum()
    free = np.array([seeds - 1, clips - 1, (seeds - 1) * (clips - 1)])
    rest = table - table.mean(axis=1, keepdims=True) - by_seed + by_seed.mean()
    of_rest = 0.0 if np.isnan(table).any() else (rest**2).sum() / free[2] / table.size
    parts = np.array([of_seeds, of_clips, of_rest])
    total = max(of_seeds + of_clips - of_rest, of_seeds, of_clips)
    both = (float(np.sqrt(total)), float(total**2 / (parts**2 / free).sum()) if total else 1.0)
    return [both, (float(np.sqrt(of_seeds)), 1)] if seeds == 2 else [both]


def holm(p_values: np.ndarray) -> np.ndarray:
    """P values (n,) of n tests, corrected for their number.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979).
    """
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected
