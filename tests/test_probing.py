"""Evaluations of an encoder: what they fit to, what they draw, how long they train."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brl.clips.clip import Clip
from brl.config.params import PredictParams
from brl.prediction import features, predict
from brl.probing.encoder import EVALUATIONS, Encoder, Labelled, probing_job
from brl.probing.frozen import FROZEN, classified
from brl.probing.shares import SHARES, drawn, fine_tuning
from brl.streams.weights import Recipe, Trained
from brl.subset.subset import Subset
from tests.conftest import STREAMS
from tests.test_pretraining import params_with
from tests.tiny import job, stored, swinging_arms, training_part

COUNTS = st.lists(st.integers(1, 300), min_size=1, max_size=6)


def store_of(labels: np.ndarray) -> Any:
    return cast(Any, SimpleNamespace(labels=labels))


def subset_of(counts: list[int]) -> tuple[Any, Subset]:
    """A subset with so many clips of each class, among as many other clips."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return store_of(np.concatenate([labels, labels])), Subset(
        np.arange(len(labels), 2 * len(labels)), np.array(counts)
    )


# Frozen encoders


@pytest.mark.parametrize("name", FROZEN)
def test_features_that_are_the_class_are_recognised(name):
    labels = np.repeat([0, 1, 3], (20, 5, 1))
    tested = np.array([3, 0, 1, 1])
    probabilities = classified(FROZEN[name](), np.eye(4)[labels], labels, np.eye(4)[tested], 4)
    assert probabilities.argmax(1).tolist() == tested.tolist()
    assert probabilities.shape == (4, 4) and probabilities.dtype == np.float32
    assert (probabilities[:, 2] == 0).all()  # no training clips
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-6)


def test_the_nearest_neighbour_is_the_one_of_the_same_direction():
    training, tested = np.array([[9.0, 0.0], [0.5, 0.5]]), np.array([[4.0, 3.0], [0.1, 0.01]])
    probabilities = classified(FROZEN["1-NN"](), training, np.array([0, 1]), tested, 2)
    assert probabilities.tolist() == [[0, 1], [1, 0]]


