"""Where the artifacts of a SQLite store are: in the folder mlartifacts beside it.

MLflow keeps absolute addresses. After a project was moved or copied they name the former folder.
"""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from mlflow.entities import Experiment

FOLDER = "mlartifacts"


def is_sqlite(uri: str) -> bool:
    """Whether a store is a SQLite file."""
    return uri.startswith("sqlite:")


def sqlite_file(uri: str) -> Path:
    """The file of a SQLite store."""
    from sqlalchemy import make_url

    return Path(make_url(uri).database or "").resolve()


def artifacts_beside(uri: str) -> str:
    """The address of the artifacts of a SQLite store."""
    return (sqlite_file(uri).parent / FOLDER).as_uri()


def follow_store(uri: str, experiment: "Experiment") -> None:
    """Corrects the addresses of an experiment's artifacts after its SQLite store was moved.

    New runs write beside the store. A former run keeps its address if its artifacts are still
    there and were not moved or copied. An experiment whose artifacts were never beside a store is
    left alone.
    """
    former, present = experiment.artifact_location, artifacts_beside(uri)
    if former == present or not former.startswith("file:") or Path(former).name != FOLDER:
        return
    from mlflow.store.model_registry.dbmodels.models import SqlModelVersion
    from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlLoggedModel, SqlRun
    from sqlalchemy import create_engine, select, update
    from sqlalchemy.orm import Session

    columns = (
        (SqlRun, "artifact_uri"),
        (SqlLoggedModel, "artifact_location"),
        (SqlModelVersion, "storage_location"),
    )
    with Session(create_engine(uri)) as session, session.begin():
        own = update(SqlExperiment).filter_by(experiment_id=int(experiment.experiment_id))
        session.execute(own.values(artifact_location=present))
        for table, column in columns:
            inside = getattr(table, column).startswith(f"{former}/", autoescape=True)
            for row in session.scalars(select(table).where(inside)):
                old = getattr(row, column)
                new = present + old.removeprefix(former)
                if path_of(new).exists() or not path_of(old).exists():
                    setattr(row, column, new)


def path_of(address: str) -> Path:
    """The folder of a local address of artifacts."""
    return Path(unquote(urlsplit(address).path))
