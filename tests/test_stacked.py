"""Stacked fusion: what it learns, from what, and that everything that serves it says the same."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from brl.config.params import EnsembleParams
from brl.scores.fusion import BIAS, SMALLEST, fit, fuse, load_fitted, save_fitted, weights_of
from brl.scores.scores import Scores
from brl.serving.export import export, graph_inputs, load_graph, noise
from brl.serving.recognizer import ARTIFACT, Recognizer
from brl.serving.release import open_release, pack
from brl.serving.served import Served
from brl.support.errors import UserError
from tests.recognizers import untrained

NAMES = ("joint", "bone", "skip")
COUNTS = (40, 12, 5)


def ensemble(*names: str) -> EnsembleParams:
    return EnsembleParams(kind="stacked", folds=2, weights=dict.fromkeys(names, 1.0))


def streams(seed: int, counts=COUNTS, names=NAMES, sharpness: float = 1.5) -> dict[str, Scores]:
    """Streams that are right more often than not; each has its own confusions."""
    draws = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    clips = np.char.add("c", np.arange(len(labels)).astype(str))
    shapes = {
        name: np.random.default_rng(len(name)).normal(size=(len(counts),) * 2) for name in names
    }
    return {
        name: Scores(
            clips,
            labels,
            softmax(
                sharpness * np.eye(len(counts))[labels]
                + shapes[name][labels]
                + draws.normal(size=(len(labels), len(counts))),
                axis=1,
            ).astype(np.float32),
        )
        for name in names
    }


def reordered(scores: Scores, order: np.ndarray) -> Scores:
    return Scores(scores.names[order], scores.labels[order], scores.probabilities[order])


def test_it_is_scikit_learns_regression_with_equally_frequent_classes():
    training, test = streams(0), streams(1)
    fused = fuse(test, ensemble(*NAMES), fit(training, ensemble(*NAMES))).probabilities
    logs, tested = (
        np.concatenate([np.log(np.maximum(s.probabilities, SMALLEST)) for s in each.values()], 1)
        for each in (training, test)
    )
    regression = LogisticRegression(max_iter=1000).fit(logs, training["joint"].labels)
    corrected = regression.predict_proba(tested) / (np.array(COUNTS) / sum(COUNTS))
    np.testing.assert_allclose(fused, corrected / corrected.sum(1, keepdims=True), atol=1e-5)


def test_two_classes_are_one_logit_of_scikit_learn():
    counts = (20, 6)
    training, test = streams(0, counts), streams(1, counts)
    fused = fuse(test, ensemble(*NAMES), fit(training, ensemble(*NAMES))).probabilities
    logs, tested = (
        np.concatenate([np.log(np.maximum(s.probabilities, SMALLEST)) for s in each.values()], 1)
        for each in (training, test)
    )
    regression = LogisticRegression(max_iter=1000).fit(logs, training["joint"].labels)
    corrected = regression.predict_proba(tested) / np.array(counts)
    np.testing.assert_allclose(fused, corrected / corrected.sum(1, keepdims=True), atol=1e-5)


def test_identical_streams_count_alike():
    (one,) = streams(0, names=("joint",)).values()
    training = dict.fromkeys(NAMES, one)
    fitted = fit(training, ensemble(*NAMES))
    for name in NAMES[1:]:
        np.testing.assert_allclose(fitted[weights_of(name)], fitted[weights_of("joint")], atol=1e-4)


@settings(max_examples=10)
@given(st.integers(0, 2**31))
def test_the_order_of_clips_and_of_streams_does_not_matter(seed):
    training, test = streams(0), streams(1)
    expected = fuse(test, ensemble(*NAMES), fit(training, ensemble(*NAMES)))
    draws = np.random.default_rng(seed)
    order = draws.permutation(sum(COUNTS))
    names = [str(name) for name in draws.permutation(NAMES)]
    shuffled = {name: reordered(training[name], order) for name in names}
    tested = {name: reordered(test[name], order) for name in names}
    found = fuse(tested, ensemble(*NAMES), fit(shuffled, ensemble(*NAMES)))
    np.testing.assert_allclose(found.probabilities, expected.probabilities[order], atol=1e-3)


def test_labels_of_test_clips_are_not_read():
    training, test = streams(0), streams(1)
    fitted = fit(training, ensemble(*NAMES))
    mislabelled = {name: replace(s, labels=np.zeros_like(s.labels)) for name, s in test.items()}
    np.testing.assert_array_equal(
        fuse(mislabelled, ensemble(*NAMES), fitted).probabilities,
        fuse(test, ensemble(*NAMES), fitted).probabilities,
    )


@pytest.mark.parametrize("number", range(1, 7))
def test_it_takes_any_number_of_streams_and_learns_which_one_is_right(number):
    """All but one guess; the weighted mean suffers from them, and the stacked fusion does not."""
    names = [f"s{n}" for n in range(number)]
    training, test = (
        streams(seed, (60, 60, 60), names[1:], sharpness=0.0)
        | streams(seed + 9, (60, 60, 60), names[:1], 6.0)
        for seed in (0, 1)
    )
    fused = fuse(test, ensemble(*names), fit(training, ensemble(*names)))
    assert fused.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert fused.predictions.correct.mean() >= test["s0"].predictions.correct.mean() - 0.03


def test_a_stream_that_is_certain_and_wrong_does_not_spoil_numbers():
    training = streams(0)
    certain = np.eye(3, dtype=np.float32)[(training["joint"].labels + 1) % 3]
    training["skip"] = replace(training["skip"], probabilities=certain)
    fitted = fit(training, ensemble(*NAMES))
    assert all(np.isfinite(array).all() for array in fitted.values())
    assert np.isfinite(fuse(training, ensemble(*NAMES), fitted).probabilities).all()


def test_streams_that_scored_other_clips_are_refused():
    training = streams(0)
    training["skip"] = reordered(training["skip"], np.arange(sum(COUNTS))[::-1])
    with pytest.raises(UserError, match=r"^unseen/skip\.npz: not the clips that the other streams"):
        fit(training, ensemble(*NAMES))


def test_a_fusion_of_other_streams_is_refused():
    fitted = fit(streams(0), ensemble(*NAMES))
    two = {name: scores for name, scores in streams(1).items() if name != "skip"}
    with pytest.raises(UserError) as caught:
        fuse(two, ensemble(*NAMES), fitted)
    assert str(caught.value) == (
        "fused/fusion.safetensors: not learned for the streams joint, bone; make repro writes it "
        "anew"
    )


def test_what_was_learned_reads_back(tmp_path):
    fitted = fit(streams(0), ensemble(*NAMES))
    save_fitted(tmp_path / "f.safetensors", fitted)
    again = load_fitted(tmp_path / "f.safetensors")
    assert again.keys() == fitted.keys() and BIAS in again
    for name, array in fitted.items():
        np.testing.assert_array_equal(again[name], array)
    save_fitted(tmp_path / "g.safetensors", {})
    assert load_fitted(tmp_path / "g.safetensors") == {}
    (tmp_path / "f.safetensors").write_text("no")
    with pytest.raises(UserError, match="not a learned fusion, or damaged: brl check"):
        load_fitted(tmp_path / "f.safetensors")


# Serving


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    """Two untrained networks, and a fusion that was learned from made-up scores."""
    both = untrained(max_bodies=2)
    names = tuple(both.streams)
    params = EnsembleParams(kind="stacked", folds=2, weights=both.ensemble.weights)
    return replace(both, ensemble=params, fitted=fit(streams(0, names=names), params))


def test_a_recognizer_fuses_as_the_pipeline(recognizer):
    recordings = [noise(recognizer.recipe, length, 2) for length in (5, 40)]
    found = recognizer.prepared_probabilities(recordings)
    scores = {}
    for name in recognizer.streams:
        alone = {name: recognizer.streams[name]}
        plain = replace(recognizer, streams=alone, ensemble=recognizer.ensemble.weighted, fitted={})
        probabilities = plain.prepared_probabilities(recordings)
        scores[name] = Scores(np.array(["a", "b"]), np.zeros(2, int), probabilities)
    expected = fuse(scores, recognizer.ensemble, recognizer.fitted).probabilities
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".pt2", ".onnx"])
def test_the_exported_graph_agrees(recognizer, tmp_path, suffix):
    assert export(recognizer, tmp_path / f"r{suffix}", []) <= 1e-4
    recording = noise(recognizer.recipe, 20, 2)
    found = load_graph(tmp_path / f"r{suffix}")(*graph_inputs(recognizer, recording))
    wanted = recognizer.prepared_probabilities([recording])[0]
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    plain = replace(recognizer, ensemble=recognizer.ensemble.weighted, fitted={})
    assert np.abs(plain.prepared_probabilities([recording])[0] - wanted).max() > 0.01


def test_the_model_in_mlflow_says_the_same(recognizer, tmp_path):
    recognizer.save(tmp_path / ARTIFACT)
    model = Served()
    model.load_context(SimpleNamespace(artifacts={ARTIFACT: str(tmp_path / ARTIFACT)}))
    recording = noise(recognizer.recipe, 12, 1)
    expected = recognizer.probabilities([recording])
    np.testing.assert_allclose(model.predict(recording).to_numpy(), expected, rtol=1e-6)


def test_it_is_saved_loaded_and_released(recognizer, tmp_path):
    recordings = [noise(recognizer.recipe, 12, 1)]
    expected = recognizer.prepared_probabilities(recordings)
    recognizer.save(tmp_path / "saved")
    pack(tmp_path / "saved", tmp_path / "r.zip")
    for again in (Recognizer.load(tmp_path / "saved"), open_release(tmp_path / "r.zip")):
        np.testing.assert_array_equal(again.prepared_probabilities(recordings), expected)
    (tmp_path / "saved/ensemble.fusion.safetensors").unlink()
    pack(tmp_path / "saved", tmp_path / "r.zip")
    with pytest.raises(UserError, match="damaged, not of brl release"):
        open_release(tmp_path / "r.zip")
