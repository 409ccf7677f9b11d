"""Training: it learns, and resumes after an interruption with byte-identical results."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from brl.config.params import PredictParams
from brl.prediction import predict
from brl.streams.device import arithmetic
from brl.streams.weights import load_weights, save_weights
from brl.subset.subset import Subset
from brl.support.errors import UserError
from brl.support.progress import fraction_bar
from brl.training.checkpoint_file import read_checkpoint
from brl.training.loop import Training, learning_rate, train_stream
from tests.methods import method
from tests.tiny import Interrupted, interrupting, job, with_lr


def weights_of(trained) -> dict[str, torch.Tensor]:
    return trained.model.state_dict()


@pytest.mark.parametrize(
    ("stream", "precision"),
    [("joint", "float32"), ("skip", "bfloat16"), ("bone_motion", "float32")],
)
def test_a_stream_learns_to_classify_test_clips(store, subset, tmp_path, stream, precision):
    settings = job(stream, epochs=20, precision=precision)
    trained, curve = train_stream(settings, store, subset, tmp_path / "c.pt")
    assert [row["epoch"] for row in curve] == list(range(1, 21))
    assert curve[-1]["loss"] < 0.7 * curve[0]["loss"]
    chosen = store.part("half", "test")
    params = PredictParams(num_clips=2, batch_size=8, precision="float32")
    probabilities = predict(trained, store, chosen, params)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (probabilities.argmax(1) == store.labels[chosen]).mean() > 0.6  # chance: a third


def test_an_interrupted_training_ends_in_the_same_bytes(store, subset, tmp_path, monkeypatch):
    whole, curve = train_stream(job(), store, subset, tmp_path / "whole.pt")

    with pytest.raises(Interrupted):
        train_stream(job(), store, subset, tmp_path / "cut.pt", interrupting(2))
    trained, seen = [], []
    run_epoch = Training.run_epoch
    monkeypatch.setattr(
        Training, "run_epoch", lambda self, bar: trained.append(self.epoch) or run_epoch(self, bar)
    )
    resumed, curve_again = train_stream(
        job(), store, subset, tmp_path / "cut.pt", lambda row: seen.append(row["epoch"])
    )
    assert trained == [2, 3]  # counted from 0
    assert seen == [1, 2, 3, 4]  # epoch 2 was not told of when the program ended
    assert curve_again == curve
    for name, tensor in weights_of(whole).items():
        assert torch.equal(tensor, weights_of(resumed)[name]), name


def test_results_depend_on_the_seed_only(store, subset, tmp_path):
    first, _ = train_stream(job(epochs=1), store, subset, tmp_path / "a.pt")
    again, _ = train_stream(job(epochs=1), store, subset, tmp_path / "b.pt")
    save_weights(tmp_path / "a.safetensors", first)
    save_weights(tmp_path / "b.safetensors", again)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_an_epoch_shows_every_clip_as_often_as_there_are_passes(store, subset):
    batches = Training(job(batch_size=7), store, subset)._batches()
    sizes = [len(batch) for batch in batches]
    assert max(sizes) <= 7 and max(sizes) - min(sizes) <= 1
    assert torch.bincount(torch.cat(batches)).tolist() == [2] * 24


def test_the_rebalanced_sampler_decides_how_often_a_clip_is_shown(store, subset):
    skewed = Subset(subset.clips[:14], np.bincount(store.labels[subset.clips[:14]]))
    assert skewed.counts.tolist() == [5, 5, 4]
    training = Training(job(method=method(sampler="rebalanced"), passes=1), store, skewed)
    shown = torch.bincount(torch.cat(training._batches()), minlength=14)
    rare = training.objective.inputs.labels == 2
    assert (shown[~rare] == 1).all()
    shown = sum(torch.bincount(torch.cat(training._batches()), minlength=14) for _ in range(200))
    assert shown[rare].float().mean() / 200 == pytest.approx(5 / 4, abs=0.1)


def test_the_optimizer_is_nesterov_sgd_with_the_schedules_rate(store, subset):
    training = Training(job(epochs=4), store, subset)
    with fraction_bar("joint") as bar:
        row = training.run_epoch(bar)
    (group,) = training.optimizer.param_groups
    steps = len(training._batches())
    assert group["lr"] == row["lr"] == learning_rate(0.05, (steps - 1) / steps / 4, 0) < 0.05
    assert isinstance(training.optimizer, torch.optim.SGD) and group["nesterov"]
    assert (group["momentum"], group["weight_decay"]) == (0.9, 5e-4)


def test_a_diverging_training_is_reported(store, subset, tmp_path):
    with pytest.raises(UserError, match=r"joint: the loss is not finite.*streams\.joint\.lr"):
        train_stream(with_lr(job(), 1e30), store, subset, tmp_path / "c.pt")


@pytest.mark.parametrize(
    ("spoilt", "complaint"),
    [
        ("loss", "joint: the loss is not finite in epoch 3, step 2 of 6, at a learning rate of "),
        ("weights", "joint: weights are not finite in epoch 3, step 6 of 6, at a learning rate of"),
    ],
)
def test_a_training_that_diverges_late_keeps_the_last_good_checkpoint(
    store, subset, tmp_path, monkeypatch, spoilt, complaint
):
    step, steps = Training._step, []

    def spoiling(self, indices):
        steps.append(self.epoch)
        measured = step(self, indices)
        if spoilt == "loss" and len(steps) == 14:
            measured["loss"] *= torch.nan
        if spoilt == "weights" and len(steps) == 18:
            self.model.cls_head.fc_cls.bias.data[0] = torch.inf
        return measured

    monkeypatch.setattr(Training, "_step", spoiling)
    with pytest.raises(UserError, match=complaint) as caught:
        train_stream(job(), store, subset, tmp_path / "c.pt")
    words = str(caught.value)
    assert "\n" not in words and "train.warmup" in words and "train.clip_grad" in words
    kept = read_checkpoint(tmp_path / "c.pt")
    assert kept["epoch"] == 2
    assert all(tensor.isfinite().all() for tensor in kept["model"].values())


def test_gradients_are_scaled_down_to_the_norm_of_clip_grad(store, subset, monkeypatch):
    norms: list[float] = []
    sgd_step = torch.optim.SGD.step

    def noting(optimizer, *arguments):
        (group,) = optimizer.param_groups
        gradients = [each.grad for each in group["params"] if each.grad is not None]
        norms.append(float(torch.nn.utils.get_total_norm(gradients)))
        return sgd_step(optimizer, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", noting)
    for clip_grad in (None, 0.01):
        with fraction_bar("joint") as bar:
            Training(job(clip_grad=clip_grad), store, subset).run_epoch(bar)
    assert len(norms) == 12 and min(norms[:6]) > 0.01
    assert norms[6:] == pytest.approx([0.01] * 6, rel=1e-3)


@pytest.mark.parametrize("upper", [(), tuple(range(20))], ids=["none", "all"])
def test_a_layout_with_one_half_only_refuses_partial_mixing(store, subset, upper):
    layout = {**store.meta["layout"], "upper_body": upper}
    whole = replace(store, meta=store.meta | {"layout": layout})
    refused = f"of the 20 joints that streams.joint sees, {len(upper)} are of the upper body; must"
    with pytest.raises(UserError, match=refused):
        Training(job(method=method(mix="partial")), whole, subset)
    Training(job(method=method(mix="mixup", mix_share=1.0)), whole, subset)


def test_learning_rate_falls_along_half_a_cosine():
    assert learning_rate(0.1, 0, warmup=0) == 0.1
    assert learning_rate(0.1, 0.5, warmup=0) == pytest.approx(0.05)
    assert learning_rate(0.1, 1, warmup=0) == pytest.approx(0)
    assert learning_rate(0.2, 0.25, warmup=0) == pytest.approx(0.1 * (1 + math.sqrt(0.5)))


def test_learning_rate_first_rises_over_the_warm_up():
    assert learning_rate(0.1, 0, warmup=0.2) == 0
    assert learning_rate(0.1, 0.05, warmup=0.2) == pytest.approx(0.025)
    assert learning_rate(0.1, 0.2, warmup=0.2) == 0.1
    assert learning_rate(0.1, 0.6, warmup=0.2) == pytest.approx(0.05)
    assert learning_rate(0.1, 1, warmup=0.2) == pytest.approx(0)


def test_a_training_warms_up(store, subset, tmp_path):
    settings = job(epochs=4)
    settings = replace(settings, train=settings.train.model_copy(update={"warmup": 0.5}))
    _, curve = train_stream(settings, store, subset, tmp_path / "c.pt")
    rates = [row["lr"] for row in curve]
    assert 0 < rates[0] < rates[1] < 0.05  # half of the epochs, up to the last step of each
    assert rates[1] > rates[2] > rates[3] > 0


def test_weights_files_carry_their_recipe(store, subset, tmp_path):
    trained, _ = train_stream(job(epochs=1), store, subset, tmp_path / "c.pt")
    save_weights(tmp_path / "w.safetensors", trained)
    again = load_weights(tmp_path / "w.safetensors")
    assert again.recipe == trained.recipe
    assert again.recipe.classes == ["first", "second", "third"]
    chosen = store.part("half", "test")
    params = PredictParams(num_clips=1, batch_size=8, precision="float32")
    ours, theirs = (predict(t, store, chosen, params) for t in (trained, again))
    np.testing.assert_array_equal(ours, theirs)


def test_other_files_are_refused_as_weights(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"something else")
    for name in ("w.safetensors", "missing.safetensors"):
        with pytest.raises(UserError, match=f"{name}: not a weights file"):
            load_weights(tmp_path / name)


def test_test_scores_do_not_depend_on_the_batch_size(store, subset, tmp_path):
    trained, _ = train_stream(job(epochs=1), store, subset, tmp_path / "c.pt")
    chosen = store.part("half", "test")
    ours = [
        predict(
            trained, store, chosen, PredictParams(num_clips=3, batch_size=n, precision="float32")
        )
        for n in (1, 64)
    ]
    np.testing.assert_allclose(*ours, atol=1e-5)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_bfloat16_is_used_if_requested_and_native(precision, native, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    x = torch.randn(4, 4)
    with arithmetic(precision, torch.device("cpu")):
        expected = torch.bfloat16 if native and precision == "bfloat16" else torch.float32
        assert (x @ x).dtype == expected
