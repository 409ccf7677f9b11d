"""No step of a training and no batch of a prediction waits for a GPU.

Where Python waits in every step, the GPU is idle while the next step is prepared.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from brl.clips.layout import Layout
from brl.clips.store import ClipStore
from brl.config.params import ModelParams, networks_that_see
from brl.config.presets import METHODS
from brl.config.pretrain import MaskedParams
from brl.models.common import network
from brl.models.common.batch_norm import DataNorm
from brl.models.common.network import Network
from brl.prediction import probabilities
from brl.pretraining import hallucinated
from brl.pretraining.masked import MaskedParts
from brl.streams import weights
from brl.training import loop, objective, prototypes
from brl.training.job import Job
from brl.training.loop import Training
from tests.conftest import STREAMS
from tests.methods import method
from tests.test_contrastive import pretraining
from tests.tiny import PARAMS, job, stored, swinging_arms, training_part
from tests.waits import META, Waits

NETWORKS = networks_that_see({"joints"})
EPOCHS = (0, 7)  # before and after all that sets in later
# A method of each kind. Its sampler has no part in a step, nor has what changes the last layer.
METHOD_OF = {
    method(name, sampler="instance").model_dump_json(): name for name in reversed(METHODS.names)
}
# Further views of HaLP come from scikit-learn's k-means on the CPU, every ten steps. Whether it is
# time for that is read from counters that checkpoints keep.
KNOWN = {
    "contrastive": set(),
    "hallucinated": {
        "hallucinated._sets_in",
        "hallucinated._drawn",
        "hallucinated._new_prototypes",
    },
}


class Brief(network.Backbone):
    """A backbone of one layer, for tests that are about the rest of a step."""

    def __init__(self, layout: Layout, channels: int) -> None:
        super().__init__()
        self.data_bn = DataNorm(layout.num_joints, channels, bodies=1)
        self.out_channels = 4
        self.layer = torch.nn.Linear(channels, 4)

    def forward(self, bodies: Tensor) -> Tensor:
        return self.layer(bodies)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ClipStore:
    return stored(tmp_path_factory.mktemp("clips") / "store", swinging_arms())


@pytest.fixture(autouse=True)
def gpu(monkeypatch) -> None:
    """The device `meta` is the GPU. It has no autocast, no generators and no fused optimizer."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (2**40, 2**40))
    monkeypatch.setattr(loop, "best_device", lambda: META)
    monkeypatch.setattr(loop, "sgd", lambda parameters, _: torch.optim.SGD(parameters, 0.1))
    for module in (loop, prototypes):
        monkeypatch.setattr(module, "Generator", lambda *_: torch.Generator())


@pytest.fixture
def brief(monkeypatch) -> None:
    """All networks have a backbone of one layer."""

    def build(
        model: ModelParams, layout: Layout, channels: int, outputs: int, *_: object
    ) -> Network:
        return Network(Brief(layout, channels), outputs, model.absent_bodies, model.head)

    monkeypatch.setattr(weights, "build", build)


def waits_of(training: Training, epochs: tuple[int, ...] = EPOCHS) -> list[str]:
    """Where steps of a training wait."""
    training.model.train()
    with Waits() as waits:
        for training.epoch in epochs:
            training._step(torch.arange(6))
    return waits.places


def with_model(settings: Job, **changes: object) -> Job:
    return replace(settings, model=settings.model.model_copy(update=changes))


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("name", METHOD_OF.values())
def test_no_method_waits(store, name):
    settings = job(method=method(name), head=METHODS.read(name)["model"]["head"])
    assert waits_of(Training(settings, store, training_part(store))) == []


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("stream", [STREAMS["skip_motion"], replace(STREAMS["bone"], part="hand")])
def test_no_stream_waits(store, stream):
    settings = job("joint", rescale=True, clip_grad=1.0, sampling="random")
    settings = replace(settings, stream=replace(stream, lr=0.1))
    assert waits_of(Training(settings, store, training_part(store)), epochs=(0,)) == []


