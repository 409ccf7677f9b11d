"""Tracking: one store for many processes, an off-switch, and no telemetry."""

import os
import shutil
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import mlflow
import pytest

from brl.commands.ui import comparison_url
from brl.config.params import read_params
from brl.support.errors import UserError
from brl.tracking.benchmarks import record_benchmark
from brl.tracking.names import flattened
from brl.tracking.present import record
from brl.tracking.runs import Runs
from brl.tracking.store import EXPERIMENT, tracking_uri
from brl.tracking.training import RecordedTraining, training_run
from tests.recorded import describe

PARAMS = read_params(Path("params.yaml"))


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("BRL_TRACKING", "on")
    return tmp_path


def create(root: str, number: int) -> None:
    os.environ["DVC_ROOT"] = root  # a process has the environment of the server it is forked from
    Runs().create(f"run {number}", {})


def test_processes_that_start_together_share_one_new_store(root):
    """Six streams trained at once on a machine where nothing was recorded yet.

    Forked from a process that has imported MLflow, they reach the store at the same moment.
    """
    processes = get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    running = [processes.Process(target=create, args=(str(root), number)) for number in range(6)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0] * 6
    mlflow.set_tracking_uri(tracking_uri())
    runs = mlflow.search_runs(experiment_names=[EXPERIMENT])
    assert sorted(runs["tags.mlflow.runName"]) == [f"run {number}" for number in range(6)]
    url = comparison_url("http://127.0.0.1:5000")
    assert url.startswith("http://127.0.0.1:5000/#/experiments/")
    assert "workflowType=machine_learning" in url


def test_switched_off_nothing_is_written(root, monkeypatch):
    monkeypatch.setenv("BRL_TRACKING", "off")
    record(PARAMS)
    with training_run(describe("joint"), "f") as run:
        assert not isinstance(run, RecordedTraining)
        assert run.start("of another time") == "of another time"
    record_benchmark("b", {"ratio/x": 2.0}, root / "table.md")
    assert list(root.iterdir()) == []


def test_a_benchmark_is_a_run_with_its_figures_and_its_table(mlflow_db, root):
    shutil.copy(mlflow_db, root)
    table = root / "table.md"
    table.write_text("# made by\n")
    record_benchmark("bench-x", {"ratio/train-1-ours": 6.5}, table)
    runs = Runs()
    (run,) = runs.search()
    assert run.info.run_name == "bench-x" and run.data.tags["kind"] == "benchmark"
    assert run.info.status == "FINISHED" and run.data.metrics == {"ratio/train-1-ours": 6.5}
    (artifact,) = runs.client.list_artifacts(run.info.run_id)
    assert artifact.path == "table.md"


def test_the_store_lies_at_the_projects_root_or_where_the_user_says(root, monkeypatch):
    assert tracking_uri() == f"sqlite:///{root}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert tracking_uri() == "http://server:5000"


def test_telemetry_is_off():
    """Importing the package switches it off, before MLflow is loaded."""
    code = "import brl, os; print(os.environ['MLFLOW_DISABLE_TELEMETRY'])"
    without = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW")}
    result = subprocess.run(
        [sys.executable, "-c", code], env=without, capture_output=True, text=True
    )
    assert result.stdout == "true\n"


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "nothing://at.all"])
def test_a_store_that_cannot_be_used_is_named(root, monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match=f"MLFLOW_TRACKING_URI: {uri} cannot be used") as caught:
        Runs()
    assert "\n" not in str(caught.value)


def test_an_experiment_deleted_by_hand_comes_back(mlflow_db, root):
    shutil.copy(mlflow_db, root)
    runs = Runs()
    runs.client.delete_experiment(runs.experiment_id)
    Runs().create("another", {})
    assert [run.info.run_name for run in runs.search()] == ["another"]


def test_without_a_run_there_is_nothing_to_open(root):
    with pytest.raises(UserError, match="no runs are recorded yet"):
        comparison_url("http://127.0.0.1:5000")


def test_parameters_get_dotted_names():
    nested = {"seed": 0, "train": {"lr": 0.1, "augment": {"flip": 0.5}}}
    assert flattened(nested) == {"seed": 0, "train.lr": 0.1, "train.augment.flip": 0.5}
