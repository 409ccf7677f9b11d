"""Accuracy, shot groups, and the fusion of streams."""

import json
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import recall_score, top_k_accuracy_score

from brl.config.params import EnsembleParams, EvaluateParams
from brl.scores import fusion
from brl.scores import scores as scores_on_disk
from brl.scores.fusion import fuse
from brl.scores.metrics import ShotLimits, accuracy_by_class, headline, overall, shot_groups
from brl.scores.scores import Scores, load_scores, save_scores
from brl.support import checked
from brl.support.errors import UserError

GROUPED = EvaluateParams(many_shot_above=100, few_shot_below=20)
THIRDS = EvaluateParams(many_shot_above="thirds", few_shot_below="thirds")


def scored(labels: list[int], predicted: list[int], num_classes: int) -> Scores:
    probabilities = np.full((len(labels), num_classes), 0.1 / num_classes, dtype=np.float32)
    probabilities[np.arange(len(labels)), predicted] += 0.9
    names = np.array([f"clip{i}" for i in range(len(labels))])
    return Scores(names, np.array(labels), probabilities, "digest")


def test_accuracies_by_hand():
    scores = scored([0, 0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 0, 1], 4)
    by_class = accuracy_by_class(scores.predictions)
    np.testing.assert_array_equal(by_class, [75, 50, 0, np.nan])
    numbers = headline(scores.predictions, np.array(["many", "many", "few", "few"]))
    assert numbers == {
        "top1": pytest.approx(100 * 4 / 7, abs=1e-4),
        "top5": None,
        "mean_class": pytest.approx(125 / 3, abs=1e-4),
        "many": 62.5,
        "medium": None,
        "few": 0.0,
    }
    json.dumps(numbers, allow_nan=False)


@given(st.integers(6, 12), st.integers(1, 40), st.integers(0, 2**31), st.integers(1, 600))
def test_accuracies_agree_with_sklearn(num_classes, clips, seed, block):
    """However many values are computed with at once."""
    draws = np.random.default_rng(seed)
    # Few distinct values: ties among probabilities are frequent.
    probabilities = draws.integers(0, 4, (clips, num_classes)).astype(np.float32)
    labels, every = draws.integers(0, num_classes, clips), np.arange(num_classes)
    with patch.object(scores_on_disk, "BLOCK", block):
        predictions = Scores(np.arange(clips).astype(str), labels, probabilities).predictions
    np.testing.assert_array_equal(predictions.predicted, probabilities.argmax(axis=1))
    np.testing.assert_array_equal(predictions.confidence, probabilities.max(axis=1))
    by_class = recall_score(
        labels, predictions.predicted, labels=every, average=None, zero_division=np.nan
    )
    np.testing.assert_array_equal(accuracy_by_class(predictions), 100 * by_class)
    top5 = top_k_accuracy_score(labels, probabilities, k=5, labels=every)
    assert overall(predictions)["top5"] == round(100 * float(top5), 4)


def test_groups_by_training_clips():
    counts = np.array([101, 100, 20, 19, 1])
    assert shot_groups(counts, GROUPED).tolist() == ["many", "medium", "medium", "few", "few"]


@pytest.mark.parametrize(
    ("counts", "groups", "limits"),
    [
        ([9, 7, 5, 4, 3, 1], "many many medium medium few few", (5, 4)),
        ([9, 7, 5, 5, 3, 1, 1], "many many medium medium medium few few", (5, 3)),
        ([9, 5, 5, 5, 5, 1], "many medium medium medium medium few", (5, 5)),
        ([5, 5, 5], "medium medium medium", (5, 5)),
        ([9, 1], "medium medium", (9, 1)),
    ],
)
def test_groups_of_a_third_of_the_classes(counts, groups, limits):
    """Classes with as many clips are in one group: the middle one takes them."""
    assert shot_groups(np.array(counts), THIRDS).tolist() == groups.split()
    assert ShotLimits.of(np.array(counts), THIRDS) == ShotLimits(*limits)


@given(st.lists(st.integers(1, 30), min_size=2, max_size=40))
def test_thirds_are_groups_by_numbers_of_clips(counts):
    """No group of an end has more than a third, and the limits as numbers give the same groups."""
    clips = np.array(counts)
    groups, limits = shot_groups(clips, THIRDS), ShotLimits.of(clips, THIRDS)
    for end in ("many", "few"):
        assert (groups == end).sum() <= len(counts) // 3
    by_numbers = EvaluateParams(many_shot_above=limits.many_above, few_shot_below=limits.few_below)
    assert (shot_groups(clips, by_numbers) == groups).all()
    if len(set(counts)) == len(counts):
        assert (groups == "many").sum() == (groups == "few").sum() == len(counts) // 3


@given(st.integers(6, 12), st.integers(1, 40), st.integers(0, 2**31))
def test_top5_is_no_less_than_top1_and_balanced_tests_agree(num_classes, clips, seed):
    draws = np.random.default_rng(seed)
    labels = np.repeat(np.arange(num_classes), clips)
    scores = scored(
        labels.tolist(), draws.integers(0, num_classes, len(labels)).tolist(), num_classes
    )
    numbers = overall(scores.predictions)
    assert numbers["top1"] <= numbers["top5"] <= 100
    assert numbers["top1"] == pytest.approx(numbers["mean_class"], abs=1e-3)


