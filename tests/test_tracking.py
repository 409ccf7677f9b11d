"""Tracking: one store for many processes, an off-switch, and no telemetry."""

import os
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import mlflow
import pytest

from brl.commands.ui import comparison_url
from brl.config.params import read_params
from brl.streams.stream import Stream
from brl.support.errors import UserError
from brl.tracking import runs as tracking
from brl.tracking.store import EXPERIMENT, tracking_uri
from tests.conftest import STREAMS

PARAMS = read_params(Path("params.yaml"))
SUBSET = tracking.SubsetRecord("t", "digest", {"clips": 3})


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("BRL_TRACKING", "on")
    return tmp_path


def record(root: str, number: int) -> None:
    os.environ["DVC_ROOT"] = root  # a process has the environment of the server it is forked from
    tracking.record_test(Stream("s", 0), f"d{number}", {"accuracy/top1": 1.0})


def test_processes_that_start_together_share_one_new_store(root):
    """Six streams trained at once on a machine where nothing was recorded yet.

    Forked from a process that has imported MLflow, they reach the store at the same moment.
    """
    processes = get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    running = [processes.Process(target=record, args=(str(root), number)) for number in range(6)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert [process.exitcode for process in running] == [0] * 6
    mlflow.set_tracking_uri(tracking_uri())
    runs = mlflow.search_runs(experiment_names=[EXPERIMENT])
    assert sorted(runs["tags.weights.digest"]) == [f"d{number}" for number in range(6)]
    url = comparison_url("http://127.0.0.1:5000")
    assert url.startswith("http://127.0.0.1:5000/#/experiments/")
    assert "workflowType=machine_learning" in url


def test_switched_off_nothing_is_written(root, monkeypatch):
    monkeypatch.setenv("BRL_TRACKING", "off")
    tracking.record_test(STREAMS["joint"], "digest", {"accuracy/top1": 1.0})
    tracking.record_pipeline(PARAMS, SUBSET, {}, {}, [])
    with tracking.training_run(STREAMS["joint"], "f", {}, SUBSET) as run:
        assert run is None
    tracking.record_benchmark("b", {"ratio/x": 2.0}, root / "table.md")
    assert list(root.iterdir()) == []


def test_a_benchmark_is_a_run_with_its_figures_and_its_table(root):
    table = root / "table.md"
    table.write_text("# made by\n")
    tracking.record_benchmark("bench-x", {"ratio/train-1-ours": 6.5}, table)
    mlflow.set_tracking_uri(tracking_uri())
    (run,) = mlflow.MlflowClient().search_runs(
        [mlflow.get_experiment_by_name(EXPERIMENT).experiment_id]
    )
    assert run.info.run_name == "bench-x" and run.data.tags["kind"] == "benchmark"
    assert run.data.metrics == {"ratio/train-1-ours": 6.5}
    assert (
        root / "mlartifacts" / run.info.run_id / "artifacts/table.md"
    ).read_text() == "# made by\n"


def test_a_changed_classifier_is_a_run_linked_to_its_training(root):
    weights = root / "joint.safetensors"
    weights.write_bytes(b"")
    tracking.record_test(STREAMS["joint"], "trained", {"accuracy/top1": 1.0})
    params = {"classifier": {"kind": "logit_adjustment", "tau": 0.5}}
    tracking.record_weights(STREAMS["joint"], params, weights, "changed", origin="trained")
    tracking.record_test(STREAMS["joint"], "changed", {"accuracy/top1": 2.0})
    tracking.record_pipeline(PARAMS, SUBSET, {}, {"joint": "changed"}, [])
    mlflow.set_tracking_uri(tracking_uri())
    runs = mlflow.search_runs(experiment_names=[EXPERIMENT], order_by=["start_time"])
    trained, changed, pipeline = runs.to_dict("records")
    assert (changed["tags.kind"], changed["tags.stream"]) == ("stream", "joint")
    assert changed["tags.trained.digest"] == trained["tags.weights.digest"]
    assert changed["tags.mlflow.note.content"].endswith(
        f"/runs/{trained['run_id']}?workflowType=machine_learning)"
    )
    assert changed["params.classifier.tau"] == "0.5"
    assert (trained["metrics.accuracy/top1"], changed["metrics.accuracy/top1"]) == (1.0, 2.0)
    assert pipeline["tags.run.joint"] == changed["run_id"]


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
        tracking.record_test(STREAMS["joint"], "digest", {})
    assert "\n" not in str(caught.value)


def test_an_experiment_deleted_by_hand_comes_back(root):
    tracking.record_test(STREAMS["joint"], "digest", {"accuracy/top1": 1.0})
    mlflow.set_tracking_uri(tracking_uri())
    client = mlflow.MlflowClient()
    client.delete_experiment(client.get_experiment_by_name(EXPERIMENT).experiment_id)
    tracking.record_test(STREAMS["bone"], "another", {"accuracy/top1": 1.0})
    assert "another" in set(
        mlflow.search_runs(experiment_names=[EXPERIMENT])["tags.weights.digest"]
    )


def test_without_a_run_there_is_nothing_to_open(root):
    with pytest.raises(UserError, match="no runs are recorded yet"):
        comparison_url("http://127.0.0.1:5000")


def test_parameters_get_dotted_names():
    nested = {"seed": 0, "train": {"lr": 0.1, "augment": {"flip": 0.5}}}
    assert tracking.flattened(nested) == {"seed": 0, "train.lr": 0.1, "train.augment.flip": 0.5}
