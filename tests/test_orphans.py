"""Launchers that are killed in mid-training: nothing trains on, and the successor is alone."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from brl.support.locks import Lock
from tests.project import BRL, HERE, Project
from tests.test_jobs import pids_in, until
from tests.test_jobs_dvc import ENVIRONMENT, new_project

pytestmark = pytest.mark.slow
DVC = (sys.executable, "-m", "dvc", "repro", "-f", "-s", "train@joint")
MAKE = ("make", "-f", str(HERE / "Makefile"), "-o", ".venv/installed", "repro", "JOBS=2")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[Project]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (ENVIRONMENT | {"PYTHONPATH": str(HERE)}).items():
            patch.setenv(name, value)
        patch.delenv("BRL_LAUNCHER", raising=False)
        project = new_project(tmp_path_factory.mktemp("orphans"))
        project.keep_streams("joint", "skip")
        project.edit({"train.epochs": 20})
        project.reproduce("train@joint")
        yield project


def weights(project: Project) -> bytes:
    return (project.folder / "models/joint.safetensors").read_bytes()


def launch(project: Project, *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command,
        cwd=project.folder,
        env=os.environ | {"DVC_ROOT": str(project.folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def checkpoints(project: Project) -> list[Path]:
    return list((project.folder / ".checkpoints").glob("[!.]*.pt"))


def training(project: Project) -> psutil.Process:
    """The process that trains."""
    (process,) = (
        process
        for process in map(psutil.Process, pids_in(project.folder))
        if "stages.train" in process.cmdline() and Path(process.exe()).name.startswith("python")
    )
    return process


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_a_stage_ends_with_its_dvc_and_the_next_one_gives_the_same_bytes(project, by):
    expected = weights(project)
    killed = launch(project, *DVC)
    until(lambda: checkpoints(project))
    killed.send_signal(by)
    killed.communicate()
    successor = launch(project, *DVC)
    output, _ = successor.communicate(timeout=300)
    assert successor.returncode == 0, output
    assert weights(project) == expected
    assert not checkpoints(project) and not pids_in(project.folder)


def test_a_successor_waits_for_an_orphan_that_cannot_end(project):
    expected = weights(project)
    killed = launch(project, *DVC)
    until(lambda: checkpoints(project))
    orphan = training(project)
    orphan.suspend()
    killed.kill()
    killed.wait()  # and not for its output, which the orphan holds open
    kept = checkpoints(project)[0].read_bytes()
    successor = launch(project, *DVC)
    assert successor.stdout is not None
    words = f"train@joint: process {orphan.pid} on "
    assert any(words in line for line in successor.stdout)
    assert checkpoints(project)[0].read_bytes() == kept
    orphan.resume()
    output, _ = successor.communicate(timeout=300)
    assert successor.returncode == 0, output
    assert weights(project) == expected


@pytest.mark.parametrize("command", [(*BRL, "repro", "--jobs", "2"), MAKE], ids=["brl", "make"])
def test_nothing_outlives_a_killed_launcher(project, command):
    if command is MAKE and not shutil.which("make"):
        pytest.skip("make is not installed")
    project.edit({"streams.joint.lr": 0.05, "streams.skip.lr": 0.05, "train.epochs": 1000})
    launcher = launch(project, *command)
    until(lambda: len(checkpoints(project)) == 2)
    launcher.kill()
    launcher.wait()
    until(lambda: not pids_in(project.folder), seconds=30)


def test_a_second_brl_repro_waits_for_the_first(project):
    project.edit({"train.epochs": 1})
    first = launch(project, *BRL, "repro", "--jobs", "2")
    until(Lock(project.folder / ".checkpoints/dvc").holder)
    second = launch(project, *BRL, "repro")
    outputs = [process.communicate(timeout=300)[0] for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], outputs
    assert f"DVC: process {first.pid} on " in outputs[1]
    assert "Nothing has changed" in outputs[1]