def test_fusion_is_the_weighted_mean_of_the_streams_that_are_there():
    draws = np.random.default_rng(0)
    streams = {}
    for name in ("joint", "bone"):
        probabilities = draws.dirichlet(np.ones(5), 7).astype(np.float32)
        streams[name] = Scores(np.arange(7).astype(str), np.arange(7) % 5, probabilities, name)
    ensemble = EnsembleParams(kind="weighted", weights={"joint": 2.0, "bone": 1.0, "skip": 5.0})
    fused = fuse(streams, ensemble)
    expected = (2 * streams["joint"].probabilities + streams["bone"].probabilities) / 3
    np.testing.assert_allclose(fused.probabilities, expected, rtol=1e-6)
    np.testing.assert_allclose(fused.probabilities.sum(axis=1), 1, rtol=1e-6)
    alone = fuse({"bone": streams["bone"]}, ensemble)
    np.testing.assert_array_equal(alone.probabilities, streams["bone"].probabilities)
    other = replace(streams["bone"], names=streams["bone"].names[::-1])
    with pytest.raises(UserError, match=r"scores/bone\.npz"):
        fuse({"joint": streams["joint"], "bone": other}, ensemble)


@pytest.mark.parametrize("kind", ["weighted", "logits"])
def test_what_is_fused_in_blocks_is_what_is_fused_at_once(monkeypatch, kind):
    draws, names = np.random.default_rng(0), np.arange(7).astype(str)
    streams = {
        name: Scores(names, np.arange(7) % 5, draws.dirichlet(np.ones(5), 7).astype(np.float32))
        for name in ("joint", "bone")
    }
    ensemble = EnsembleParams(kind=kind, weights={"joint": 2.0, "bone": 1.0})
    whole = fuse(streams, ensemble).probabilities
    monkeypatch.setattr(scores_on_disk, "BLOCK", 10)
    assert [rows.stop for rows in scores_on_disk.blocks(whole.shape)] == [2, 4, 6, 8]
    np.testing.assert_allclose(fuse(streams, ensemble).probabilities, whole, rtol=1e-6)


def test_fused_logits_rank_classes_as_the_weighted_sum_of_logits():
    draws = np.random.default_rng(0)
    logits = {name: draws.normal(size=(50, 4)) for name in ("body", "hand", "leg")}
    names, labels = np.arange(50).astype(str), np.zeros(50, dtype=np.int64)
    streams = {name: Scores(names, labels, softmax(z, axis=1)) for name, z in logits.items()}
    weights = {"body": 2.0, "hand": 1.8, "leg": 0.7}
    fused = fuse(streams, EnsembleParams(kind="logits", weights=weights)).probabilities
    summed = sum(weights[name] * z for name, z in logits.items())
    np.testing.assert_allclose(fused, softmax(summed / 4.5, axis=1), rtol=1e-5)
    certain = np.eye(4)[[0]]
    one = {name: Scores(names[:1], labels[:1], certain) for name in weights}
    one["leg"] = Scores(names[:1], labels[:1], np.full((1, 4), 0.25))
    fused = fuse(one, EnsembleParams(kind="logits", weights=weights)).probabilities
    assert np.isfinite(fused).all() and fused.argmax() == 0


def test_streams_whose_weights_are_all_zero_are_refused():
    """A mean without weights would be NaN, and the likeliest class of NaN a matter of chance."""
    both = {"joint": scored([0, 1], [0, 1], 2), "bone": scored([0, 1], [0, 1], 2)}
    ensemble = EnsembleParams(kind="weighted", weights={"joint": 0.0, "bone": 0.0, "skip": 1.0})
    with pytest.raises(UserError) as caught:
        fuse(both, ensemble)
    assert str(caught.value) == (
        "ensemble.weights: the weights of joint, bone are all zero; one must be above zero"
    )


def test_a_kind_of_fusion_gets_the_scores_of_training_and_test_clips(monkeypatch):
    """The better stream on training clips alone: a fusion that learns, as a row of the table."""

    def best(training):
        return {"best": max(training, key=lambda name: overall(training[name].predictions)["top1"])}

    def best_alone(test, _params, fitted):
        return test[fitted["best"]].probabilities

    monkeypatch.setitem(fusion.FUSIONS, "weighted", fusion.Fusion(best_alone, best))
    right, wrong = scored([0, 1, 2], [0, 1, 2], 3), scored([0, 1, 2], [1, 2, 0], 3)
    ensemble = EnsembleParams(kind="weighted", weights={"joint": 1.0, "bone": 1.0})
    test = {"joint": wrong, "bone": right}
    fused = fuse(test, ensemble, fusion.fit({"joint": right, "bone": wrong}, ensemble))
    np.testing.assert_array_equal(fused.probabilities, wrong.probabilities)


@pytest.mark.parametrize("mapped", [0, 2**26])
def test_scores_read_back(tmp_path, monkeypatch, mapped):
    """Arrays of so many bytes are memory maps."""
    monkeypatch.setattr(checked, "MAPPED", mapped)
    scores = scored([0, 1], [1, 1], 3)
    save_scores(tmp_path / "s.npz", scores)
    again = load_scores(tmp_path / "s.npz")
    assert again.weights_digest == "digest"
    for column in ("names", "labels", "probabilities"):
        np.testing.assert_array_equal(getattr(again, column), getattr(scores, column))
    assert again.probabilities.flags.writeable == bool(mapped)
