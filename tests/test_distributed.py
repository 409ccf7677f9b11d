"""Training by several processes: what one process computes, but for rounding.

All rounding that follows from the order of sums shows in float32 after a few steps, so agreement
is measured with networks in double precision, and in float32 once, with the tolerance it needs.
"""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file
from torch import nn

from brl import distributed
from brl.data.clip import Clip
from brl.data.store import ClipStore, write_store
from brl.data.subset import Subset
from brl.distributed import launch, own_part, requested_processes, wait_for_all
from brl.errors import UserError
from brl.params import read_params
from brl.progress import fraction_bar
from brl.skeleton import NW_UCLA20
from brl.training import Job, Training
from tests.project import SMALL, Project

PARAMS = read_params(Path("params.yaml"))
CLIPS = 13


def job(network: str = "stgcnpp", stream: str = "joint", **changes: object) -> Job:
    """Two epochs of four batches, of 4, 3, 3 and 3 clips."""
    model = {"name": network, "base_channels": 6, "blocks": [1, 1]}
    train = {"epochs": 2, "passes": 1, "batch_size": 4, "clip_len": 8, "precision": "float32"}
    return Job(
        stream=stream,
        seed=0,
        lr=0.02,
        model=PARAMS.model.model_copy(update=model | pick(changes, "absent_bodies")),
        method=PARAMS.method.model_copy(update=pick(changes, "sampler")),
        train=PARAMS.train.model_copy(update=train | pick(changes, "rescale", "batch_size")),
    )


def pick(changes: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in changes.items() if name in names}


JOBS = {
    "skip": job(absent_bodies="skip", sampler="instance"),
    "pad": job(absent_bodies="pad", sampler="rebalanced"),
    "motion": job(stream="bone_motion", absent_bodies="skip", sampler="rebalanced", rescale=True),
    "norm of each body": job("msg3d", absent_bodies="skip", sampler="instance"),
    "norm of each body, pad": job("msg3d", absent_bodies="pad", sampler="rebalanced"),
}
# Batches of one and two clips: with three processes there are always empty parts.
SMALL_BATCHES = {
    name: replace(JOBS[name], train=JOBS[name].train.model_copy(update={"batch_size": 2}))
    for name in ("skip", "norm of each body")
}


def write_clips(folder: Path) -> None:
    """Noise, so that no two frames are equal: a tie of a max-pool is broken by rounding."""
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
    )


class InDouble(nn.Module):
    """A network that computes in double precision whatever it is given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.double()

    def forward(self, clips: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        return self.network(clips.double(), present)


def start(job: Job, folder: Path, *, double: bool = True) -> Training:
    store = ClipStore.open(folder / "store")
    clips = store.part("all", "train")
    training = Training(job, store, Subset(clips, np.bincount(store.labels[clips])))
    # Off the biases' first zeros: with them padded bodies lie on the kink of a ReLU.
    with torch.no_grad():
        for parameter in training.model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    if double:
        training.model = InDouble(training.model)
    return training


def run(training: Training, epochs: int) -> Training:
    with fraction_bar("") as bar:
        for _ in range(epochs):
            training.run_epoch(bar)
    return training


def result(training: Training) -> dict:
    return {"state": training.model.state_dict(), "curve": training.curve}


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
    """The launcher takes over what signals do, for the stage, whose process it is."""
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
    handlers = [signal.getsignal(number) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, handlers, strict=True):
            signal.signal(number, handler)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where two and three processes have trained."""
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


@pytest.mark.parametrize("name", SMALL_BATCHES)
def test_processes_without_a_clip_train_along(folder, name):
    alone = result(run(start(SMALL_BATCHES[name], folder), 2))
    assert_agree(torch.load(folder / f"{name}, 3 processes, 0.pt"), alone, 1e-6)


def test_a_batch_without_any_second_body_leaves_that_bodys_norm(folder):
    """Such batches are among those compared above."""
    for jobs in (JOBS, SMALL_BATCHES):
        training = start(jobs["norm of each body"], folder)
        having = [training.inputs.clips.present(batch)[:, 1] for batch in training._batches()]
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


