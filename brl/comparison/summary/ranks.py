"""Ranks of methods over datasets, and what they can show.

J. Demšar, "Statistical comparisons of classifiers over multiple data sets", Journal of Machine
Learning Research 7 (2006): Friedman's test, then Nemenyi's. Wilcoxon's signed-rank test of each
pair (A. Benavoli et al., "Should we really use post-hoc tests based on mean-ranks?", same journal
17, 2016) is no choice for few datasets: with five, its p value cannot be below 0.0625.

The unit is the dataset. Seeds are not: results from several seeds on one dataset share its clips,
and as units of their own they would make chance look like evidence.
"""

import numpy as np
import pandas as pd
from scipy import stats

ALPHA = 0.05


def ranks(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Ranks of the methods on each dataset: 1 is best, and equal ones share the mean of theirs.

    accuracy: (methods, datasets), NaN where there is no result. Datasets without any result are
    left out, and then methods without results on all datasets.
    """
    present = accuracy.dropna(axis="columns", how="all").dropna()
    return present.rank(ascending=False)


def friedman(ranked: pd.DataFrame) -> float:
    """P value of Friedman's test that all methods are equal; NaN below two methods or datasets.

    The ranks are permuted within each dataset: all ways of it if there are fewer than 10,000, else
    that many random ones. The chi-squared distribution of the textbook needs more than ten
    datasets.

    ranked: (methods, datasets), as `ranks` gives them.
    """
    if min(ranked.shape) < 2:
        return float("nan")

    # It orders the permutations as Friedman's statistic does.
    def spread(*of_methods: np.ndarray, axis: int) -> np.ndarray:
        return np.sum([each.mean(axis=axis) ** 2 for each in of_methods], axis=0)

    result = stats.permutation_test(
        list(ranked.to_numpy()),
        spread,
        permutation_type="samples",
        vectorized=True,
        alternative="greater",
        random_state=np.random.default_rng(0),
    )
    return float(result.pvalue)


def critical_difference(methods: int, datasets: int) -> float:
    """The difference of two mean ranks above which two methods differ, by Nemenyi's test.

    At the level `ALPHA`, over all pairs of methods.
    """
    quantile = stats.studentized_range.ppf(1 - ALPHA, methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(methods * (methods + 1) / (6 * datasets)))
