"""Losses and class weights: published values, formulas and schedule."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brl.training.losses import CLASS_WEIGHTS, LOSSES, Criterion, sum_of_means, weighted_mean
from brl.training.mixing import Targets
from tests.methods import method, starting
from tests.reference import shared

SETTINGS = ("ntu60_if100", "ntu120_xset_if100", "nw_ucla_if10")
# Names of the reference, and the `method` section of each; 0.79 of 24 epochs are 19.
PUBLISHED = {
    "action_aware": {"class_weights": "action_aware", "schedule": starting(class_weights=0.79)},
    "class_balanced": {"class_weights": "class_balanced", "schedule": starting(class_weights=0.79)},
    "reweight": {"class_weights": "inverse_frequency", "schedule": starting(class_weights=0.79)},
    "balanced_softmax": {"loss": "balanced_softmax"},
    "focal": {"loss": "focal", "schedule": starting(loss=0.79)},
}
COUNTS = np.array([90, 7, 40, 3, 12, 40, 1])
RARE = (1, 3, 6)  # of seven, the places from 4 on in falling order: 90 40 40 12 | 7 3 1


def unmixed(labels: torch.Tensor) -> Targets:
    return Targets(labels, labels, torch.ones(len(labels)))


def some_logits(seed: int = 0, clips: int = 20, classes: int = len(COUNTS)) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=3, size=(clips, classes))


def some_labels(seed: int = 0, clips: int = 20, classes: int = len(COUNTS)) -> np.ndarray:
    return np.random.default_rng(seed + 1).integers(classes, size=clips)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def of_labels(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Cross-entropy of each clip (N,)."""
    return -log_softmax(logits)[np.arange(len(labels)), labels]


def ours(name: str, logits: np.ndarray, labels: np.ndarray, **changes: object) -> np.ndarray:
    """The loss of each clip (N,), computed in double precision."""
    each = LOSSES[name](torch.tensor(COUNTS), method(loss=name, **changes))
    return each(torch.from_numpy(logits), torch.from_numpy(labels)).numpy()


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", PUBLISHED)
def test_agrees_with_the_published_losses(setting, name):
    arrays = np.load(shared("reference/preprocess.npz"))
    counts, logits, labels = (
        torch.from_numpy(arrays[f"loss/{setting}/{what}"])
        for what in ("counts", "logits", "labels")
    )
    criterion = Criterion(method(**PUBLISHED[name]), counts, epochs=24)
    key = f"loss/{setting}/{name}"
    for stage, epochs in {"first": (0, 18), "second": (19, 23)}.items():
        for epoch in epochs:
            loss = float(criterion(logits, unmixed(labels), epoch))
            assert loss == pytest.approx(float(arrays[f"{key}/{stage}_stage"]), rel=1e-5)
    if f"{key}/weight" in arrays:
        weights = CLASS_WEIGHTS[PUBLISHED[name]["class_weights"]](counts)
        np.testing.assert_allclose(weights, arrays[f"{key}/weight"], rtol=1e-4)


def test_cross_entropy_and_focal_loss():
    logits, labels = some_logits(), some_labels()
    plain = of_labels(logits, labels)
    np.testing.assert_allclose(ours("cross_entropy", logits, labels), plain)
    np.testing.assert_allclose(ours("focal", logits, labels), (1 - np.exp(-plain)) ** 2 * plain)


def test_ldam_takes_a_margin_off_the_labels_cosine():
    """Margins are proportional to n_c^(-1/4), the largest is 0.5; logits are 30 times cosines."""
    cosines, labels = np.tanh(some_logits()), some_labels()
    margins = 0.5 * COUNTS ** (-1 / 4) / COUNTS.min() ** (-1 / 4)
    assert margins.max() == 0.5 and margins.argmax() == COUNTS.argmin()
    expected = cosines.copy()
    for clip, label in enumerate(labels):
        expected[clip, label] -= margins[label]
    np.testing.assert_allclose(
        ours("ldam", 30 * cosines, labels), of_labels(30 * expected, labels), rtol=1e-5
    )


@pytest.mark.parametrize("tau", [0.3, 1.0, 2.5])
def test_logit_adjustment_adds_the_logarithm_of_the_prior(tau):
    logits, labels = some_logits(), some_labels()
    expected = of_labels(logits + tau * np.log(COUNTS / COUNTS.sum()), labels)
    found = ours("logit_adjustment", logits, labels, tau=tau)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    balanced = ours("balanced_softmax", logits, labels, tau=tau)
    np.testing.assert_allclose(balanced, of_labels(logits + np.log(COUNTS), labels), rtol=1e-5)
    assert np.allclose(found, balanced, rtol=1e-5) == (tau == 1)


