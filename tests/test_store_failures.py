"""Tracking is no single point of failure: what a store does not take is kept, and sent later."""

import errno
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from brl.commands import record as recording
from brl.support.errors import UserError
from brl.tracking.runs import RESULT, Runs
from brl.tracking.store import tracking_uri
from brl.tracking.training import RecordedTraining, training_run
from brl.tracking.unsent import open_store, open_unsent, recorded, send_waiting, waiting
from stages.train import train
from tests.comparing import Grid
from tests.recorded import describe
from tests.test_store_creation import overwritten

EPOCHS = 3


@pytest.fixture
def root(tracked, mlflow_db) -> Path:
    """A project's root; the store for what was not sent is there, since its creation is slow."""
    kept = tracked / ".mlflow_unsent"
    kept.mkdir()
    shutil.copy(mlflow_db, kept)
    return tracked


@pytest.fixture(autouse=True)
def impatient(monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@contextmanager
def silent(_root: Path) -> Iterator[str]:
    """A server that accepts, and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"http://me:secret@127.0.0.1:{server.getsockname()[1]}"


class Forbidding(BaseHTTPRequestHandler):
    """A server that gives no rights."""

    def do_GET(self) -> None:
        self.send_error(403)

    def log_message(self, *_) -> None:
        """Says nothing."""


class Other(Forbidding):
    """A server that is not MLflow's."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>welcome</html>")


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def damaged(root: Path) -> Iterator[str]:
    overwritten(root / "mlflow.db")
    yield tracking_uri()


@contextmanager
def folder(root: Path) -> Iterator[str]:
    """A folder stands where the database should be: it can neither be read nor written."""
    (root / "folder.db").mkdir()
    yield f"sqlite:///{root / 'folder.db'}"


@contextmanager
def locked(root: Path) -> Iterator[str]:
    with closing(sqlite3.connect(root / "mlflow.db")) as other:
        other.execute("begin exclusive")
        yield f"{tracking_uri()}?timeout=0.1"


@contextmanager
def at(uri: str) -> Iterator[str]:
    yield uri


FAULTS = {
    "refused": lambda _: at("http://me:secret@127.0.0.1:1"),
    "no such host": lambda _: at("http://nosuch.invalid:5000"),
    "silent": silent,
    "forbidden": lambda _: served(Forbidding),
    "not MLflow": lambda _: served(Other),
    "no driver": lambda _: at("postgresql+nodriver://me:secret@127.0.0.1:1/runs"),
    "damaged": damaged,
    "a folder": folder,
    "locked": locked,
}


def rows(first: int = 1, last: int = EPOCHS) -> Iterator[dict[str, float]]:
    for epoch in range(first, last + 1):
        yield {"epoch": epoch, "loss": 1 / epoch, "lr": 0.1}


def trained(root: Path, run: str = "", stream: str = "joint") -> str:
    """A training; returns the name that its checkpoint keeps."""
    weights = root / f"{stream}.safetensors"
    weights.write_bytes(b"weights")
    with training_run(describe(stream), "f") as recorded_run:
        name = recorded_run.start(run)
        for row in rows():
            recorded_run.log_epoch(row)
        recorded_run.finish(weights, "digest")
    return name


def curve(run: mlflow.entities.Run, of: Runs | None = None) -> list[int]:
    history = (of or Runs()).client.get_metric_history(run.info.run_id, "train/loss")
    return [point.step for point in history]


def warnings(capsys) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if "warning: " in line]


def assert_whole(run: mlflow.entities.Run) -> None:
    """The run is as a store that never failed would have it."""
    assert run.info.status == "FINISHED" and curve(run) == [1, 2, 3]
    assert run.data.params["train.epochs"] == "10" and run.data.tags["fingerprint"] == "f"
    assert run.data.tags["weights.digest"] == "digest" and run.data.metrics["subset/clips"] == 3
    assert run.inputs.dataset_inputs[0].dataset.name == "t"
    client = Runs().client
    (artifact,) = client.list_artifacts(run.info.run_id)
    assert artifact.path == "joint.safetensors"
    assert Path(client.download_artifacts(run.info.run_id, artifact.path)).read_bytes()


def test_trainings_go_on_whatever_the_store_does_and_their_runs_are_sent_later(
    root, monkeypatch, capsys, mlflow_db
):
    kept = root / ".mlflow_unsent"
    for number, fault in enumerate(FAULTS.values(), start=1):
        shutil.copy(mlflow_db, root)
        with fault(root) as uri, monkeypatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", uri)
            trained(root)
        (told,) = warnings(capsys)
        assert "cannot be used (" in told and "secret" not in told
        assert told.endswith(f"runs are kept in {kept}: the next run or brl record sends them")
        assert waiting() == number
        (kept / "told").unlink()
    shutil.copy(mlflow_db, root)
    sent = open_store().search()
    assert len(sent) == len(FAULTS) and waiting() == 0
    for run in sent:
        assert_whole(run)
    assert not list(kept.rglob("*.safetensors"))


