"""Training by several processes equals training by one, up to rounding.

All rounding that follows from the order of sums shows in float32 after a few steps, so agreement
is measured with networks in double precision, and in float32 once, with the tolerance it needs.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist

from brl.clips.clip import Clip
from brl.clips.layouts import NW_UCLA20
from brl.clips.normalize import Normalization
from brl.clips.store import ClipStore, write_store
from brl.config.params import PrototypeParams, networks_that_see, read_params
from brl.config.pretrain import HallucinatedParams, MaskedParams, PretrainParams
from brl.pretraining.encoder import Pretraining
from brl.subset.subset import Subset
from brl.support.progress import fraction_bar
from brl.training import distributed
from brl.training.distributed import launch
from brl.training.job import Job
from brl.training.loop import Training
from brl.training.objective import Classification
from tests.conftest import STREAMS

pytestmark = pytest.mark.slow

PARAMS = read_params(Path("params.yaml"))
CLIPS = 13


def job(network: str = "stgcnpp", stream: str = "joint", **changes: object) -> Job:
    """Two epochs of four batches, of 4, 3, 3 and 3 clips.

    changes: of the sections `method` and `train`, and `absent_bodies`.
    """
    width = 6 if network == "stgcnpp" else 8
    model = {"name": network, "base_channels": width, "blocks": [1, 1]}
    train = {"epochs": 2, "passes": 1, "batch_size": 4, "clip_len": 8, "precision": "float32"}
    return Job(
        stream=replace(STREAMS[stream], lr=0.02),
        seed=0,
        model=PARAMS.model.model_copy(update=model | pick(changes, "absent_bodies")),
        method=PARAMS.method.model_copy(
            update=pick(changes, "sampler", "prototypes", "reverse", "mix")
        ),
        train=PARAMS.train.model_copy(
            update=train | pick(changes, "rescale", "batch_size", "passes", "clip_grad")
        ),
    )


def pick(changes: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in changes.items() if name in names}


JOBS = {
    "skip": job(absent_bodies="skip", sampler="instance"),
    "pad": job(absent_bodies="pad", sampler="rebalanced"),
    "motion": job(stream="bone_motion", absent_bodies="skip", sampler="rebalanced", rescale=True),
    "clipped": job(absent_bodies="skip", sampler="instance", clip_grad=0.05),
    "norm of each body": job("msg3d", absent_bodies="skip", sampler="instance"),
    "norm of each body, pad": job("msg3d", absent_bodies="pad", sampler="rebalanced"),
    "prototypes": job(
        "dgstgcn",
        absent_bodies="skip",
        sampler="instance",
        reverse="aware",
        prototypes=PrototypeParams(number=5, weight=0.2, update="correct"),
    ),
    # In the second epoch the table guides the mixing.
    "shap": job(absent_bodies="skip", sampler="instance", mix="shap", passes=6, batch_size=13),
}
JOBS |= {
    name: replace(
        job(absent_bodies=absent, clip_grad=0.05),
        pretrain=PretrainParams(
            kind="masked",
            clips="subset",
            epochs=2,
            batch_size=4,
            lr=0.02,
            masked=MaskedParams(parts=2, loss=loss),
        ),
    )
    for name, absent, loss in (("masked", "skip", "cosine"), ("masked, pad", "pad", "motion"))
}
# The queue holds four keys; hallucination sets in with the third batch.
JOBS |= {
    kind: replace(
        JOBS["masked"],
        pretrain=PretrainParams(
            **JOBS["masked"].pretrain.in_use | {"kind": kind},
            hallucinated=HallucinatedParams(after=0.0, weight=2.0),
        ),
    )
    for kind in ("contrastive", "hallucinated")
}
# Batches of one or two clips: of three processes one always has an empty part.
SMALL_BATCHES = {
    network: job(network, absent_bodies="skip", sampler="instance", batch_size=2)
    for network in networks_that_see({"joints"})
} | {
    name: replace(JOBS[name], train=job(batch_size=2).train)
    for name in ("prototypes", "shap", "masked", "hallucinated")
}


def write_clips(folder: Path) -> None:
    """Noise, so that no two frames are equal: rounding would decide ties in max-pooling."""
    draws = np.random.default_rng(0)
    clips = []
    for number in range(CLIPS + 1):
        bodies = 2 if number % 4 == 0 else 1
        joints = draws.normal(size=(bodies, int(draws.integers(8, 30)), 20, 3))
        clips.append(Clip(f"c{number:02d}", min(number // 4, 2), joints.astype(np.float32)))
    write_store(
        folder,
        clips,
        dataset="t",
        layout=NW_UCLA20,
        classes=("first", "second", "third"),
        splits=lambda names: {"all": {"train": names[:CLIPS], "test": names[CLIPS:]}},
        normalization=Normalization("none"),
    )


def compute_in_double(training: Training) -> None:
    """Makes network and branch compute in double precision, for any input."""
    training.model.double().register_forward_pre_hook(
        lambda _, inputs: (inputs[0].double(), inputs[1])
    )
    objective = training.objective
    if not isinstance(objective, Classification):
        outputs = objective.double().outputs
        objective.outputs = lambda network, clips, present: outputs(
            network, clips.double(), present
        )
        return
    branch = objective.prototypes
    if branch is not None:
        branch.double().prototypes = branch.prototypes.float()


def start(job: Job, folder: Path, *, double: bool = True) -> Training:
    store = ClipStore.open(folder / "store")
    clips = store.part("all", "train")
    objective = Pretraining(job, job.pretrain).objective if job.pretrain else Classification
    training = Training(job, store, Subset(clips, np.bincount(store.labels[clips])), objective)
    # Biases that are not zero: with zeros, padded bodies lie on the kink of a ReLU.
    with torch.no_grad():
        for parameter in training.model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    if double:
        compute_in_double(training)
    return training


def run(training: Training, epochs: int) -> Training:
    with fraction_bar("") as bar:
        for _ in range(epochs):
            training.run_epoch(bar)
    return training


def result(training: Training) -> dict:
    objective = training.objective.state_dict()
    kept = {name: value for name, value in objective.items() if torch.is_tensor(value)}
    return {"state": training.model.state_dict() | kept, "curve": training.curve}


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def train_all(folder: Path, jobs: dict[str, Job]) -> None:
    for name, each in jobs.items():
        path = folder / f"{name}, {distributed.num_processes()} processes, {rank()}.pt"
        torch.save(result(run(start(each, folder), 2)), path)


def train_as_asked(folder: Path) -> None:
    """In two processes: all jobs, one in float32, and both halves of an interrupted one."""
    train_all(folder, JOBS)
    torch.save(
        result(run(start(JOBS["skip"], folder, double=False), 2)), folder / f"float32, {rank()}.pt"
    )
    first_half = run(start(JOBS["pad"], folder), 1)
    if rank() == 0:
        first_half.save(folder / "of two processes.pt")
    second_half = start(JOBS["pad"], folder)
    second_half.restore(folder / "of one process.pt")
    torch.save(result(run(second_half, 1)), folder / f"resumed by two, {rank()}.pt")


@contextmanager
def own_signals() -> Iterator[None]:
    """Restores the signal handlers, which the launcher replaces in its process."""
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    handlers = [signal.getsignal(number) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, handlers, strict=True):
            signal.signal(number, handler)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The folder of results of two and of three processes."""
    folder = tmp_path_factory.mktemp("distributed")
    write_clips(folder / "store")
    run(start(JOBS["pad"], folder), 1).save(folder / "of one process.pt")
    with own_signals():
        launch(2, train_as_asked, folder)
        launch(3, train_all, folder, SMALL_BATCHES)
    return folder


