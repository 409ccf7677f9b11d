"""A tracking store is created whole or not at all; one that was left half made is told."""

import gzip
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy

from brl.commands import ui
from brl.support.errors import UserError
from brl.tracking.store import connect, tracking_uri
from brl.tracking.uri import check_uri
from tests.command import refused
from tests.project import HERE

KILLED_BY_USER = HERE.parent / "shared/cases/hostile/mlflow_bricked.db.gz"


def create_until(statement: int) -> None:
    """Creates the store, but is killed before this SQL statement."""
    done = []

    def kill(*_) -> None:
        done.append(1)
        if len(done) == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", kill)
    connect()


@pytest.fixture
def empty(tracked) -> Path:
    """A project without a store."""
    (tracked / "mlflow.db").unlink()
    return tracked


def test_a_creation_that_is_killed_leaves_no_store_and_the_next_one_is_whole(empty):
    for statement in (1, 30, 120):
        process = multiprocessing.get_context("fork").Process(target=create_until, args=[statement])
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert not (empty / "mlflow.db").exists()
        assert list(empty.glob(".mlflow.*.partial/mlflow.db*"))
    (empty / "mlflow.db").touch()  # SQLite leaves it where a store was removed
    connect()
    assert sorted(path.name for path in empty.iterdir()) == [".mlflow.lock", "mlflow.db"]


def test_what_a_killed_creation_leaves_is_ignored_by_git(empty):
    workshop = ".mlflow.0123456789abcdef.partial"
    names = [f"{workshop}/mlflow.db", f"{workshop}.lock", ".mlflow_unsent/mlflow.db"]
    command = ["git", "check-ignore", "--no-index", *names]
    ignored = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    assert ignored.stdout.split() == names


def half_made(store: Path) -> None:
    """Makes of a store what a killed creation left: tables of which nothing is noted."""
    with closing(sqlite3.connect(store)) as database, database:
        database.execute("drop table trace_info")
        database.execute("delete from alembic_version")


def bricked(store: Path) -> None:
    if not KILLED_BY_USER.exists():
        pytest.skip("shared/ is not here")
    with gzip.open(KILLED_BY_USER) as packed, store.open("wb") as file:
        shutil.copyfileobj(packed, file)


def overwritten(store: Path) -> None:
    with store.open("r+b") as file:
        file.write(b"no database" * 20)


@pytest.mark.parametrize("damage", [half_made, bricked, overwritten])
def test_a_broken_store_is_told_in_one_line_with_its_remedy(tracked, monkeypatch, damage):
    store = tracked / "mlflow.db"
    damage(store)
    monkeypatch.setattr(ui, "free_port", lambda: 5000)
    message = refused("ui")
    assert message.startswith(f"sqlite:///{store} cannot be used (")
    assert message.endswith(
        "): its creation was interrupted, or it is damaged; set it aside, and a new one is made: "
        f"mv {store} {store}.broken"
    )
    former = store.read_bytes()
    subprocess.run(message.rpartition(": ")[2].split(), check=True)
    assert not store.exists() and Path(f"{store}.broken").read_bytes() == former


@pytest.mark.parametrize(
    ("uri", "mistake"),
    [
        ("nothing://host", "unknown scheme nothing"),
        ("./mlruns", "MLflow no longer keeps runs in folders"),
        ("file:///mlruns", "MLflow no longer keeps runs in folders"),
        ("http://", "it names no server"),
        ("http://host:port", "Port could not be cast to integer value as 'port'"),
        ("sqlite://", "it names no file"),
        ("sqlite:/mlflow.db", "malformed"),
        ("postgresql://me:secret@host", "it names no database"),
    ],
)
def test_a_mistake_in_the_address_stops_every_command_at_its_start(monkeypatch, uri, mistake):
    monkeypatch.setenv("BRL_TRACKING", "on")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    message = refused("check")
    assert f"cannot be used ({mistake}); must be http://SERVER:5000" in message
    assert message.startswith("MLFLOW_TRACKING_URI: ") and "secret" not in message
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI"):
        connect()


@pytest.mark.parametrize(
    "uri",
    ["http://host", "https://me:secret@host:1/x", "sqlite:////a/b.db", "sqlite:///b.db",
     "postgresql+psycopg2://me:se/cr@t@host:5/db", "databricks"],
)  # fmt: skip
def test_addresses_of_stores(uri):
    check_uri(uri)


def test_mlflow_may_be_told_to_keep_folders(monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    check_uri("./mlruns")
    assert tracking_uri().startswith("sqlite:///")
