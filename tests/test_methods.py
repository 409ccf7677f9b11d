"""Every method trains; a switch changes a training where it has a say, and nowhere else."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from brl.clips.store import ClipStore
from brl.config.params import MethodParams, PredictParams
from brl.config.presets import METHODS
from brl.prediction import predict
from brl.streams.weights import Trained, save_weights
from brl.subset.subset import Subset
from brl.training.checkpoint_file import read_checkpoint
from brl.training.loop import Training, train_stream
from tests.methods import method, starting
from tests.tiny import job, stored, swinging_arms

WITHOUT_CLASSIFIER = [
    name for name in METHODS.names if METHODS.read(name)["classifier"]["kind"] == "none"
]
PREDICTION = PredictParams(num_clips=1, batch_size=32, precision="float32")


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ClipStore:
    return stored(tmp_path_factory.mktemp("methods") / "store", swinging_arms())


@pytest.fixture(scope="module")
def subset(store) -> Subset:
    """Long-tailed: 8, 4 and 2 clips."""
    clips = store.part("half", "train")
    labels = store.labels[clips]
    kept = [clips[labels == label][:count] for label, count in enumerate((8, 4, 2))]
    return Subset(np.concatenate(kept), np.array([8, 4, 2]))


def plain_loss(trained: Trained, store: ClipStore, subset: Subset) -> float:
    """Mean cross-entropy on the training clips."""
    scores = torch.from_numpy(predict(trained, store, subset.clips, PREDICTION))
    return float(F.nll_loss(scores.log(), torch.from_numpy(store.labels[subset.clips])))


@pytest.mark.parametrize("name", WITHOUT_CLASSIFIER)
def test_every_method_trains(store, subset, tmp_path, name):
    head = METHODS.read(name)["model"]["head"]
    settings = job("joint_motion", method(name), head, blocks=[1, 1], epochs=12)
    before = plain_loss(Training(settings, store, subset).result(), store, subset)
    trained, curve = train_stream(settings, store, subset, tmp_path / "c.pt")
    assert np.isfinite([list(row.values()) for row in curve]).all()
    assert all(torch.isfinite(tensor).all() for tensor in trained.model.state_dict().values())
    assert plain_loss(trained, store, subset) < 0.75 * before


class Left(NamedTuple):
    """What a training leaves: the weights' file, the curve, the state of its generators."""

    weights: bytes
    curve: list[dict[str, float]]
    order: bytes
    augment: bytes


@pytest.fixture(scope="module")
def trained_by(store, subset, tmp_path_factory) -> Callable[..., Left]:
    """Trains two epochs, if not told otherwise; the same method once."""
    folder = tmp_path_factory.mktemp("trained")
    known: dict[tuple[MethodParams, int], Left] = {}

    def trained_by(epochs: int = 2, **changes: object) -> Left:
        chosen = method(**changes)
        if (chosen, epochs) not in known:
            checkpoint = folder / f"{len(known)}.pt"
            settings = job(method=chosen, blocks=[1, 1], epochs=epochs, passes=1)
            trained, curve = train_stream(settings, store, subset, checkpoint)
            save_weights(folder / "w.safetensors", trained)
            content = read_checkpoint(checkpoint)
            states = [content[f"{which}_generator"].numpy() for which in ("order", "augment")]
            known[chosen, epochs] = Left(
                (folder / "w.safetensors").read_bytes(), curve, *(s.tobytes() for s in states)
            )
        return known[chosen, epochs]

    return trained_by


EFFECTIVE = [
    *({"sampler": name} for name in ("square_root", "class_balanced", "progressive", "rebalanced")),
    *(
        {"mix": name, "mix_share": 1.0}
        for name in ("partial", "partial_published", "mixup", "remix", "shap")
    ),
    *({"reverse": name} for name in ("same", "aware")),
    *(
        {"loss": name}
        for name in ("focal", "ldam", "balanced_softmax", "logit_adjustment", "equalisation")
    ),
    *(
        {"class_weights": name}
        for name in (
            "inverse_frequency",
            "class_balanced",
            "action_aware",
            "action_aware_published",
        )
    ),
]


@pytest.mark.parametrize(
    "changes", EFFECTIVE, ids=lambda changes: "-".join(map(str, changes.values()))
)
def test_every_switch_changes_the_weights_and_no_draw_but_its_own(trained_by, changes):
    plain, changed = trained_by(), trained_by(**changes)
    assert changed.weights != plain.weights
    if "sampler" not in changes:
        assert changed.order == plain.order
    if "loss" in changes or "class_weights" in changes:
        assert changed.augment == plain.augment


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"loss": "logit_adjustment"}, {"tau": 2.0}),
        ({"mix": "mixup", "mix_share": 1.0}, {"mix_share": 0.3}),
        ({"reverse": "same"}, {"reverse_share": 1.0}),
        ({"loss": "focal"}, {"schedule": starting(loss=0.5)}),
        ({"class_weights": "action_aware"}, {"schedule": starting(class_weights=0.5)}),
        ({"class_weights": "action_aware", "schedule": starting(class_weights=0.5)},
         {"schedule": starting(class_weights=1.0)}),
    ],
)  # fmt: skip
def test_a_value_has_its_say_where_its_switch_is_on(trained_by, one, other):
    assert trained_by(**one).weights != trained_by(**one | other).weights


@pytest.mark.parametrize(
    "changes",
    [
        {"tau": 2.0},
        {"mix_share": 1.0},
        {"reverse_share": 1.0},
        {"schedule": starting(class_weights=0.5)},
        {"schedule": starting(loss=0.5)},
    ],
    ids=str,
)
def test_a_value_has_none_where_its_switch_is_off(trained_by, changes):
    assert trained_by(**changes) == trained_by()


def test_tau_has_none_with_another_loss(trained_by):
    assert trained_by(loss="focal", tau=2.0) == trained_by(loss="focal")


@pytest.mark.parametrize(
    "changes", [one for one in EFFECTIVE if "loss" in one or "class_weights" in one], ids=str
)
def test_until_it_sets_in_the_training_is_that_of_plain_cross_entropy(trained_by, changes):
    deferred = trained_by(epochs=4, schedule=starting(loss=0.5, class_weights=0.5), **changes)
    plain = trained_by(epochs=4)
    assert deferred.curve[:2] == plain.curve[:2]
    assert deferred.curve[2]["loss"] != plain.curve[2]["loss"]
    assert deferred.weights != plain.weights