def test_a_training_goes_on_with_another_number_of_processes(folder):
    whole = result(run(start(JOBS["pad"], folder), 2))
    second_half = start(JOBS["pad"], folder)
    second_half.restore(folder / "of two processes.pt")
    assert_agree(result(run(second_half, 1)), whole, 1e-6)
    assert_agree(torch.load(folder / "resumed by two, 0.pt"), whole, 1e-6)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_parts_are_those_of_tensor_split(monkeypatch, count, processes):
    clips = torch.arange(count)
    monkeypatch.setattr(distributed, "num_processes", lambda: processes)
    for rank, part in enumerate(clips.tensor_split(processes)):
        monkeypatch.setattr(dist, "get_rank", lambda rank=rank: rank)
        assert torch.equal(clips[own_part(count)], part)


@pytest.mark.parametrize(
    ("asked", "gpus", "expected"),
    [(None, 0, 1), ("", 0, 1), (None, 4, 4), ("1", 4, 1), ("2", 4, 2), ("3", 0, 3)],
)
def test_the_machine_decides_how_many_processes_train(monkeypatch, asked, gpus, expected):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.delenv("BRL_PROCESSES", raising=False)
    if asked is not None:
        monkeypatch.setenv("BRL_PROCESSES", asked)
    assert requested_processes() == expected


@pytest.mark.parametrize(
    ("asked", "gpus", "message"),
    [
        *((asked, 0, "is no number of processes") for asked in ("0", "-1", "two", "1.5", "²", " ")),
        ("3", 2, "this machine has 2"),
    ],
)
def test_a_wrong_number_of_processes(monkeypatch, asked, gpus, message):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setenv("BRL_PROCESSES", asked)
    with pytest.raises(UserError, match=f"BRL_PROCESSES: {asked}.*{message}"):
        requested_processes()


def fail(way: str) -> None:
    """The second process fails; the first waits for it."""
    if rank() == 1:
        if way == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise {"mistake": UserError, "disk": OSError, "bug": ValueError}[way](f"a {way} of one")
    wait_for_all()


@pytest.mark.parametrize(
    ("way", "raised", "message"),
    [
        ("mistake", UserError, "^a mistake of one$"),
        ("disk", UserError, "^a disk of one$"),
        ("killed", UserError, "^one of 2 processes was ended by SIGKILL"),
        ("bug", Exception, "ValueError: a bug of one"),
    ],
)
def test_a_process_that_fails_ends_all(way, raised, message):
    """What is told is its failure, not that the other lost the connection."""
    with own_signals(), pytest.raises(raised, match=message):
        launch(2, fail, way)


@pytest.mark.slow
def test_the_stage_trains_by_two_processes_and_dvc_does_not_mind(tmp_path, monkeypatch):
    project = Project(tmp_path / "project")
    project.keep_streams("joint")
    project.edit(SMALL | {"train.epochs": 2, "streams.joint.lr": 1.0e-3})
    monkeypatch.setenv("BRL_PROCESSES", "2")
    assert "train@joint" in project.reproduce()
    assert not list((project.folder / ".checkpoints").iterdir())
    with sqlite3.connect(project.folder / "mlflow.db") as runs:
        (count,) = runs.execute("select count(*) from tags where value = 'stream'").fetchone()
    assert count == 1
    monkeypatch.setenv("BRL_PROCESSES", "1")
    assert project.reproduce() == set()

    weights = project.folder / "models/joint.safetensors"
    curve = project.folder / "reports/curves/joint.csv"
    of_two = load_file(weights), pd.read_csv(curve)
    assert project.run("stages.train", "joint", BRL_TRACKING="off").returncode == 0
    of_one = load_file(weights), pd.read_csv(curve)
    pd.testing.assert_frame_equal(of_two[1], of_one[1], rtol=1e-3)
    for name, tensor in of_one[0].items():
        torch.testing.assert_close(of_two[0][name], tensor, rtol=1e-2, atol=1e-3)

    project.edit({"streams.joint.lr": 1.0e15, "train.passes": 8})
    run = project.run("stages.train", "joint", BRL_TRACKING="off", BRL_PROCESSES="2")
    assert run.returncode == 1
    assert run.stderr.startswith("error: joint: the loss is no finite number in epoch 1")
    assert run.stderr.count("\n") == 1
