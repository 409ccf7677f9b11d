"""Number of training processes, their parts of a batch, and failures of one process."""

import os
import signal
import sqlite3

import pandas as pd
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from brl.support.errors import UserError
from brl.training import distributed
from brl.training.distributed import agree, launch, own_part, requested_processes
from tests.project import SMALL, Project
from tests.test_distributed import own_signals, rank


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8])
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_parts_are_those_of_tensor_split(monkeypatch, count, processes):
    clips = torch.arange(count)
    monkeypatch.setattr(distributed, "num_processes", lambda: processes)
    for place, part in enumerate(clips.tensor_split(processes)):
        monkeypatch.setattr(dist, "get_rank", lambda place=place: place)
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
        *(
            (asked, 0, "is not a number of processes")
            for asked in ("0", "-1", "two", "1.5", "²", " ")
        ),
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
        raise {"disk": OSError, "bug": ValueError}[way](f"a {way} of one")
    agree("epoch", 1)


@pytest.mark.parametrize(
    ("way", "raised", "message"),
    [
        ("disk", UserError, "^a disk of one$"),
        ("killed", UserError, "^one of 2 processes was killed by SIGKILL"),
        ("bug", Exception, "ValueError: a bug of one"),
    ],
)
def test_a_process_that_fails_ends_all(way, raised, message):
    """Its own failure is reported, not the lost connection of the other process."""
    with own_signals(), pytest.raises(raised, match=message):
        launch(2, fail, way)


def differ() -> None:
    agree("epoch", rank())


def test_processes_that_would_train_differently_are_ended():
    words = "^process 1 has another epoch than process 0: 1, not 0; all machines must see the same"
    with own_signals(), pytest.raises(UserError, match=words):
        launch(2, differ)


@pytest.mark.slow
def test_the_stage_trains_with_two_processes_and_dvc_runs_nothing_again(tmp_path, monkeypatch):
    project = Project(tmp_path / "project")
    project.keep_streams("joint")
    project.use_stick_figures(clips=36)
    changes = {"train.epochs": 2, "train.passes": 3, "streams.joint.lr": 1.0e-3}
    project.edit(SMALL | changes)
    monkeypatch.setenv("BRL_PROCESSES", "2")
    assert "train@joint" in project.reproduce("train@joint")
    assert not list((project.folder / ".checkpoints").iterdir())
    with sqlite3.connect(project.folder / "mlflow.db") as runs:
        (count,) = runs.execute("select count(*) from tags where value = 'stream'").fetchone()
    assert count == 1
    monkeypatch.setenv("BRL_PROCESSES", "1")
    assert project.reproduce("train@joint") == set()

    weights = project.folder / "models/joint.safetensors"
    curve = project.folder / "curves/joint.csv"
    of_two = load_file(weights), pd.read_csv(curve)
    assert project.run("stages.train", "joint", BRL_TRACKING="off").returncode == 0
    of_one = load_file(weights), pd.read_csv(curve)
    pd.testing.assert_frame_equal(of_two[1], of_one[1], rtol=1e-3)
    for name, tensor in of_one[0].items():
        torch.testing.assert_close(of_two[0][name], tensor, rtol=1e-2, atol=1e-3)

    project.edit({"streams.joint.lr": 1.0e15, "train.passes": 8})
    run = project.run("stages.train", "joint", BRL_TRACKING="off", BRL_PROCESSES="2")
    assert run.returncode == 1
    assert run.stderr.startswith("error: joint: the loss is not finite in epoch 1")
    assert run.stderr.count("\n") == 1
