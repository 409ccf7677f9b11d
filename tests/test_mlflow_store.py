"""The MLflow store as users set it up: moved, under another name, with a password, opened."""

import json
import re
import shutil
import socket
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import mlflow
import pytest

from brl.commands import ui
from brl.config.params import read_params
from brl.config.presets import apply_preset
from brl.report.words import data_in_words, method_in_words
from brl.serving.registry import described_version
from brl.support.addresses import without_passwords
from brl.support.errors import UserError
from brl.tracking.store import EXPERIMENT, connect, tracking_uri
from tests.command import refused


@pytest.fixture(scope="module")
def created(mlflow_db, tmp_path_factory) -> Path:
    """A project with a store of one run, which has an artifact."""
    folder = tmp_path_factory.mktemp("created")
    shutil.copy(mlflow_db, folder)
    with pytest.MonkeyPatch.context() as patch:
        here(patch, folder)
        client, experiment = connect()
        run = client.create_run(experiment, run_name="former")
        client.log_text(run.info.run_id, "text", "note.txt")
    return folder


def here(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Makes the folder the present project."""
    patch.setenv("DVC_ROOT", str(folder))
    patch.setenv("BRL_TRACKING", "on")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        patch.delenv(name, raising=False)


@pytest.fixture
def project(created, tmp_path, monkeypatch) -> Path:
    """A copy of that project elsewhere."""
    here(monkeypatch, tmp_path / "copy")
    return Path(shutil.copytree(created, tmp_path / "copy"))


def place_of(name: str) -> str:
    """The address of a run's artifacts."""
    client, experiment = connect()
    (run,) = client.search_runs([experiment], f"attributes.run_name = '{name}'")
    return run.info.artifact_uri


def test_a_copied_project_keeps_its_artifacts_in_its_own_folder(project, created):
    client, experiment = connect()
    client.log_text(client.create_run(experiment, run_name="new").info.run_id, "text", "note.txt")
    for name in ("former", "new"):
        assert place_of(name).startswith(f"{project.as_uri()}/mlartifacts/")
        assert mlflow.artifacts.load_text(f"{place_of(name)}/note.txt") == "text"
    assert len(list((created / "mlartifacts").iterdir())) == 1


def test_a_run_whose_artifacts_were_left_behind_keeps_their_address(project, created):
    shutil.rmtree(project / "mlartifacts")
    assert mlflow.artifacts.load_text(f"{place_of('former')}/note.txt") == "text"
    assert place_of("former").startswith(created.as_uri())


def test_a_place_that_the_user_chose_for_artifacts_stays(project, monkeypatch, tmp_path):
    chosen = (tmp_path / "chosen").as_uri()
    connect()[0].create_experiment("mine", chosen)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    client, experiment = connect()
    assert client.get_experiment(experiment).artifact_location == chosen


def test_the_experiment_is_the_one_that_mlflows_variables_name(project, monkeypatch):
    own = connect()[1]
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "hands")
    client, hands = connect()
    assert client.get_experiment(hands).name == "hands" and hands != own
    assert f"experiments/{hands}/" in ui.comparison_url("")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    assert client.get_experiment(connect()[1]).name == EXPERIMENT
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", hands)
    assert connect()[1] == hands
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "777")
    with pytest.raises(UserError, match=r"MLFLOW_EXPERIMENT_ID: .* has no experiment 777"):
        connect()


def test_the_table_of_runs_is_a_view_saved_in_the_experiment(project):
    address = urlsplit(ui.comparison_url("http://127.0.0.1:5000")).fragment
    (key,) = parse_qs(urlsplit(address).query)["viewStateShareKey"]
    client, experiment = connect()
    view = json.loads(client.get_experiment(experiment).tags[f"mlflow.sharedViewState.{key}"])
    state = json.loads(view["state"])
    columns = ["tags.`method`", "tags.`data`", "metrics.`accuracy/top1`", "metrics.`accuracy/few`"]
    assert state["selectedColumns"] == columns
    for kind in ("stream", "probe", "pipeline"):
        client.create_run(experiment, run_name=kind, tags={"kind": kind})
    shown = client.search_runs([experiment], state["searchFilter"])
    assert [run.info.run_name for run in shown] == ["pipeline"]


def test_the_searches_in_the_documentation_find_runs(project):
    shutil.copy("params.yaml", project)
    apply_preset("nw_ucla", project / "params.yaml", method="cross_entropy")
    params = read_params(project / "params.yaml")
    tags = {"method": method_in_words(params), "data": data_in_words(params)}
    client, experiment = connect()
    kinds = ("stream", "probe", "pipeline")
    for kind in kinds:
        run = client.create_run(experiment, run_name=kind, tags=tags | {"kind": kind})
        client.log_param(run.info.run_id, "probe.evaluation", "linear")
        for metric in ("top1", "few"):
            client.log_metric(run.info.run_id, f"accuracy/{metric}", 90.0)
    page = Path("docs/running.md").read_text(encoding="utf-8")
    searches = re.findall(r"^    (tags\..*)$", page, re.MULTILINE)
    found = [client.search_runs([experiment], search) for search in searches]
    assert [[run.info.run_name for run in runs] for runs in found] == [[kind] for kind in kinds]


def test_a_version_of_a_model_says_what_it_was_made_of_and_how_good_it_is(project):
    client, experiment = connect()
    tags = {"method": "focal", "data": "synthetic (view)"}
    run = client.create_run(experiment, tags=tags).info
    for metric, value in (("top1", 91.26), ("few", 40.0), ("class/0_sit", 100.0)):
        client.log_metric(run.run_id, f"accuracy/{metric}", value)
    client.create_registered_model("gestures")
    made = client.create_model_version("gestures", run.artifact_uri, run.run_id)
    logged = SimpleNamespace(registered_model_version=made.version)
    assert described_version("gestures", logged, run.run_id) == "models:/gestures/1"
    version = client.get_model_version("gestures", "1")
    assert version.description == "focal; synthetic (view). Test accuracy, %: top1 91.3, few 40.0."
    assert version.tags == tags | {"accuracy/top1": "91.3", "accuracy/few": "40.0"}


def test_a_port_in_use_is_said_in_one_line(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
        monkeypatch.setenv("BRL_UI_PORT", str(port))
        message = refused("ui")
    assert message == (
        f"port {port}: Address already in use; choose another: BRL_UI_PORT={port + 1} brl ui"
    )
    monkeypatch.setenv("BRL_UI_PORT", "http")
    assert refused("ui") == "BRL_UI_PORT: 'http'; must be a port, such as 5000"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:s3/cr@t@host/db", "postgresql://***@host/db"),
        ("https://token@host/x.zip: 404", "https://***@host/x.zip: 404"),
        ("http://host:5000/#/a and me@host", "http://host:5000/#/a and me@host"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
    ],
)
def test_addresses_are_shown_without_passwords(address, shown):
    assert without_passwords(address) == shown


def test_no_error_shows_the_password_of_the_store(monkeypatch, tmp_path):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nothing://me:secret@host/runs")
    monkeypatch.setattr(ui, "free_port", lambda: 5000)
    message = refused("ui")
    assert message.startswith("MLFLOW_TRACKING_URI: nothing://***@host/runs cannot be used")
    assert "secret" not in message and tracking_uri().count("secret") == 1