def test_the_linear_classifier_does_not_depend_on_the_scale_of_a_feature():
    draws = np.random.default_rng(0)
    labels = draws.integers(3, size=40)
    training, tested = draws.normal(size=(40, 5)) + labels[:, None], draws.normal(size=(9, 5))
    scale = np.array([1e-3, 1, 1, 1, 1e3])
    plain, scaled = (
        classified(FROZEN["linear"](), by * training, labels, by * tested, 3) for by in (1, scale)
    )
    np.testing.assert_allclose(plain, scaled, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("views", [1, 3])
def test_features_are_what_the_head_sees(store, views):
    """The head is linear: it makes of the mean over views the mean of the views' logits."""
    params = PredictParams(num_clips=views, batch_size=7, precision="float32")
    of_job, tested = job(), store.part("half", "test")
    recipe = Recipe.on(store, stream=of_job.stream, model=of_job.model, train=of_job.train)
    torch.manual_seed(0)
    network = recipe.build()
    inputs = recipe.inputs(store, tested, torch.device("cpu"))
    found = torch.from_numpy(features(network.train(), inputs, params))
    assert not network.training and found.shape == (12, network.backbone.out_channels)
    with torch.no_grad():
        expected = network(*inputs.test_batch(torch.arange(12), views))
        expected = expected.unflatten(0, (12, -1)).mean(dim=1)
        torch.testing.assert_close(network.cls_head(found), expected, rtol=1e-4, atol=1e-6)
    if views == 1:
        scores = predict(Trained(recipe, network), store, tested, params)
        torch.testing.assert_close(torch.from_numpy(scores), expected.softmax(dim=1))


# Shares of the labels


@given(COUNTS, st.integers(0, 5))
def test_a_share_has_clips_of_every_class(counts, seed):
    store, subset = subset_of(counts)
    for share in SHARES.values():
        part = drawn(store, subset, share, seed)
        assert part.counts.tolist() == [max(round(share * count), 1) for count in counts]
        assert np.bincount(store.labels[part.clips]).tolist() == part.counts.tolist()
        assert len(np.unique(part.clips)) == len(part.clips)
        assert np.isin(part.clips, subset.clips).all() and (np.diff(part.clips) > 0).all()


@given(COUNTS, st.integers(0, 5))
def test_a_share_is_part_of_a_larger_one_and_the_seed_decides(counts, seed):
    store, subset = subset_of(counts)
    small, large, again = (drawn(store, subset, share, seed) for share in (0.01, 0.1, 0.01))
    assert np.isin(small.clips, large.clips).all()
    assert small.clips.tolist() == again.clips.tolist()


def test_another_seed_draws_others():
    store, subset = subset_of([300, 100])
    first, other = (drawn(store, subset, 0.1, seed).clips for seed in (0, 1))
    assert first.tolist() != other.tolist()


@given(st.integers(1, 4), st.integers(2, 64), st.integers(2, 500), st.data())
def test_a_fine_tuning_has_as_many_steps_as_on_all_clips(passes, batch_size, whole, data):
    part = data.draw(st.integers(1, whole))
    of_all = job(passes=passes, batch_size=batch_size)
    train = fine_tuning(of_all, whole, part).train
    assert train.batch_size == min(batch_size, part)
    steps = np.ceil(passes * whole / batch_size)
    a_pass = part / train.batch_size
    assert abs(np.ceil(train.passes * part / train.batch_size) - steps) <= a_pass / 2 + 1
    if part <= batch_size:
        assert train.passes == steps


def test_on_all_clips_it_is_the_training_itself():
    of_all = job(passes=2, batch_size=8)
    assert fine_tuning(of_all, 24, 24) == of_all


# The whole


def encoder_on(folder: Path, clips: list[Clip]) -> Encoder:
    """Random weights, evaluated on the clips of a store of its own."""
    store = stored(folder / "store", clips)
    params = params_with(
        train={"epochs": 2, "batch_size": 8, "clip_len": 8, "precision": "float32"},
        predict={"num_clips": 1, "precision": "float32"},
    )
    clips_of = Labelled(store, training_part(store), "digest", store.part("half", "test"))
    return Encoder(params, probing_job(params, "joint"), clips_of)


@pytest.mark.parametrize("evaluation", EVALUATIONS)
def test_labels_and_coordinates_of_test_clips_change_nothing_that_is_fitted(evaluation, tmp_path):
    """A coordinate of a training clip does, so the test would notice."""
    clips = swinging_arms()
    moved = [replace(clip, joints=clip.joints[..., ::-1] + 1) for clip in clips]
    relabelled = [replace(clip, label=(clip.label + 1) % 3) for clip in clips[-12:-1]]
    variants = {
        "plain": clips,
        "tested": [*clips[:-12], *relabelled, moved[-1]],
        "trained": [*moved[:12], *clips[12:]],
    }
    plain, tested, trained = (
        encoder_on(tmp_path / name, variant).evaluated(evaluation, tmp_path / f"{name}.pt")[:-1]
        for name, variant in variants.items()
    )
    np.testing.assert_array_equal(plain, tested)
    assert evaluation == "1-NN" or not np.array_equal(plain, trained)


def test_the_method_of_the_project_has_no_part_in_it():
    changes = {"mix": "none", "loss": "ldam", "sampler": "class_balanced"}
    other = params_with(method=changes, model={"head": "cosine"}, train={"validation": 0.2})
    plain = params_with(train={"validation": 0.0})
    assert probing_job(other, "joint") == probing_job(plain, "joint")
    assert probing_job(plain, "joint").method.loss == "cross_entropy"
    assert probing_job(plain, "bone").stream == STREAMS["bone"]
