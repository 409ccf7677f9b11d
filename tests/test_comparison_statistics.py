"""Intervals and paired tests, against tables, scipy and calculations by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from brl.comparison.statistics import interval, paired, standard_error

NAMES = [f"c{number}" for number in range(40)]


def rights(*patterns: list[int], names: list[str] = NAMES) -> list[pd.Series]:
    """One series for each seed."""
    return [pd.Series(np.resize(p, len(names)).astype(float), names) for p in patterns]


def test_half_an_interval_is_students():
    assert interval(np.array([70.0, 72.0, 74.0])) == pytest.approx(4.303 * 2 / 3**0.5, abs=1e-3)
    values = np.array([1.0, 4.0, 2.5, 8.0])
    low, high = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert interval(values) == pytest.approx((high - low) / 2)
    assert np.isnan(interval(np.array([70.0])))
    assert interval(np.array([70.0, 70.0])) == 0


def test_equal_methods_do_not_differ():
    same = rights([1, 0, 1], [1, 1, 0, 0])
    result = paired(same, same)
    assert (result.difference, result.low, result.high, result.won, result.lost) == (0, 0, 0, 0, 0)
    assert result.p == result.mcnemar == 1


def test_a_method_that_is_right_where_the_other_is_wrong_has_won():
    better, worse = rights([1, 1, 1, 0], [1]), rights([1, 0, 0, 0], [1, 0])
    result = paired(better, worse)
    assert (result.won, result.lost) == (20, 0)  # in both seeds
    assert result.difference == pytest.approx(50)
    assert 0 < result.low < 50 < result.high < 100
    assert result.p < 1e-5 and result.mcnemar < 1e-5


def test_exchanged_methods_change_signs_only():
    random = np.random.default_rng(0)
    ours, theirs = (rights(*random.integers(2, size=(3, 40)).tolist()) for _ in range(2))
    there, back = paired(ours, theirs), paired(theirs, ours)
    assert (back.difference, back.won, back.lost, back.mcnemar) == pytest.approx(
        (-there.difference, there.lost, there.won, there.mcnemar)
    )
    assert (back.low, back.high, back.p) == pytest.approx((-there.high, -there.low, there.p))


def test_mcnemar_is_the_exact_test_of_the_clips_that_differ():
    first = np.array([1] * 9 + [0] * 2 + [1] * 29)
    second = np.array([0] * 9 + [1] * 2 + [1] * 29)
    result = paired(rights(first), rights(second))
    assert (result.won, result.lost) == (9, 2)
    assert result.mcnemar == pytest.approx(stats.binomtest(9, 11).pvalue)
    by_hand = 2 * sum(stats.binom.pmf(k, 11, 0.5) for k in (0, 1, 2))
    assert result.mcnemar == pytest.approx(by_hand)
    three = paired(rights(first, first, second), rights(second, first, first))
    assert three.mcnemar == pytest.approx(by_hand)  # the median of it, 1, and it


def test_clips_are_matched_by_name():
    ours = pd.Series([1.0, 0.0, 0.0], ["a", "b", "c"])
    theirs = pd.Series([0.0, 1.0, 0.0], ["b", "a", "c"])
    assert paired([ours], [theirs]).won == 0


def test_seeds_may_be_judged_by_different_clips():
    """Each seed holds out a validation part of its own."""
    first, second = ["a", "b", "c", "d"], ["c", "d", "e", "f", "g", "h"]
    ours = [rights([1], names=first)[0], rights([1], names=second)[0]]
    theirs = [rights([1, 0], names=first)[0], rights([1, 1, 0], names=second)[0]]
    result = paired(ours, theirs)
    assert result.difference == pytest.approx(100 * (2 / 4 + 2 / 6) / 2)
    assert (result.won, result.lost) == (2, 0)
    by_seed = [50, 100 / 3]
    assert (result.low, result.high) == pytest.approx(
        stats.t.interval(0.95, 1, np.mean(by_seed), stats.sem(by_seed))
    )


def test_one_seed_is_compared_by_its_clips():
    first, second = rights([1, 1, 0, 1, 1])[0], rights([1, 0, 0, 1])[0]
    expected = stats.ttest_rel(first, second)
    result = paired([first], [second])
    low, high = expected.confidence_interval(0.95)
    assert (result.p, result.low / 100, result.high / 100) == pytest.approx(
        (expected.pvalue, low, high)
    )


def test_the_error_of_a_table_whose_seeds_agree_is_that_of_its_clips():
    clips = np.random.default_rng(0).normal(size=50)
    error, freedom = standard_error(np.stack([clips] * 3, axis=1))
    assert error == pytest.approx(stats.sem(clips)) and freedom == pytest.approx(49)


def test_the_error_of_a_table_whose_clips_agree_is_that_of_its_seeds():
    seeds = np.array([1.0, 3.0, 4.0])
    error, freedom = standard_error(np.stack([seeds] * 50))
    assert error == pytest.approx(stats.sem(seeds)) and freedom == pytest.approx(2)


@pytest.mark.parametrize("apart", [0.0, 0.03])
def test_equal_methods_seldom_seem_to_differ(apart):
    """Two equal methods: clips differ in difficulty, seeds a little, the rest is chance."""
    random = np.random.default_rng(0)

    def method(chance: np.ndarray) -> list[pd.Series]:
        better = random.normal(0, apart, size=3)
        return [pd.Series((random.random(200) < chance + b).astype(float)) for b in better]

    p_values = []
    for _ in range(200):
        easy = random.beta(2, 1, size=200)
        p_values.append(paired(*(method(easy + random.normal(0, 0.1, size=200)) for _ in "AB")).p)
    assert np.mean(np.array(p_values) < 0.05) <= 0.09
    assert np.mean(np.array(p_values) < 0.5) > 0.2
