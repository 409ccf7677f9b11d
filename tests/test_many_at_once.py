"""Many processes that record runs in one store at the same time: each run is there, and whole."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brl.config.params import read_params
from brl.tracking.description import SubsetRecord, of_training
from brl.tracking.runs import Runs
from brl.tracking.training import training_run
from brl.tracking.unsent import open_store, waiting
from tests.postgresql import a_server

pytestmark = pytest.mark.faults
PROCESSES, RUNS, EPOCHS = 8, 50, 5
RECORD = """
import sys
from tests.test_many_at_once import record
record(*sys.argv[1:])
"""


def record(process: str, folder: str) -> None:
    """Records trainings as stages do, one after the other."""
    about = of_training(read_params(), "joint", SubsetRecord("t", "digest", {"clips": 3}))
    os.chdir(folder)
    weights = Path(f"{process}.safetensors")
    weights.write_bytes(b"weights")
    for number in range(RUNS):
        with training_run(about, f"{process} {number}") as run:
            run.start("")
            for epoch in range(1, EPOCHS + 1):
                run.log_epoch({"epoch": epoch, "loss": 1 / epoch, "lr": 0.1})
            run.finish(weights, f"digest {process} {number}")


@pytest.fixture
def sqlite(tracked) -> str:
    return f"sqlite:///{tracked / 'mlflow.db'}"


@pytest.fixture
def postgresql() -> Iterator[str]:
    with a_server() as address:
        yield address


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_all_runs_of_many_processes_are_there_and_whole(
    request, tracked, monkeypatch, figure, store
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", request.getfixturevalue(store))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path.cwd()), *sys.path]))
    begun = time.monotonic()
    command = [sys.executable, "-c", RECORD]
    processes = [
        subprocess.Popen([*command, str(n), tracked], stderr=subprocess.PIPE, text=True)
        for n in range(PROCESSES)
    ]
    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES, said
    seconds = time.monotonic() - begun
    runs = open_store()  # sends what a store did not take at the first try
    assert waiting() == 0
    found = {run.data.tags["fingerprint"]: run for run in runs.search()}
    assert sorted(found) == sorted(f"{p} {n}" for p in range(PROCESSES) for n in range(RUNS))
    assert len(runs.search()) == PROCESSES * RUNS
    for name, run in found.items():
        assert_whole(runs, run, name)
    figure(f"runs recorded at once, {store}", len(found))
    figure(f"runs sent later, {store}", sum(map(later, said)))
    figure(f"seconds of recording, {store}", round(seconds))


def assert_whole(runs: Runs, run, name: str) -> None:
    assert run.info.status == "FINISHED"
    assert run.data.params["train.epochs"] == "10" and len(run.data.params) > 20
    assert run.data.tags["weights.digest"] == f"digest {name}"
    assert run.data.tags["training.digest"] and run.data.tags["kind"] == "stream"
    for metric in ("train/loss", "train/lr"):
        history = runs.client.get_metric_history(run.info.run_id, metric)
        assert [point.step for point in history] == list(range(1, EPOCHS + 1))
    assert run.data.metrics["subset/clips"] == 3
    assert run.inputs.dataset_inputs[0].dataset.name == "t"
    assert len(runs.client.list_artifacts(run.info.run_id)) == 1


def later(said: str) -> int:
    """How many runs a process brought to the store that had failed before."""
    lines = [line for line in said.splitlines() if "runs sent that were kept" in line]
    return sum(int(line.rpartition(": ")[2]) for line in lines)