@pytest.mark.parametrize("name", NETWORKS)
def test_no_network_waits(store, name):
    settings = with_model(job(blocks=[1]), name=name)
    assert waits_of(Training(settings, store, training_part(store)), epochs=(0,)) == []


def test_a_step_in_cuda_graphs_does_not_wait(store, monkeypatch):
    """Nor does what surrounds them; here a graph is what it would have captured."""
    monkeypatch.setattr(objective, "uses_cuda_graphs", lambda: True)
    monkeypatch.setattr(torch.cuda, "make_graphed_callables", lambda compute, *_, **__: compute)
    training = Training(job(blocks=[1]), store, training_part(store))
    assert waits_of(training) == []
    assert training.model.fixed_sizes.of_size


def test_prototypes_do_not_wait(store):
    shown = method(prototypes={"number": 4, "weight": 0.2, "update": "correct"})
    settings = job(method=shown, blocks=[1])
    assert waits_of(Training(settings, store, training_part(store)), epochs=(0,)) == []


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("absent_bodies", ["skip", "pad"])
def test_a_prediction_waits_once_for_all_its_batches(store, absent_bodies):
    settings = with_model(job(), absent_bodies=absent_bodies)
    training = Training(settings, store, training_part(store))
    inputs, params = training.objective.inputs, PARAMS.predict
    with Waits() as waits:
        assert len(probabilities(training.model, inputs, params, 3)) == len(inputs)
    assert waits.places == ["prediction.probabilities"]


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("loss", ["cosine", "motion"])
def test_pretraining_by_masked_parts_does_not_wait(store, loss):
    objective = partial(MaskedParts, params=MaskedParams(parts=2, loss=loss))
    training = Training(job(), store, training_part(store), objective)
    assert waits_of(training, epochs=(0,)) == []


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("kind", KNOWN)
def test_contrastive_pretraining_waits_where_it_is_known_to(store, kind, monkeypatch):
    monkeypatch.setattr(hallucinated, "mean_directions", lambda keys, number, _: keys[:number])
    own = pretraining(kind)
    training = Training(own.job, store, training_part(store), own.objective)
    assert set(waits_of(training)) == KNOWN[kind]


X, MASK = torch.zeros(4, 3, device=META), torch.ones(4, dtype=torch.bool, device=META)
WAITING: dict[str, Callable[[], object]] = {
    "item": lambda: X.sum().item(),
    "bool": lambda: bool(X.sum() > 0),
    "cpu": lambda: X.cpu(),
    "copy": lambda: torch.zeros(3).to(META),
    "copy_back": lambda: X.to("cpu", non_blocking=True),
    "copy_into": lambda: X.clone().copy_(torch.zeros(4, 3)),
    "tensor": lambda: torch.tensor([1, 2], device=META),
    "new_tensor": lambda: X.new_tensor([1]),
    "mask": lambda: X.clone().__setitem__(MASK, X),
    "list": lambda: X[:, [0, 1]],
    "index_on_the_cpu": lambda: X[torch.tensor([0, 1])],
    "multinomial": lambda: torch.multinomial(X, 1),
}
FAILING: dict[str, Callable[[], object]] = {
    "masked": lambda: X[MASK],
    "nonzero": MASK.nonzero,
    "unique": X.unique,
    "masked_select": lambda: X.masked_select(MASK[:, None]),
    "repeats": lambda: torch.repeat_interleave(MASK.long()),
    "numpy": X.numpy,
    "equal": lambda: torch.equal(X, X),
    "mixed": lambda: X + torch.zeros(3),
}


@pytest.mark.parametrize("name", WAITING)
def test_what_waits_is_noticed(name):
    with Waits() as waits:
        WAITING[name]()
    assert waits.places == ["outside"]


@pytest.mark.parametrize("name", FAILING)
def test_what_needs_values_fails(name):
    with Waits(), pytest.raises((RuntimeError, TypeError)):
        FAILING[name]()


def test_what_does_not_wait_is_not_noticed():
    def unnoticed() -> Tensor:
        places = torch.tensor([0, 2]).to(META, non_blocking=True)
        return X[places].sum() + torch.full((), 2.0, device=META)

    with Waits() as waits:
        unnoticed()
    assert waits.places == []
