"""Nothing of the test clips reaches a training, and of the validation part only which epoch is
kept. Nor do they reach a pre-training: tests/test_pretraining.py."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from brl.balance.holdout import hold_out
from brl.clips.clip import Clip
from brl.config.params import PredictParams
from brl.prediction import predict
from brl.streams.weights import save_weights
from brl.subset.subset import Subset
from brl.support.progress import fraction_bar
from brl.training.checkpoint_file import read_checkpoint
from brl.training.job import Job
from brl.training.loop import Training, train_stream
from tests.methods import method
from tests.tiny import job, stored, swinging_arms, training_part

SHARE = 0.25


def settings(preset: str = "cross_entropy", **changes: object) -> Job:
    return job("joint_motion", method(preset), blocks=[1, 1], **{"passes": 1} | changes)


def spoilt(clip: Clip) -> Clip:
    """Of the last class, and of no numbers."""
    return replace(clip, label=2, joints=np.full_like(clip.joints, np.nan))


class Left(NamedTuple):
    """What a training leaves."""

    weights: bytes
    curve: list[dict[str, float]]


def trained_on(clips: list[Clip], wanted: Job, folder: Path) -> Left:
    store = stored(folder / "store", clips)
    trained, curve = train_stream(wanted, store, training_part(store), folder / "c.pt")
    save_weights(folder / "w.safetensors", trained)
    return Left((folder / "w.safetensors").read_bytes(), curve)


@pytest.mark.parametrize("validation", [0.0, SHARE])
@pytest.mark.parametrize("preset", ["cross_entropy", "brl_aware"])
def test_test_clips_have_no_say_in_a_training(tmp_path, preset, validation):
    """Their labels and their coordinates; a training clip's has, so the test would notice."""
    wanted = settings(preset, epochs=3, rescale=True, validation=validation)
    clips = swinging_arms()
    plain = trained_on(clips, wanted, tmp_path / "plain")
    without = clips[:-12] + [spoilt(clip) for clip in clips[-12:]]
    assert trained_on(without, wanted, tmp_path / "without") == plain
    first = replace(clips[0], label=1)
    assert trained_on([first, *clips[1:]], wanted, tmp_path / "changed").weights != plain.weights


def test_held_out_clips_are_in_no_batch(tmp_path, store, subset):
    """What is trained is the same where they hold no numbers."""
    wanted = settings("brl_aware", validation=SHARE)
    _, held = hold_out(store, subset, SHARE, wanted.seed)
    assert held.counts.tolist() == [2, 2, 2]
    clips = [
        replace(clip, joints=np.full_like(clip.joints, np.nan)) if place in held.clips else clip
        for place, clip in enumerate(swinging_arms())
    ]
    plain, without = (
        Training(wanted, where, training_part(where))
        for where in (store, stored(tmp_path / "store", clips))
    )
    for on in (plain, without):
        with fraction_bar("") as bar:
            for _ in range(3):
                on.run_epoch(bar)
    assert [row["loss"] for row in plain.curve] == [row["loss"] for row in without.curve]
    for name, tensor in plain.model.state_dict().items():
        assert torch.equal(tensor, without.model.state_dict()[name]), name


def test_class_counts_are_those_of_the_clips_that_are_trained_on(store, subset):
    assert Training(settings(validation=SHARE), store, subset).objective.counts.tolist() == [
        6,
        6,
        6,
    ]
    assert Training(settings(validation=0.0), store, subset).objective.counts.tolist() == [8, 8, 8]


@pytest.fixture
def followed(store, subset, tmp_path) -> Callable[..., tuple[dict, list, dict]]:
    """Trains, and gives the kept weights, the curve and the weights after each epoch."""

    def followed(wanted: Job) -> tuple[dict, list, dict]:
        states, checkpoint = {}, tmp_path / "followed.pt"

        def remember(row: dict) -> None:
            content = read_checkpoint(checkpoint)
            states[row["epoch"]] = content["model"]

        trained, curve = train_stream(wanted, store, subset, checkpoint, remember)
        return trained.model.state_dict(), curve, states

    return followed


def assert_equal(ours: dict, theirs: dict) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def script(monkeypatch, accuracies: list[float]) -> None:
    """What the validation part shall say, epoch by epoch."""
    given = iter(accuracies)
    monkeypatch.setattr("sklearn.metrics.balanced_accuracy_score", lambda *_: next(given))


@pytest.mark.parametrize(
    ("accuracies", "kept"),
    [([0.3, 0.6, 0.6, 0.5], 3), ([0.9, 0.1, 0.2, 0.3], 1), ([0.0, 0.0, 0.0, 0.0], 4)],
)
def test_the_epoch_that_validates_best_is_kept_of_equal_ones_the_last(
    followed, monkeypatch, accuracies, kept
):
    script(monkeypatch, accuracies)
    weights, curve, states = followed(settings(validation=SHARE))
    assert [row["validation"] for row in curve] == pytest.approx([100 * a for a in accuracies])
    assert_equal(weights, states[kept])


def test_without_a_validation_part_the_last_epoch_is_kept(followed):
    weights, curve, states = followed(settings(validation=0.0))
    assert "validation" not in curve[0]
    assert_equal(weights, states[4])


def test_classes_of_one_clip_leave_nothing_to_validate_on(store, tmp_path):
    labels = store.labels[store.part("half", "train")]
    single = Subset(np.array([np.flatnonzero(labels == c)[0] for c in range(3)]), np.ones(3, int))
    _, curve = train_stream(settings(validation=0.5), store, single, tmp_path / "c.pt")
    assert len(curve) == 4 and "validation" not in curve[0]


def test_the_validation_is_the_mean_class_accuracy_of_the_held_out_clips(store, subset, tmp_path):
    """Of one view a clip, by the weights that are kept."""
    wanted = settings(validation=SHARE, epochs=6, passes=2)
    trained, curve = train_stream(wanted, store, subset, tmp_path / "c.pt")
    _, held = hold_out(store, subset, SHARE, wanted.seed)
    view = PredictParams(num_clips=1, batch_size=4, precision="float32")
    right = predict(trained, store, held.clips, view).argmax(1) == store.labels[held.clips]
    by_class = [right[store.labels[held.clips] == label].mean() for label in range(3)]
    best = max(row["validation"] for row in curve)
    assert best == pytest.approx(100 * np.mean(by_class), abs=1e-3)
    assert best > min(row["validation"] for row in curve)


def test_a_training_that_goes_on_keeps_what_was_best_before(store, subset, tmp_path, monkeypatch):
    accuracies, wanted = [0.2, 0.9, 0.1, 0.5], settings(validation=SHARE)
    script(monkeypatch, accuracies)
    whole, curve = train_stream(wanted, store, subset, tmp_path / "whole.pt")

    def interrupt(row: dict) -> None:
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    script(monkeypatch, accuracies)
    with pytest.raises(KeyboardInterrupt):
        train_stream(wanted, store, subset, tmp_path / "cut.pt", interrupt)
    at_the_best = read_checkpoint(tmp_path / "cut.pt")["best"]
    assert at_the_best[0] == 90
    resumed, curve_again = train_stream(wanted, store, subset, tmp_path / "cut.pt")
    assert curve_again == curve
    assert_equal(resumed.model.state_dict(), whole.model.state_dict())
    assert_equal(resumed.model.state_dict(), at_the_best[1])
