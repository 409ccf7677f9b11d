"""Ranks over datasets, against the literature, scipy and calculations by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from brl.comparison.summary.ranks import critical_difference, friedman, ranks

NAN = float("nan")


def table(rows: list[list[float]]) -> pd.DataFrame:
    """Accuracies (methods, datasets)."""
    return pd.DataFrame(rows, index=[f"m{n}" for n in range(len(rows))])


accuracies = st.integers(2, 5).flatmap(
    lambda datasets: st.lists(
        st.lists(st.integers(0, 9).map(float), min_size=datasets, max_size=datasets),
        min_size=2,
        max_size=5,
    ).map(table)
)


def test_ranks_are_those_by_hand():
    ranked = ranks(table([[90, 50, 70], [80, 50, 60], [70, 60, 60]]))
    assert ranked.to_numpy().tolist() == [[1, 2.5, 1], [2, 2.5, 2.5], [3, 1, 2.5]]


def test_a_method_that_a_dataset_lacks_has_no_rank():
    ranked = ranks(table([[90, 50], [80, NAN], [70, 60]]))
    assert ranked.index.tolist() == ["m0", "m2"]
    assert ranked.to_numpy().tolist() == [[1, 2], [2, 1]]


def test_a_dataset_without_any_result_does_not_count():
    """One without few-shot classes, say."""
    assert ranks(table([[90, NAN], [80, NAN]])).to_numpy().tolist() == [[1], [2]]


@given(accuracies)
def test_the_ranks_of_a_dataset_have_the_same_sum_whatever_is_tied(accuracy):
    methods = len(accuracy)
    ranked = ranks(accuracy)
    assert np.allclose(ranked.sum(), methods * (methods + 1) / 2)
    assert ranked.min(axis=None) >= 1 and ranked.max(axis=None) <= methods
    pd.testing.assert_frame_equal(ranks(2 * accuracy + 1), ranked)  # only the order counts


def test_the_critical_difference_is_demsars():
    """His example of four classifiers on 14 data sets, and quantiles of his table 5 (a)."""
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    for methods, q in {2: 1.960, 3: 2.343, 5: 2.728, 10: 3.164}.items():
        spread = (methods * (methods + 1) / (6 * 7)) ** 0.5
        assert critical_difference(methods, 7) / spread == pytest.approx(q, abs=0.001)


def test_friedmans_p_is_that_of_all_permutations():
    """Three methods in the same order on three datasets: 6 of the 6³ ways have such ranks."""
    assert friedman(table([[1.0] * 3, [2.0] * 3, [3.0] * 3])) == pytest.approx(6 / 216)
    assert friedman(table([[1.0] * 5, [2.0] * 5])) == pytest.approx(2 / 32)


def test_friedmans_p_is_the_textbooks_with_many_datasets():
    random = np.random.default_rng(0)
    accuracy = table((random.normal(size=(4, 40)) + np.array([0, 0.1, 0.3, 0.4])[:, None]).tolist())
    expected = stats.friedmanchisquare(*accuracy.to_numpy()).pvalue
    assert 0.01 < expected < 0.5
    assert friedman(ranks(accuracy)) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("rows", [[[1.0, 1.0]], [[1.0], [2.0]]], ids=["one method", "one dataset"])
def test_friedmans_test_needs_two_of_both(rows):
    assert np.isnan(friedman(table(rows)))


def test_equal_methods_do_not_differ():
    assert friedman(table([[1.5, 1.5], [1.5, 1.5]])) == 1