def test_a_rare_class_is_hardly_a_negative_for_clips_of_others():
    logits, labels = some_logits(clips=40), some_labels(clips=40)
    assert {*RARE} < {*labels} and {*labels} - {*RARE}
    expected = []
    for scores, label in zip(np.exp(logits), labels, strict=True):
        weigh = [1.76e-3 if c in RARE and c != label else 1.0 for c in range(len(COUNTS))]
        expected.append(-np.log(scores[label] / (weigh * scores).sum()))
    found = ours("equalisation", logits, labels)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert (found < of_labels(logits, labels)).all()


def effective(beta: np.ndarray | float) -> np.ndarray:
    weights = (1 - beta) / (1 - beta**COUNTS)
    return weights * len(COUNTS) / weights.sum()


BETA = 0.99 + 0.0099 * (COUNTS - 1) / (90 - 1)
WEIGHTS = {
    "none": np.ones(len(COUNTS)),
    "inverse_frequency": COUNTS.sum() / COUNTS,
    "class_balanced": effective(0.999),
    "action_aware": effective(BETA),
    "action_aware_published": effective(BETA),
}


@pytest.mark.parametrize("name", CLASS_WEIGHTS)
def test_class_weights_by_their_formulas(name):
    """All except inverse frequency are scaled to a sum of C."""
    weights = CLASS_WEIGHTS[name](torch.tensor(COUNTS)).numpy()
    np.testing.assert_allclose(weights, WEIGHTS[name], rtol=1e-10)
    assert (weights.sum() == pytest.approx(len(COUNTS))) == (name != "inverse_frequency")
    assert name == "none" or weights.argmax() == COUNTS.argmin()


@pytest.mark.parametrize("name", CLASS_WEIGHTS)
def test_weighted_losses_are_weighted_means(name):
    logits, labels = some_logits(), some_labels()
    criterion = Criterion(method(class_weights=name), torch.tensor(COUNTS), epochs=1)
    loss = criterion(torch.from_numpy(logits), unmixed(torch.from_numpy(labels)), 0)
    weights = WEIGHTS[name][labels]
    expected = (weights * of_labels(logits, labels)).sum() / weights.sum()
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@given(st.integers(1, 50), st.integers(1, 12))
def test_equal_classes_get_equal_weights(clips, classes):
    counts = torch.full((classes,), clips)
    for name, weigh in CLASS_WEIGHTS.items():
        expected = classes if name == "inverse_frequency" else 1
        np.testing.assert_allclose(weigh(counts), expected, rtol=1e-10)


@given(st.sampled_from(sorted(CLASS_WEIGHTS)), st.sampled_from(sorted(LOSSES)), st.integers(0, 99))
def test_with_one_clip_per_class_weighted_losses_are_plain_means(weights, loss, seed):
    counts = torch.ones(5, dtype=torch.long)
    logits = torch.from_numpy(some_logits(seed, classes=5))
    labels = torch.from_numpy(some_labels(seed, classes=5))
    chosen = method(loss=loss, class_weights=weights)
    mean = LOSSES[loss](counts, chosen)(logits, labels).mean()
    assert float(Criterion(chosen, counts, 1)(logits, unmixed(labels), 0)) == pytest.approx(
        float(mean), rel=1e-5
    )


@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.5, 1.0]))
def test_a_mixed_clip_counts_for_both_labels_by_their_shares(seed, some_share):
    """Sum of lambda w_yi l(y_i) + (1 - lambda) w_yj l(y_j), divided by the sum of the weights."""
    draws = np.random.default_rng(seed)
    logits, labels, partners = some_logits(seed), some_labels(seed), some_labels(seed + 1)
    share = draws.random(len(labels))
    share[:5] = some_share
    weights = WEIGHTS["inverse_frequency"]
    own, others = share * weights[labels], (1 - share) * weights[partners]
    total = own * of_labels(logits, labels) + others * of_labels(logits, partners)

    each = LOSSES["cross_entropy"](torch.tensor(COUNTS), method())
    tensors = [torch.from_numpy(values) for values in (weights, logits, labels, partners, share)]
    targets, swapped = Targets(*tensors[2:]), Targets(tensors[3], tensors[2], 1 - tensors[4])
    mixed = weighted_mean(each, *tensors[:2], targets)
    assert float(mixed) == pytest.approx(total.sum() / (own + others).sum(), rel=1e-9)
    assert float(weighted_mean(each, *tensors[:2], swapped)) == pytest.approx(
        float(mixed), rel=1e-9
    )

    alone = weighted_mean(each, *tensors[:2], targets._replace(share=torch.ones(len(labels))))
    mean = (weights[labels] * of_labels(logits, labels)).sum() / weights[labels].sum()
    assert float(alone) == pytest.approx(mean, rel=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.64, 1.0])