def test_a_failure_is_told_once_in_a_row_of_trainings(root, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    trained(root)
    trained(root)
    assert len(warnings(capsys)) == 1 and waiting() == 2


@pytest.mark.parametrize("way", ["removed", "damaged"])
def test_a_store_that_goes_during_a_training_gets_the_whole_run_later(root, capsys, mlflow_db, way):
    store = root / "mlflow.db"
    with training_run(describe("joint"), "f") as run:
        run.start("")
        first, *others = rows()
        run.log_epoch(first)
        store.unlink() if way == "removed" else overwritten(store)
        for row in others:
            run.log_epoch(row)
        (root / "joint.safetensors").write_bytes(b"weights")
        run.finish(root / "joint.safetensors", "digest")
    assert len(warnings(capsys)) == 1
    shutil.copy(mlflow_db, root)
    (sent,) = open_store().search()
    assert_whole(sent)


def failing(monkeypatch, calls: tuple[str, ...] = ("log_batch",)) -> pytest.MonkeyPatch:
    """Has the disk be full."""

    def full(*_args, **_kwargs) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for call in calls:
        monkeypatch.setattr(mlflow.MlflowClient, call, full)
    return monkeypatch


def test_a_run_that_began_in_the_store_goes_on_there(root):
    """What the store has already is not there twice."""
    with training_run(describe("joint"), "f") as run:
        began = run.start("")
        first, second, third = rows()
        run.log_epoch(first)
        run._next_time = 0.0
        with pytest.MonkeyPatch.context() as patch:
            of_store = Runs().client
            log_batch = mlflow.MlflowClient.log_batch

            def fails_in_store(client, *args, **kwargs):
                if client.tracking_uri == of_store.tracking_uri:
                    raise OSError(errno.ENOSPC, "No space left on device")
                log_batch(client, *args, **kwargs)

            patch.setattr(mlflow.MlflowClient, "log_batch", fails_in_store)
            run.log_epoch(second)
        run.log_epoch(third)
        (root / "joint.safetensors").write_bytes(b"weights")
        run.finish(root / "joint.safetensors", "digest")
    assert waiting() == 1 and curve(Runs().client.get_run(began)) == [1]
    (sent,) = open_store().search()
    assert sent.info.run_id == began
    assert_whole(sent)


def test_a_training_that_nothing_can_record_ends_as_ever(root, monkeypatch, capsys):
    failing(monkeypatch)
    trained(root)
    told = warnings(capsys)
    assert len(told) == 2 and "No space left on device" in told[0]
    assert "this run is not recorded" in told[1]


def test_a_training_has_one_run_whenever_it_is_killed_and_the_store_fails(root, monkeypatch):
    """It is killed and resumed three times: the store is down, down, up, down, and then up."""
    monkeypatch.setattr("brl.tracking.sending.is_running", lambda _: False)
    name = ""
    for up, last in ((False, 1), (False, 2), (True, 3), (False, 4)):
        uri = f"sqlite:///{root / 'mlflow.db'}" if up else "http://127.0.0.1:1"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        run = RecordedTraining(describe("joint"), "f")
        name = run.start(name)
        for row in rows(last=last):
            run._next_time = 0.0
            run.log_epoch(row)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
    (sent,) = open_store().search()
    assert curve(sent) == [1, 2, 3, 4] and sent.info.status == "RUNNING"
    with training_run(describe("joint"), "f") as run:
        assert run.start(name) == sent.info.run_id


def test_sending_that_is_interrupted_goes_on(root, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
        trained(root)
    for call in ("log_artifacts", "set_terminated"):
        with monkeypatch.context() as patch, pytest.raises(UserError):
            failing(patch, (call,))
            send_waiting(Runs())
        assert waiting() == 1
    (sent,) = open_store().search()
    assert_whole(sent)


def test_a_server_with_users_gets_what_it_did_not_take_before(root, monkeypatch):
    """Of a run that it does not have, it says that permission is denied."""
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
        trained(root)
    get_run = mlflow.MlflowClient.get_run

    def of_such_a_server(client, run_id):
        try:
            return get_run(client, run_id)
        except MlflowException as error:
            raise MlflowException("Permission denied", PERMISSION_DENIED) from error

    monkeypatch.setattr(mlflow.MlflowClient, "get_run", of_such_a_server)
    (sent,) = open_store().search()
    assert_whole(sent)


def test_a_run_that_is_being_written_is_not_sent(root):
    unsent = open_unsent()
    unsent.create_described(describe("joint"), {})
    assert open_store().search() == [] and waiting() == 1


def test_a_slow_store_gets_several_epochs_at_once(root, monkeypatch):
    calls, log_batch = [], mlflow.MlflowClient.log_batch

    def slow(client, run_id, metrics=(), **kwargs):
        calls.append(len(metrics))
        time.sleep(0.1)
        log_batch(client, run_id, metrics=metrics, **kwargs)

    with training_run(describe("joint"), "f") as run:
        name = run.start("")
        monkeypatch.setattr(mlflow.MlflowClient, "log_batch", slow)
        for row in rows(last=500):
            run.log_epoch(row)
    assert calls == [2, 998]
    assert curve(Runs().client.get_run(name)) == list(range(1, 501))


def test_the_weights_do_not_depend_on_the_store(root, monkeypatch):
    grid, weights = Grid(root), []
    monkeypatch.chdir(root)
    for uri in (f"sqlite:///{root / 'mlflow.db'}", "http://127.0.0.1:1"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        train(grid.params(), "joint")
        weights.append(Path("models/joint.safetensors").read_bytes())
    assert weights[0] == weights[1] and waiting() == 1


def test_a_mistake_of_the_user_is_no_failure(root, monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "777")
    with pytest.raises(UserError, match="has no experiment 777"):
        recorded(lambda runs: None)
    assert waiting() == 0


def test_brl_record_sends_what_waits(root, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:1")
        trained(root)
        with pytest.raises(UserError, match="cannot be used"):
            recording.record()
    monkeypatch.setattr(recording, "pipeline_status", lambda: {"train@joint": "changed command"})
    recording.record()
    assert waiting() == 0 and RESULT not in Runs().search()[0].data.tags
