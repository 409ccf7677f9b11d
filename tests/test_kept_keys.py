"""Trainings that took hours are found again: the keys of their files stay what they were."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from brl.comparison.file import read_file
from brl.comparison.plan import Run, after_preset, planned_runs
from brl.comparison.run import Data
from brl.config.data import SubsampleParams
from brl.config.params import MethodParams, ModelParams, TrainParams, read_params
from brl.config.streams import MODALITIES
from brl.streams.stream import Stream
from brl.training.job import Job

MODEL = {
    "name": "dgstgcn",
    "base_channels": 16,
    "blocks": [1, 1],
    "absent_bodies": "skip",
    "head": "linear",
}
METHOD = {
    "sampler": "instance",
    "mix": "none",
    "mix_share": 0.0625,
    "reverse": "none",
    "reverse_share": 0.5,
    "loss": "cross_entropy",
    "tau": 1.0,
    "class_weights": "none",
    "schedule": {"loss": 0.0, "class_weights": 0.0},
}
TRAIN = {
    "epochs": 2,
    "passes": 1,
    "validation": 0.0,
    "batch_size": 8,
    "lr": 0.05,
    "warmup": 0.0,
    "momentum": 0.9,
    "weight_decay": 0.0005,
    "clip_len": 8,
    "sampling": "uniform",
    "rescale": False,
    "augment": {
        "rotation": [0.3, 0.3, 0.3],
        "rotation_order": "xyz",
        "scale": 0.1,
        "flip": 0.5,
        "flip_kind": "mirror",
    },
    "precision": "float32",
}
# The key of these parameters before there were options that they do not name.
KEY = "659c163bad550948"


def key(clip_grad: float | None = None, **method: Any) -> str:
    """The key of a training of the joint stream, on data with the digests `store` and `subset`."""
    job = Job(
        stream=Stream("joint", (MODALITIES["joint"],)),
        seed=0,
        model=ModelParams.model_validate(MODEL),
        method=MethodParams.model_validate(METHOD | method),
        train=TrainParams.model_validate(TRAIN | {"clip_grad": clip_grad}),
    )
    data = SimpleNamespace(store=SimpleNamespace(digest="store"), digest="subset")
    run = SimpleNamespace(job=job, left_out="", params=SimpleNamespace(train=job.train))
    return Data.trained_key(cast(Any, data), cast(Any, run))


def test_parameters_that_name_no_later_option_have_the_key_that_they_had():
    assert key() == key(prototypes=None) == KEY


def test_an_option_in_use_has_a_key_of_its_own():
    options = [{"number": 400, "weight": 0.2, "update": update} for update in ("all", "correct")]
    assert len({KEY, key(clip_grad=1.0), *(key(prototypes=option) for option in options)}) == 4


def test_a_pretraining_by_masked_parts_has_the_key_that_it_had():
    """Before there were other kinds."""
    params = after_preset("nw_ucla", read_params(Path("params.yaml")))
    data = Data(cast(Any, SimpleNamespace(digest="store")), cast(Any, None), "subset", {})
    own = params.pretrain.model_copy(update={"kind": "masked"})
    run = Run("m", 0, "joint", params.model_copy(update={"pretrain": own}))
    assert data.encoder_key(run) == "d790c24058178c89"


def test_a_pretraining_in_use_has_a_key_of_its_own_and_one_that_is_off_has_not():
    params = after_preset("nw_ucla", read_params(Path("params.yaml")))
    data = Data(cast(Any, SimpleNamespace(digest="store")), cast(Any, None), "subset", {})
    keys = []
    for changes in (
        {},
        {"kind": "none", "epochs": 3},
        {"kind": "masked"},
        {"kind": "masked", "clips": "split"},
        {"kind": "masked", "epochs": 3},
        {"kind": "contrastive"},
        {"kind": "hallucinated"},
    ):
        own = params.pretrain.model_copy(update=changes)
        run = Run("m", 0, "joint", params.model_copy(update={"pretrain": own}))
        keys.append(data.trained_key(run))
    assert keys[0] == keys[1] and len(set(keys)) == 6


@pytest.mark.parametrize(
    ("stream", "key"), [("joint", "f55b72870318585f"), ("skip_motion", "2e82def198ef2ce5")]
)
def test_scores_of_a_comparison_are_found_by_the_key_under_which_they_were_kept(stream, key):
    """A parameter that is new and has no effect must not change it: that would cost days."""
    params = after_preset("nw_ucla", read_params(Path("params.yaml")))
    comparison = read_file(Path("comparisons/nw_ucla.yaml"))
    (run,) = (
        run
        for run in planned_runs(comparison, params)
        if (run.method, run.stream, run.seed) == ("brl", stream, 0)
    )
    data = Data(cast(Any, SimpleNamespace(digest="store")), cast(Any, None), "subset", {})
    assert data.scores_file(run).stem == key


@pytest.mark.parametrize("given", [{}, {"classes": None}, {"classes": []}])
def test_no_choice_of_classes_leaves_no_trace(given):
    """Records of runs from before there was one stay what they are."""
    values = {
        "seed": 0,
        "profile": "exp",
        "imbalance_factor": 10.0,
        "max_per_class": None,
        "list_file": None,
    }
    assert SubsampleParams.model_validate(values | given).model_dump() == values