def test_the_published_mixture_adds_two_means(share):
    logits, labels, partners = some_logits(), some_labels(), some_labels(7)
    weights = WEIGHTS["action_aware"]

    def mean(labels: np.ndarray) -> float:
        return (weights[labels] * of_labels(logits, labels)).sum() / weights[labels].sum()

    expected = share * mean(labels) + (1 - share) * mean(partners)
    each = LOSSES["cross_entropy"](torch.tensor(COUNTS), method())
    tensors = [torch.from_numpy(values) for values in (weights, logits, labels, partners)]
    targets = Targets(*tensors[2:], torch.full((len(labels),), share, dtype=torch.float64))
    assert float(sum_of_means(each, *tensors[:2], targets)) == pytest.approx(expected)
    # The other kinds of mixing use one mean over both labels, which differs.
    assert (float(weighted_mean(each, *tensors[:2], targets)) == pytest.approx(expected)) == (
        share != 0.64
    )
    for mix, same in {"partial_published": True, "partial": False, "mixup": False}.items():
        criterion = Criterion(
            method(mix=mix, class_weights="action_aware"), torch.tensor(COUNTS), epochs=1
        )
        found = float(criterion(tensors[1], targets, 0))
        assert (found == pytest.approx(expected, rel=1e-5)) == (same or share != 0.64)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weights", CLASS_WEIGHTS)
def test_each_sets_in_at_its_epoch(loss, weights):
    """In ten epochs, the loss sets in at the fourth and the weights at the eighth."""
    logits, labels = some_logits(), some_labels()
    schedule = starting(loss=0.3, class_weights=0.7)
    criterion = Criterion(
        method(loss=loss, class_weights=weights, schedule=schedule), torch.tensor(COUNTS), epochs=10
    )
    for epoch in range(10):
        each = ours(loss if epoch >= 3 else "cross_entropy", logits, labels)
        weigh = WEIGHTS[weights if epoch >= 7 else "none"][labels]
        if (weights, epoch) == ("action_aware_published", 8):
            weigh = effective(1 - BETA)[labels]
        found = criterion(torch.from_numpy(logits), unmixed(torch.from_numpy(labels)), epoch)
        assert float(found) == pytest.approx((weigh * each).sum() / weigh.sum(), rel=1e-5)


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_published_action_aware_weights_act_in_epochs_19_21_and_23_only(setting):
    """In epochs 20 and 22 they are nearly one."""
    arrays = np.load(shared("reference/preprocess.npz"))
    counts = torch.from_numpy(arrays[f"loss/{setting}/counts"])
    chosen = method("brl_published", mix="none")
    criterion = Criterion(chosen, counts, epochs=24)
    assert chosen.class_weights == "action_aware_published"
    for epoch in range(24):
        weights = criterion.class_weights(epoch).numpy()
        if epoch in (19, 21, 23):
            published = arrays[f"loss/{setting}/action_aware/weight"]
            np.testing.assert_allclose(weights, published, rtol=1e-4)
        else:
            assert (weights == 1).all() == (epoch < 19)
            np.testing.assert_allclose(weights, 1, atol=0.0085)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("mix", ["partial", "partial_published"])
def test_gradients_are_those_of_finite_differences(loss, mix):
    labels, partners = (torch.from_numpy(some_labels(seed, clips=6)) for seed in (0, 3))
    share = torch.tensor([1.0, 0.0, 0.64, 0.64, 1.0, 0.3], dtype=torch.float64)
    chosen = method(loss=loss, mix=mix, class_weights="class_balanced")
    criterion = Criterion(chosen, torch.tensor(COUNTS), epochs=1)
    logits = torch.from_numpy(some_logits(clips=6)).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda logits: criterion(logits, Targets(labels, partners, share), 0), logits
    )
    criterion(logits, Targets(labels, partners, share), 0).backward()
    assert (logits.grad.abs().sum(dim=1) > 0).all()
