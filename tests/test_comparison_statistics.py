"""Intervals and paired tests, against tables, scipy and calculations by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from brl.comparison.statistics import errors, holm, interval, p_of_no_difference, paired

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
    low, high = stats.t.interval(0.95, 1, result.difference, stats.sem([50, 100 / 3]))
    assert result.low <= low and high <= result.high


def test_one_seed_is_compared_by_its_clips_and_has_no_interval():
    first, second = rights([1, 1, 0, 1, 1])[0], rights([1, 0, 0, 1])[0]
    result = paired([first], [second])
    assert result.seeds == 1
    assert result.p == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert np.isnan([result.low, result.high]).all()


def test_the_means_are_those_of_the_common_seeds():
    result = paired(rights([1], [1, 0]), rights([1, 0, 0, 0], [1, 1, 1, 0]))
    assert (result.seeds, result.top1, result.against_top1) == (2, 75, 50)
    assert result.difference == 25


def test_the_error_of_a_table_whose_seeds_agree_is_that_of_its_clips():
    clips = np.random.default_rng(0).normal(size=50)
    ((error, freedom),) = errors(np.stack([clips] * 3, axis=1))
    assert error == pytest.approx(stats.sem(clips)) and freedom == pytest.approx(49)


def test_the_error_of_a_table_whose_clips_agree_is_that_of_its_seeds():
    seeds = np.array([1.0, 3.0, 4.0])
    ((error, freedom),) = errors(np.stack([seeds] * 50))
    assert error == pytest.approx(stats.sem(seeds)) and freedom == pytest.approx(2)


def test_the_error_is_that_of_a_two_way_table():
    """By the mean squares of rows, columns and the rest."""
    table = np.random.default_rng(0).normal(size=(30, 4))
    table += 0.5 * np.random.default_rng(1).normal(size=4)
    centred = table - table.mean()
    rows, columns = centred.mean(axis=1), centred.mean(axis=0)
    squares = np.array([
        30 * (columns**2).sum() / 3,
        4 * (rows**2).sum() / 29,
        ((centred - rows[:, None] - columns) ** 2).sum() / 87,
    ])  # fmt: skip
    total = squares @ [1, 1, -1]
    ((error, freedom),) = errors(table)
    assert error == pytest.approx((total / 120) ** 0.5)
    assert freedom == pytest.approx(total**2 / (squares**2 / [3, 29, 87]).sum())


def test_two_seeds_of_equal_means_are_not_certain():
    """Judged by different clips, as with a validation part: the clips still vary."""
    first, second = NAMES[:20], NAMES[20:]
    ours = [rights([1, 1, 0, 1], names=first)[0], rights([1, 1, 0, 1], names=second)[0]]
    theirs = [rights([1, 0, 1, 0], names=first)[0], rights([1, 0, 1, 0], names=second)[0]]
    result = paired(ours, theirs)
    assert result.difference == pytest.approx(25)
    assert result.low < 0 < result.high and result.p > 0.05


def test_one_clip_tells_nothing():
    result = paired(rights([1], [1], names=["a"]), rights([0], [1], names=["a"]))
    assert np.isnan([result.low, result.high, result.p]).all()


@pytest.mark.parametrize("apart", [0.0, 0.1], ids=["no seed differs", "seeds differ"])
@pytest.mark.parametrize("part", [1.0, 0.5], ids=["same clips", "own clips"])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_equal_methods_seldom_seem_to_differ(seeds, part, apart):
    """Of two equal methods, clips differ in difficulty, seeds by `apart`, and the rest is chance.

    part: the share of the clips that each seed is judged by.
    """
    random = np.random.default_rng(0)

    def method(easy: np.ndarray) -> np.ndarray:
        chance = easy + random.normal(0, 0.1, size=200)
        return random.random((200, seeds)) < chance[:, None] + random.normal(0, apart, size=seeds)

    p_values = []
    for _ in range(300):
        easy = random.beta(2, 1, size=200)
        table = method(easy).astype(float) - method(easy)
        table[random.random(table.shape) >= part] = np.nan
        judged = ~np.isnan(table).all(axis=1)
        p_values.append(p_of_no_difference(table[judged]))
    assert np.mean(np.array(p_values) < 0.05) <= 0.085
    assert np.mean(np.array(p_values) < 0.5) > 0.1


def test_one_seed_is_no_test_of_methods():
    """As the page says: two equal methods often seem to differ."""
    random = np.random.default_rng(0)
    p_values = []
    for _ in range(200):
        ours, theirs = (random.random((400, 1)) < random.normal(0.7, 0.05) for _ in "AB")
        p_values.append(p_of_no_difference(ours.astype(float) - theirs))
    assert np.mean(np.array(p_values) < 0.05) > 0.2


def test_corrected_p_values_are_those_of_r():
    """`p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.6), "holm")`."""
    p_values = np.array([0.01, 0.04, 0.03, 0.005, 0.6])
    assert holm(p_values) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.6])
    assert holm(np.array([0.5, 0.9])) == pytest.approx([1, 1])
    assert holm(np.array([0.02])) == pytest.approx([0.02])


def test_of_many_equal_pairs_seldom_one_seems_to_differ():
    random = np.random.default_rng(0)
    first = [holm(random.random(20)).min() for _ in range(500)]
    assert np.mean(np.array(first) < 0.05) <= 0.08
