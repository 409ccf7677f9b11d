"""Tracking stores that are databases: reached, and created whole or not at all."""

from pathlib import Path
from shlex import quote

from filelock import FileLock

from brl.support.files import project_root, written_whole
from brl.tracking.artifacts import artifacts_beside, is_sqlite, sqlite_file

# What SQLite says of a file that it cannot read, and MLflow's migrations of tables that a creation
# left behind when it was killed.
BROKEN = ("already exists", "duplicate column", "no such", "not a database", "malformed")


def database_lock(uri: str) -> FileLock:
    """A lock that all processes on this machine take to open a database.

    Those that create its tables at the same time would break them.
    """
    folder = sqlite_file(uri).parent if is_sqlite(uri) else project_root()
    return FileLock(folder / ".mlflow.lock")


def open_database(uri: str) -> None:
    """Creates a SQLite store that is not there; raises at once if a database does not answer.

    MLflow itself would try for minutes.
    """
    from sqlalchemy import NullPool, create_engine, inspect

    if is_sqlite(uri):
        file = sqlite_file(uri)
        if not file.exists() or _is_empty(file):
            _create(file)
    inspect(create_engine(uri, poolclass=NullPool)).get_table_names()


def _create(file: Path) -> None:
    """Creates a store under another name, which becomes `file` when all its tables are there.

    Whoever calls it holds the lock.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with written_whole(file) as unfinished:
        address = f"sqlite:///{unfinished.resolve()}"
        store = SqlAlchemyStore(address, artifacts_beside(f"sqlite:///{file.resolve()}"))
        store.engine.dispose()


def _is_empty(file: Path) -> bool:
    """Whether nothing is in a file: SQLite makes one where it finds none."""
    return file.is_file() and not file.stat().st_size


def remedy(uri: str, reason: str) -> str:
    """What to do about a SQLite file that is broken; nothing for other failures."""
    if not is_sqlite(uri) or not any(words in reason for words in BROKEN):
        return ""
    file = sqlite_file(uri)
    if _is_empty(file):
        return ": it was removed"
    return (
        ": its creation was interrupted, or it is damaged; set it aside, and a new one is made: "
        f"mv {quote(str(file))} {quote(f'{file}.broken')}"
    )
