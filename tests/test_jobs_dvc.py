"""Streams in parallel with real DVC processes, also if they are blocked, fail or are ended."""

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest
import yaml
import zc.lockfile

from brl.training.checkpoint_file import read_checkpoint, write_checkpoint
from tests.project import BRL, HERE, SMALL, Project
from tests.schedulers import scheduler
from tests.slurm import SITE, jobs
from tests.test_jobs import pids_in, until

pytestmark = pytest.mark.slow
# More than are run at a time: the last one waits for its turn.
STREAMS = ("joint", "bone", "skip_motion")
ENVIRONMENT = {"BRL_TRACKING": "off", "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}


def new_project(folder: Path) -> Project:
    folder.mkdir(exist_ok=True)
    project = Project(folder)
    shutil.copy(HERE / ".dvc/config", folder / ".dvc/config")
    (folder / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    project.use_stick_figures(clips=36)
    # Few clips: only with several passes has an epoch a second batch, whose loss a wild first
    # step spoils, and lasts long enough to be interrupted.
    project.edit(SMALL | {"train.passes": 8})
    return project


@pytest.fixture(scope="module", autouse=True)
def environment():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """Two streams are enough to see one without the other."""
    project = new_project(tmp_path_factory.mktemp("jobs"))
    project.keep_streams("joint", "skip")
    return project


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Project:
    """What plain DVC makes of all streams, one after the other."""
    project = new_project(tmp_path_factory.mktemp("plain") / "project")
    project.keep_streams(*STREAMS)
    project.reproduce()
    return project


def trainings(project: Project, stream: str) -> int:
    """How often DVC ran a stream's training in the last run."""
    log = (project.folder / f"logs/{stream}.log").read_text(encoding="utf-8")
    return log.count(f"> python3 -m stages.train {stream}\n")


def results(project: Project) -> dict[str, bytes]:
    return {
        str(path.relative_to(project.folder)): path.read_bytes()
        for folder in ("models", "classifiers", "scores", "fused", "reports")
        for path in sorted((project.folder / folder).rglob("*"))
        if path.is_file()
    }


def test_two_at_a_time_give_what_one_after_the_other_gives(tmp_path, plain):
    project = new_project(tmp_path / "side by side")
    project.keep_streams(*STREAMS)
    run = project.brl("repro", "--jobs", "2")
    assert run.returncode == 0, run.stdout + run.stderr
    assert project.reproduce() == set()
    for stream in STREAMS:
        assert f"{stream}: done in " in run.stdout
        assert trainings(project, stream) == 1
    assert results(project) == results(plain)


def worker_of(stream: str, project: Project) -> psutil.Process:
    """The process of Dask that trains a stream."""
    trains = next(
        process
        for process in map(psutil.Process, pids_in(project.folder))
        if process.cmdline()[-2:] == ["stages.train", stream]
    )
    return next(each for each in trains.parents() if "spawn_main" in " ".join(each.cmdline()))


def test_workers_that_see_the_folder_give_the_same_and_one_may_be_killed(tmp_path, plain):
    """A worker in another folder gets no stream."""
    project = new_project(tmp_path / "cluster")
    project.keep_streams(*STREAMS)
    with scheduler(project.folder) as (address, start_worker):
        start_worker(plain.folder)
        for _ in range(2):
            start_worker(project.folder)
        with launched(project, "--cluster", address) as run:
            checkpoints = project.folder / ".checkpoints"
            until(lambda: list(checkpoints.glob("joint-*.pt")))
            worker = worker_of("joint", project)
            worker.kill()
            output, _ = run.communicate(timeout=600)
        assert run.returncode == 0, output
    (refused,) = [line for line in output.splitlines() if "gets no work" in line]
    assert f"{plain.folder} is not the folder of the pipeline" in refused
    assert project.reproduce() == set()
    assert results(project) == results(plain)


def test_slurm_runs_the_streams(tmp_path, plain, queue):
    """Its workers have the environment of the command."""
    project = new_project(tmp_path / "project")
    project.keep_streams(*STREAMS)
    (project.folder / "cluster.yaml").write_text(yaml.safe_dump(SITE))
    with launched(project, "--cluster", "slurm", "--jobs", "2") as run:
        output, _ = run.communicate(timeout=600)
    assert run.returncode == 0, output
    until(lambda: not jobs(queue))
    assert results(project) == results(plain)


def test_a_scheduler_that_is_not_there_is_said_before_a_stream_runs(project):
    run = project.brl("repro", "--cluster", "tcp://127.0.0.1:9")
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith(
        "error: no Dask scheduler answers at tcp://127.0.0.1:9: start one"
    )
    assert not (project.folder / "models/joint.safetensors").exists()


@contextmanager
def launched(project: Project, *options: str) -> "Iterator[subprocess.Popen[str]]":
    """`brl repro`, by default with two jobs, which ends with the block whatever happens in it."""
    process = subprocess.Popen(
        [*BRL, "repro", *(options or ("--jobs", "2"))],
        cwd=project.folder,
        env=os.environ | {"DVC_ROOT": str(project.folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def lock_of(project: Project) -> zc.lockfile.LockFile:
    """DVC's lock, as another DVC would hold it."""
    while True:
        try:
            return zc.lockfile.LockFile(str(project.folder / ".dvc/tmp/lock"))
        except zc.lockfile.LockError:
            time.sleep(0.005)


def test_a_lock_held_when_a_training_ends_costs_no_training(project):
    """Ten seconds: DVC left alone gives up after three, and what it trained is lost."""
    log = project.folder / "logs/joint.log"
    with launched(project) as run:
        until(lambda: log.exists() and trainings(project, "joint"))
        lock = lock_of(project)
        time.sleep(10)
        lock.close()
        output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output
    assert trainings(project, "joint") == 1
    assert project.reproduce() == set()


def test_a_stream_that_fails_stops_not_the_others_but_the_fusion(project):
    before = results(project)
    project.edit({"streams.joint.lr": 10**30, "streams.skip.lr": 0.03})
    run = project.brl("repro", "--jobs", "2")
    assert run.returncode == 1
    assert "error: joint: the loss is not finite in epoch 1" in run.stdout
    assert "joint: failed after" in run.stdout and "logs/joint.log" in run.stdout
    assert "skip: done in" in run.stdout
    assert run.stderr.splitlines()[-1].startswith("error: failed: joint; nothing was fused")
    after = results(project)
    assert after["scores/skip.npz"] != before.get("scores/skip.npz")
    assert after.get("fused/scores.npz") == before.get("fused/scores.npz")
    project.edit({"streams.joint.lr": 0.02})
    ran = project.reproduce()
    assert "train@joint" in ran and "train@skip" not in ran and "ensemble" in ran


def recorded(project: Project) -> list[str]:
    """The state of each run of MLflow."""
    with closing(sqlite3.connect(project.folder / "mlflow.db")) as store:
        return [state for (state,) in store.execute("SELECT status FROM runs")]


def test_an_interruption_leaves_no_process_and_the_next_run_goes_on(project, monkeypatch):
    monkeypatch.delenv("BRL_TRACKING")
    project.edit({"streams.joint.lr": 0.04, "streams.skip.lr": 0.04, "train.epochs": 20})
    checkpoints = project.folder / ".checkpoints"
    with launched(project) as run:
        until(lambda: list(checkpoints.glob("[!.]*.pt")))
        run.terminate()
        output, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert output.splitlines()[-1].startswith("interrupted;")
    assert pids_in(project.folder) == set()
    assert set(recorded(project)) == {"FAILED"}
    kept = list(checkpoints.glob("[!.]*.pt"))
    for path in kept:  # to be recognised in the curve of a training that goes on
        content = read_checkpoint(path)
        content["curve"][0]["loss"] = 123.0
        write_checkpoint(path, content)
    assert project.brl("repro", "--jobs", "2").returncode == 0
    assert kept and not list(checkpoints.glob("[!.]*.pt"))
    # Two streams and the result. Interrupted before its checkpoint, a stream has a failed run, too.
    assert recorded(project).count("FINISHED") == 3 and "RUNNING" not in recorded(project)
    for path in kept:
        curve = project.folder / f"curves/{path.name.split('-')[0]}.csv"
        assert ",123.0," in curve.read_text(encoding="utf-8")
