"""Adjusted classifiers: formulas, and that nothing else of a stream changes or is read."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from sklearn.metrics import balanced_accuracy_score

from brl import classifier
from brl.balance.holdout import hold_out
from brl.classifier import adjusted
from brl.clips.clip import Clip
from brl.clips.layouts import NW_UCLA20
from brl.clips.normalize import Normalization
from brl.clips.store import ClipStore, write_store
from brl.config.params import ClassifierParams, PredictParams, read_params
from brl.prediction import predict
from brl.streams.weights import Recipe, Trained, load_weights, save_weights
from brl.subset.subset import Subset, write_subset
from brl.support.errors import UserError
from brl.training.loop import train_stream
from stages import classify
from tests.conftest import STREAMS
from tests.tiny import PARAMS, job, with_lr

TRAINED_ON, TESTED = (30, 9, 4), 12
AMPLITUDE = (0.0, 2.0, 4.0)


def write(folder: Path, altered: frozenset[str] = frozenset()) -> ClipStore:
    """Three classes that differ in how far an arm swings, with one body or two.

    The rarest class has four training clips. The altered clips have no relation to their class.
    """
    draws = np.random.default_rng(0)
    body = draws.normal(size=(20, 3))
    clips, parts = [], {"train": [], "test": []}
    for part, counts in (("train", TRAINED_ON), ("test", (TESTED,) * 3)):
        for label, number in enumerate(counts):
            for place in range(number):
                name = f"{part}{label}-{place:02d}"
                bodies, frames = 1 + place % 2, int(draws.integers(8, 20))
                joints = np.tile(body, (bodies, frames, 1, 1)) + 0.05 * draws.normal(size=(20, 3))
                joints[:, :, 5:8, 1] += AMPLITUDE[label] * np.sin(np.arange(frames))[:, None]
                if name in altered:
                    joints = 7 - 3 * joints**2
                clips.append(Clip(name, label, joints.astype(np.float32)))
                parts[part].append(name)
    write_store(
        folder,
        clips,
        dataset="t",
        layout=NW_UCLA20,
        classes=("common", "medium", "rare"),
        splits=lambda names: {"own": parts},
        normalization=Normalization("none"),
    )
    return ClipStore.open(folder)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ClipStore:
    return write(tmp_path_factory.mktemp("data") / "store")


def subset_of(store: ClipStore) -> Subset:
    clips = store.part("own", "train")
    return Subset(clips, np.bincount(store.labels[clips]))


def untrained(store: ClipStore, validation: float = 0.0, **model: object) -> Trained:
    """A network with changed head weights and a bias that is not zero."""
    torch.manual_seed(0)
    settings = job(validation=validation)
    description = settings.model.model_copy(update=model)
    recipe = Recipe.on(store, stream=STREAMS["joint"], model=description, train=settings.train)
    network = recipe.build().eval()
    torch.nn.init.normal_(network.cls_head.fc_cls.weight)
    torch.nn.init.normal_(network.cls_head.fc_cls.bias)
    return Trained(recipe, network)


def params(kind: str, tau: float = 1.0) -> ClassifierParams:
    return ClassifierParams.model_validate({"kind": kind, "tau": tau})


def head_of(trained: Trained) -> tuple[np.ndarray, np.ndarray]:
    linear = trained.model.cls_head.fc_cls
    return linear.weight.detach().numpy(), linear.bias.detach().numpy()


def logits_of(trained: Trained, store: ClipStore) -> np.ndarray:
    inputs = trained.recipe.inputs(store, store.part("own", "test"), torch.device("cpu"))
    with torch.no_grad():
        return trained.model(*inputs.test_batch(torch.arange(len(inputs.clips)), 1)).numpy()


def backbone_of(trained: Trained) -> dict[str, bytes]:
    return {k: v.numpy().tobytes() for k, v in trained.model.backbone.state_dict().items()}


@pytest.mark.parametrize(
    ("name", "absent_bodies"), [("stgcnpp", "skip"), ("stgcnpp", "pad"), ("ctrgcn", "skip")]
)
@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
def test_logit_adjustment_subtracts_the_log_prior_from_the_logits(store, name, absent_bodies, tau):
    trained = untrained(store, name=name, absent_bodies=absent_bodies)
    before = logits_of(trained, store)
    changed = adjusted(trained, store, subset_of(store), params("logit_adjustment", tau), 0)
    prior = np.array(TRAINED_ON) / sum(TRAINED_ON)
    np.testing.assert_allclose(
        logits_of(changed, store), before - tau * np.log(prior), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_array_equal(logits_of(trained, store), before)
    if tau == 0:
        np.testing.assert_array_equal(logits_of(changed, store), before)


def test_the_prior_is_that_of_the_training_clips(store):
    trained = untrained(store, validation=0.25)
    changed = adjusted(trained, store, subset_of(store), params("logit_adjustment"), 0)
    shown = np.array([22, 7, 3])  # of 30, 9, 4 without round(0.25 n)
    taken_off = head_of(trained)[1] - head_of(changed)[1]
    np.testing.assert_allclose(taken_off, np.log(shown / shown.sum()), rtol=1e-5)


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
def test_tau_normalisation_divides_by_norms_and_drops_the_bias(store, tau):
    trained = untrained(store)
    weight, _ = head_of(trained)
    changed = adjusted(trained, store, subset_of(store), params("tau_normalised", tau), 0)
    norms = np.sqrt((weight.astype(float) ** 2).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(head_of(changed)[0], weight / norms**tau, rtol=1e-5)
    assert (head_of(changed)[1] == 0).all()
    if tau == 0:
        np.testing.assert_array_equal(head_of(changed)[0], weight)


@pytest.mark.parametrize("kind", classifier.ADJUSTMENTS)
def test_the_backbone_stays_byte_for_byte_and_the_head_changes(store, kind):
    trained = untrained(store)
    before = backbone_of(trained), *head_of(trained)
    changed = adjusted(trained, store, subset_of(store), params(kind), 0)
    assert backbone_of(changed) == backbone_of(trained) == before[0]
    assert not np.array_equal(head_of(changed)[1], before[2])
    np.testing.assert_array_equal(head_of(trained)[0], before[1])
    assert not changed.model.training


def test_the_seed_decides_the_retrained_head(store):
    trained, subset = untrained(store), subset_of(store)
    first, again, other = (
        adjusted(trained, store, subset, params("retrained"), seed) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(head_of(first)[0], head_of(again)[0])
    assert not np.array_equal(head_of(first)[0], head_of(other)[0])


def test_retraining_only_reads_training_clips(store, tmp_path):
    subset = subset_of(store)
    trained = untrained(store, validation=0.25)
    shown, held_out = hold_out(store, subset, 0.25, 3)

    def weights_with(altered: np.ndarray, folder: str) -> np.ndarray:
        other = write(tmp_path / folder, frozenset(store.names[altered]))
        return head_of(adjusted(trained, other, subset, params("retrained"), 3))[0]

    expected = head_of(adjusted(trained, store, subset, params("retrained"), 3))[0]
    unseen = np.concatenate([held_out.clips, store.part("own", "test")])
    np.testing.assert_array_equal(weights_with(unseen, "unseen"), expected)
    assert not np.array_equal(weights_with(shown.clips[-1:], "seen"), expected)


def test_retraining_helps_the_rare_class(store, tmp_path):
    subset, settings = subset_of(store), job(epochs=4)
    trained, _ = train_stream(
        with_lr(settings, 0.02),
        store,
        subset,
        tmp_path / "c.pt",
    )
    changed = adjusted(trained, store, subset, params("retrained"), 0)
    chosen = store.part("own", "test")
    labels = store.labels[chosen]
    views = PredictParams(num_clips=1, batch_size=64, precision="float32")
    before, after = (predict(t, store, chosen, views).argmax(1) for t in (trained, changed))
    rare = labels == 2
    assert (after[rare] == 2).mean() > (before[rare] == 2).mean()
    assert balanced_accuracy_score(labels, after) > balanced_accuracy_score(labels, before)


@pytest.fixture
def folder(store, tmp_path, monkeypatch) -> Path:
    """A project folder with a trained stream."""
    monkeypatch.setenv("BRL_TRACKING", "off")
    shutil.copytree(store.folder, tmp_path / "data/store")
    write_subset(tmp_path / "data/training/subset", store, subset_of(store), np.array(TRAINED_ON))
    save_weights(tmp_path / "models/joint.safetensors", untrained(store))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def set_params(**changes: dict[str, object]) -> None:
    content = PARAMS.model_dump()
    for section, values in changes.items():
        content[section] |= values
    with Path("params.yaml").open("w") as file:
        YAML().dump(content, file)


def test_the_stage_copies_or_changes_the_weights(folder):
    trained, written = (folder / f"{name}/joint.safetensors" for name in ("models", "classifiers"))
    set_params()
    classify.main("joint")
    assert written.read_bytes() == trained.read_bytes()
    set_params(classifier={"kind": "logit_adjustment", "tau": 2.0})
    classify.main("joint")
    taken_off = head_of(load_weights(trained))[1] - head_of(load_weights(written))[1]
    np.testing.assert_allclose(
        taken_off, 2 * np.log(np.array(TRAINED_ON) / sum(TRAINED_ON)), rtol=1e-5
    )


@pytest.mark.parametrize("kind", classifier.ADJUSTMENTS)
def test_a_cosine_head_is_refused_in_one_line(folder, kind):
    set_params(classifier={"kind": kind}, model={"head": "cosine"})
    with pytest.raises(
        UserError, match=f"classifier.kind: {kind} .*model.head must be linear"
    ) as caught:
        read_params()
    assert "\n" not in str(caught.value)
