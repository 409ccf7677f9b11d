"""The MLflow model of a pipeline: loaded and served, it gives the pipeline's scores."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import mlflow
import numpy as np
import pytest

from brl.scores.scores import load_scores
from brl.support.files import sha256
from brl.tracking.store import EXPERIMENT
from tests.own_data import STICK, write_stick_figures
from tests.project import BRL, HERE, SMALL, Project

pytestmark = pytest.mark.slow
STARTS_WITHIN = 120  # seconds


@pytest.fixture(scope="module")
def project(tmp_path_factory, warm):
    """A pipeline of two streams on own stick figures, recorded in MLflow."""
    project = Project(tmp_path_factory.mktemp("model") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(project.folder))
        patch.setenv("BRL_TRACKING", "on")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert project.brl("preset", "custom").returncode == 0
        small = {key: value for key, value in SMALL.items() if not key.startswith("subsample")}
        project.edit(small)
        project.keep_streams("joint", "bone_motion")
        write_stick_figures(project.folder / "own")
        assert "evaluate" in project.reproduce()
        yield project


@pytest.fixture(scope="module")
def address(project) -> str:
    """The URI of the model, registered as `gestures`."""
    logged = project.brl("model", "--register", "gestures")
    assert logged.returncode == 0, logged.stderr
    assert logged.stdout.splitlines()[0] == "models:/gestures/1"
    return "models:/gestures/1"


@pytest.fixture(scope="module")
def scores(project):
    return load_scores(project.folder / "fused/scores.npz")


def raw(project, name: str) -> np.ndarray:
    return np.load(project.folder / "own" / f"{name}.npy")


def test_the_command_gives_the_pipelines_scores_of_test_clips(project, scores):
    done = project.brl("predict", "own", "--json", "--top", "2")
    found = {Path(row["file"]).stem: row["classes"] for row in json.loads(done.stdout)}
    assert len(found) == 12
    for name, row in zip(scores.names, scores.probabilities, strict=True):
        likeliest = np.argsort(-row)
        assert [c["class"] for c in found[name]] == [STICK["classes"][c] for c in likeliest]
        said = [c["probability"] for c in found[name]]
        np.testing.assert_allclose(said, row[likeliest], atol=1e-4)


@pytest.fixture(scope="module")
def released(project) -> Path:
    """The zip that `brl release` writes."""
    done = project.brl("release")
    assert done.returncode == 0, done.stderr
    path = project.folder / "release/recognizer.zip"
    assert f"sha256 {sha256(path)}" in done.stdout
    return path


def test_a_release_predicts_the_same_in_a_folder_without_a_project(project, released, tmp_path):
    shutil.copytree(project.folder / "own", tmp_path / "own")
    shutil.copy(released, tmp_path)
    found = subprocess.run(
        [*BRL, "predict", "own", "--json", "--from", "recognizer.zip"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(HERE), "DVC_ROOT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == project.brl("predict", "own", "--json").stdout
    assert len(json.loads(found.stdout)) == 12


def test_a_release_holds_the_graph_the_settings_and_a_card_with_the_table(project, released):
    with zipfile.ZipFile(released) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert members.keys() == {
        "README.md", "params.yaml", "recognizer.json", "recognizer.onnx",
        "joint.safetensors", "bone_motion.safetensors",
    }  # fmt: skip
    card = members["README.md"].decode()
    assert project.brl("results", "--markdown").stdout in card
    assert all(f"| {name} | " in card for name in STICK["classes"])
    assert members["params.yaml"] == (project.folder / "params.yaml").read_bytes()
    assert not [name for name, content in members.items() if str(HERE).encode() in content]


def test_the_loaded_model_gives_the_pipelines_scores(project, address, scores):
    mlflow.set_tracking_uri(f"sqlite:///{project.folder / 'mlflow.db'}")
    model = mlflow.pyfunc.load_model(address)
    for name, row in zip(scores.names, scores.probabilities, strict=True):
        joints = raw(project, name)  # frames x joints x coordinates
        found = model.predict(joints)
        assert list(found.columns) == STICK["classes"]
        np.testing.assert_allclose(found.to_numpy(), row[None], atol=1e-5)
        with_bodies = model.predict(joints[None])
        np.testing.assert_array_equal(with_bodies, found)
    assert model.metadata.signature is not None and model.input_example.shape[-2:] == (5, 3)


def test_the_model_carries_the_whole_package(project, address):
    """It is loaded with the code that it was logged with, whatever is installed."""
    program = (
        "import sys, mlflow, pathlib; model = mlflow.pyfunc.load_model(sys.argv[1]); import brl; "
        "folder = pathlib.Path(brl.__file__).parent; "
        "print('code' in folder.parts, (folder / 'streams/weights.py').exists())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, address],
        cwd=project.folder.parent,  # where no brl lies
        env=os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{project.folder / 'mlflow.db'}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-2:] == ["True", "True"]


def test_the_model_belongs_to_the_pipelines_run(project, address):
    mlflow.set_tracking_uri(f"sqlite:///{project.folder / 'mlflow.db'}")
    info = mlflow.models.get_model_info(address)
    tags = mlflow.get_run(info.run_id).data.tags
    assert tags["kind"] == "pipeline" and tags["data"].startswith("custom")


def test_the_model_is_served(project, address, scores):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["models", "serve", "--env-manager", "local", "-m", address, "-p", str(port)]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *command],
        cwd=project.folder,
        env=os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{project.folder / 'mlflow.db'}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        for _ in range(STARTS_WITHIN):
            assert server.poll() is None
            try:
                urllib.request.urlopen(f"{base}/ping").close()
                break
            except OSError:
                time.sleep(1)
        joints = raw(project, str(scores.names[0]))
        request = urllib.request.Request(
            f"{base}/invocations",
            json.dumps({"inputs": joints.tolist()}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            (found,) = json.load(response)["predictions"]
        np.testing.assert_allclose(
            [found[name] for name in STICK["classes"]], scores.probabilities[0], atol=1e-5
        )
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def test_after_an_edit_a_model_needs_a_new_run(project, address):
    project.edit({"ensemble.weights.joint": 7})
    refused, recorded = project.brl("model"), project.brl("record")
    project.edit({"ensemble.weights.joint": 2})
    assert refused.returncode == recorded.returncode == 1
    assert re.fullmatch(
        r"error: sqlite:.*: has no run of the present pipeline; make repro .*\n", refused.stderr
    )
    assert recorded.stderr == (
        "error: the results are not those of params.yaml and the code (ensemble, evaluate would "
        "run); first: make repro\n"
    )


def test_a_result_whose_run_is_lost_is_recorded_again(project, address):
    """As after `dvc pull`: DVC has nothing to run."""
    mlflow.set_tracking_uri(f"sqlite:///{project.folder / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    (experiment,) = client.search_experiments(filter_string=f"name = '{EXPERIMENT}'")
    (lost,) = client.search_runs([experiment.experiment_id], "tags.kind = 'pipeline'")
    client.delete_run(lost.info.run_id)
    assert project.brl("record").returncode == 0
    (again,) = client.search_runs([experiment.experiment_id], "tags.kind = 'pipeline'")
    assert again.info.run_id != lost.info.run_id and again.data.metrics == lost.data.metrics
    assert {"index.html", "by_class.png"} <= {
        file.path for file in client.list_artifacts(again.info.run_id)
    }
