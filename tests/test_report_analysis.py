"""The report's analysis: by hand, and properties of any scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from brl.config.params import EnsembleParams
from brl.report.analysis import (
    calibration,
    confused_pairs,
    equally_weighted,
    hardest_clips,
    intervals,
    without_each,
)
from brl.scores.fusion import fuse
from brl.scores.metrics import accuracy_by_class, headline
from brl.scores.scores import Predictions, Scores

GROUPS = np.array(["many", "medium", "few"])


def recognised(labels, predicted, sure=0.8, count=3) -> Predictions:
    """Each clip's predicted class has the probability `sure`, the others share the rest."""
    labels, predicted = np.array(labels), np.array(predicted)
    sure = np.broadcast_to(sure, labels.shape)
    shares = np.repeat((1 - sure)[:, None] / (count - 1), count, axis=1)
    shares[np.arange(len(labels)), predicted] = sure
    names = np.array([f"c{number}" for number in range(len(labels))])
    return Scores(names, labels, shares.astype(np.float32)).predictions


def any_scores(draw_seed: int, clips: int) -> Scores:
    draws = np.random.default_rng(draw_seed)
    shares = draws.dirichlet(np.ones(3), size=clips).astype(np.float32)
    labels = draws.integers(0, 3, clips)
    return Scores(np.arange(clips).astype(str), labels, shares)


def intervals_of(of_clips: Predictions) -> dict:
    return intervals(of_clips, accuracy_by_class(of_clips), GROUPS)


def test_the_interval_of_one_class_is_that_of_the_binomial_distribution():
    """400 clips, 70 % recognised."""
    of_one = recognised([0] * 400, [0] * 280 + [1] * 120)
    low, high = intervals_of(of_one)["top1"]
    exact = 100 * binom(400, 0.7).ppf([0.025, 0.975]) / 400
    assert (low, high) == pytest.approx(exact, abs=0.3)


def test_classes_count_alike_in_the_mean_and_clips_in_top1():
    """90 clips of a class that is always recognised, 10 of one that never is: no doubt at all."""
    bounds = intervals_of(recognised([0] * 90 + [2] * 10, [0] * 100))
    assert bounds == {"top1": (90, 90), "mean_class": (50, 50), "many": (100, 100), "few": (0, 0)}


@given(st.integers(0, 1000), st.integers(1, 60))
def test_an_interval_holds_its_value(seed, clips):
    of_all = any_scores(seed, clips).predictions
    values = headline(of_all, GROUPS)
    for name, (low, high) in intervals_of(of_all).items():
        assert -1e-9 <= low <= values[name] + 5 and values[name] - 5 <= high <= 100 + 1e-9


def test_confused_pairs_are_counted_and_sorted():
    pairs = confused_pairs(recognised([0, 0, 0, 0, 1, 1, 2], [1, 1, 2, 0, 0, 0, 2]), 2)
    assert pairs[["label", "predicted", "clips"]].values.tolist() == [[1, 0, 2], [0, 1, 2]]
    assert pairs["share"].tolist() == [100, 50]


def test_without_a_mistake_no_pair_is_confused():
    right = recognised([0, 1, 2], [0, 1, 2])
    assert len(confused_pairs(right, 5)) == 0
    assert len(hardest_clips(right, confused_pairs(right, 5))) == 0


def test_the_hardest_clip_of_a_pair_is_the_surest_mistake():
    mistaken = recognised([0, 0, 0, 1], [1, 1, 2, 0], sure=[0.5, 0.9, 0.99, 0.7])
    assert hardest_clips(mistaken, confused_pairs(mistaken, 5)).tolist() == [1, 3, 2]


def test_calibration_by_hand():
    """Ten clips at 0.95, nine right; ten at 0.5, two right: half of 0.05 + 0.3."""
    predicted = [0] * 9 + [1] + [0] * 2 + [1] * 8
    calibrated = calibration(recognised([0] * 20, predicted, sure=[0.95] * 10 + [0.5] * 10))
    assert calibrated.error == pytest.approx(100 * (0.05 + 0.3) / 2, abs=1e-4)
    assert calibrated.bins["clips"].tolist() == [10, 10]
    assert calibrated.bins["accuracy"].tolist() == [0.2, 0.9]
    assert calibrated.bins["low"].tolist() == pytest.approx([7 / 15, 14 / 15])


def test_always_sure_and_right_is_calibrated():
    assert calibration(recognised([0, 1, 2], [0, 1, 2], sure=1.0)).error == 0


@given(st.integers(0, 1000), st.integers(1, 80))
def test_every_clip_is_in_a_bin_and_the_error_is_a_share(seed, clips):
    calibrated = calibration(any_scores(seed, clips).predictions)
    assert calibrated.bins["clips"].sum() == clips
    assert 0 <= calibrated.error <= 100
    assert (calibrated.bins["confidence"] > calibrated.bins["low"] - 1e-6).all()
    assert (calibrated.bins["confidence"] <= calibrated.bins["high"] + 1e-6).all()


def weighted(**weights: float) -> EnsembleParams:
    return EnsembleParams(kind="weighted", weights=weights)


def test_what_a_stream_adds_is_the_rest_fused_without_it():
    streams = {"joint": any_scores(0, 50), "bone": any_scores(1, 50), "skip": any_scores(2, 50)}
    same = {
        name: Scores(s.names, streams["joint"].labels, s.probabilities)
        for name, s in streams.items()
    }
    weights = weighted(joint=2.0, bone=1.0, skip=3.0)
    headlines = without_each(same, weights, GROUPS)
    assert list(headlines) == ["joint", "bone", "skip"]
    rest = {name: same[name] for name in ("bone", "skip")}
    assert headlines["joint"] == headline(fuse(rest, weights).predictions, GROUPS)
    equal = fuse(same, weighted(joint=5.0, bone=5.0, skip=5.0)).predictions
    assert equally_weighted(same, weights, GROUPS) == headline(equal, GROUPS)


def test_a_stream_without_which_nothing_has_weight_is_left_out():
    of_all = any_scores(0, 20)
    two = {"joint": of_all, "bone": of_all}
    assert list(without_each(two, weighted(joint=1.0, bone=0.0), GROUPS)) == ["bone"]
    assert without_each({"joint": of_all}, weighted(joint=1.0), GROUPS) == {}
