"""What the store did not take: kept in a store of the same kind, and sent when it answers again.

The folder .mlflow_unsent has a SQLite store of its own. Where the user's store fails, the same runs
are recorded there. `brl.tracking.sending` brings them to the user's store.
"""

import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from brl.support.addresses import without_passwords
from brl.support.files import project_root
from brl.tracking.failures import StoreFailure, failures_named
from brl.tracking.runs import Runs
from brl.tracking.sending import send
from brl.tracking.store import tracking_uri

REMINDED_AFTER_SECONDS = 600.0  # several stages in a row meet the same failure: it is told once
WAITING = "select count(*) from runs where lifecycle_stage = 'active'"


def folder() -> Path:
    """The folder of what was not sent."""
    return project_root() / ".mlflow_unsent"


def open_unsent() -> Runs:
    """The runs that were not sent. Raises StoreFailure if none can be kept, as on a full disk."""
    return Runs(f"sqlite:///{_file()}")


def waiting() -> int:
    """How many runs are not in the user's store yet; counted without MLflow: it takes seconds."""
    if not _file().exists():
        return 0
    try:
        with closing(sqlite3.connect(f"{_file().as_uri()}?mode=ro", uri=True)) as store:
            (runs,) = store.execute(WAITING).fetchone()
            return int(runs)
    except sqlite3.Error:
        return 0


def open_store() -> Runs:
    """The runs of the user's store, which gets first what it did not take before.

    Raises StoreFailure if it fails, and UserError for a mistake in MLflow's variables.
    """
    runs = Runs()
    if waiting():
        try:
            send_waiting(runs)
        except StoreFailure as failure:
            tell(failure)
    return runs


def send_waiting(runs: Runs) -> None:
    """Sends what was kept to the user's store. Raises StoreFailure if it fails."""
    with failures_named(tracking_uri()):
        sent = send(open_unsent(), runs, folder())
    _told().unlink(missing_ok=True)
    print(f"MLflow: runs sent that were kept in {folder()}: {sent}", file=sys.stderr)


def recorded(work: Callable[[Runs], None]) -> None:
    """Does `work`, which records what is not recorded, in the store, or if that fails, beside it.

    Raises UserError for a mistake in MLflow's variables, but not because a store fails.
    """
    try:
        runs = open_store()
        with failures_named(tracking_uri()):
            work(runs)
    except StoreFailure as failure:
        tell(failure)
        try:
            kept = open_unsent()
            with failures_named(str(folder())):
                work(kept)
        except StoreFailure as second:
            tell_lost(second)


def tell(failure: StoreFailure) -> None:
    """Says once in a while that the store fails, and what happens to the runs."""
    told = _told()
    if told.exists() and time.time() - told.stat().st_mtime < REMINDED_AFTER_SECONDS:
        return
    _warn(f"{failure}; runs are kept in {folder()}: the next run or brl record sends them")
    try:
        told.parent.mkdir(exist_ok=True)
        told.touch()
    except OSError:
        return  # nothing can be kept either, which is told next


def tell_lost(failure: StoreFailure) -> None:
    """Says that a run is recorded nowhere."""
    _warn(f"this run is not recorded: {failure}")


def tell_waiting() -> None:
    """Says how many runs are not in the store, if any."""
    if runs := waiting():
        _warn(f"{runs} runs are kept in {folder()} and not yet in MLflow: brl record sends them")


def _file() -> Path:
    return (folder() / "mlflow.db").resolve()


def _told() -> Path:
    """A file whose time says when the user was told."""
    return folder() / "told"


def _warn(words: str) -> None:
    print(f"warning: {without_passwords(words)}", file=sys.stderr, flush=True)