def assert_agree(ours: dict, theirs: dict, tolerance: float) -> None:
    assert ours["state"].keys() == theirs["state"].keys()
    for name, tensor in theirs["state"].items():
        torch.testing.assert_close(
            ours["state"][name], tensor, rtol=tolerance, atol=tolerance, msg=lambda m, n=name: n + m
        )
    for row, other in zip(ours["curve"], theirs["curve"], strict=True):
        assert row == pytest.approx(other, rel=tolerance, abs=2e-6)  # written with six digits


@pytest.mark.parametrize("name", JOBS)
def test_two_processes_train_as_one(folder, name):
    """Weights, running statistics and curve, for both samplers and ways to treat absent bodies."""
    alone = result(run(start(JOBS[name], folder), 2))
    assert_agree(torch.load(folder / f"{name}, 2 processes, 0.pt"), alone, 1e-6)


@pytest.mark.parametrize("network", SMALL_BATCHES)
def test_processes_without_a_clip_take_part(folder, network):
    alone = result(run(start(SMALL_BATCHES[network], folder), 2))
    assert_agree(torch.load(folder / f"{network}, 3 processes, 0.pt"), alone, 1e-6)


def test_a_batch_without_any_second_body_leaves_that_bodys_norm(folder):
    """Such batches are among those compared above."""
    for compared in (JOBS["norm of each body"], SMALL_BATCHES["msg3d"]):
        training = start(compared, folder)
        having = [
            training.objective.inputs.clips.present(batch)[:, 1] for batch in training._batches()
        ]
        assert any(second.any() for second in having)
        assert not all(second.any() for second in having)


def test_two_processes_train_as_one_in_float32(folder):
    alone = result(run(start(JOBS["skip"], folder, double=False), 2))
    assert_agree(torch.load(folder / "float32, 0.pt"), alone, 1e-3)


def test_all_processes_end_with_the_same_bytes(folder):
    for first in folder.glob("*, 0.pt"):
        others = sorted(folder.glob(first.name.replace(", 0.pt", ", [12].pt")))
        assert others
        for other in others:
            ours, theirs = torch.load(first), torch.load(other)
            assert ours["curve"] == theirs["curve"]
            for name, tensor in ours["state"].items():
                assert torch.equal(tensor, theirs["state"][name]), f"{other.name}: {name}"


def test_a_training_resumes_with_another_number_of_processes(folder):
    whole = result(run(start(JOBS["pad"], folder), 2))
    second_half = start(JOBS["pad"], folder)
    second_half.restore(folder / "of two processes.pt")
    assert_agree(result(run(second_half, 1)), whole, 1e-6)
    assert_agree(torch.load(folder / "resumed by two, 0.pt"), whole, 1e-6)
