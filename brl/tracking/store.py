"""The MLflow store: mlflow.db at the project's root, or the one that MLFLOW_TRACKING_URI names.

Runs go to one experiment, which MLFLOW_EXPERIMENT_NAME or MLFLOW_EXPERIMENT_ID can choose. With
BRL_TRACKING=off nothing is recorded.
"""

import logging
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

from filelock import FileLock

from brl.support.errors import UserError
from brl.support.files import project_root
from brl.tracking.artifacts import artifacts_beside, follow_store, is_sqlite
from brl.tracking.database import database_lock, open_database
from brl.tracking.failures import failures_named
from brl.tracking.postgresql import wait_no_longer
from brl.tracking.uri import check_uri, is_database

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

EXPERIMENT = "long-tailed skeleton actions"
DESCRIPTION = (
    "One run per result: of a stream (kind = stream), of a pipeline, which links the runs of its "
    "streams (kind = pipeline), and of a comparison (kind = compared). The tag streams says whose "
    "result it is. Compare accuracy/… and accuracy/class/…."
)
# MLflow would wait 16 minutes for a server that does not answer, PostgreSQL's driver for ever.
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "PGCONNECT_TIMEOUT": "10",
}
# A connection that stays open would write on into a file that was removed, without a word.
FRESH = {"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool"}


def enabled() -> bool:
    """Whether runs are recorded."""
    return os.environ.get("BRL_TRACKING", "on") != "off"


def experiment_name() -> str:
    """MLFLOW_EXPERIMENT_NAME, or the project's own name."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or a SQLite file at the project's root."""
    local = f"sqlite:///{(project_root() / 'mlflow.db').resolve()}"
    return os.environ.get("MLFLOW_TRACKING_URI") or local


def check_settings() -> None:
    """Raises UserError if MLFLOW_TRACKING_URI is no address of a store; connects to nothing."""
    if enabled() and "MLFLOW_TRACKING_URI" in os.environ:
        check_uri(tracking_uri())


def connect(uri: str | None = None) -> tuple["MlflowClient", str]:
    """A client, and the id of the experiment, which is created or restored if need be.

    uri: of another store than the user's, which has the project's own experiment.
    Raises StoreFailure if the store fails, and UserError for a mistake in MLflow's variables.
    """
    with failures_named(uri or tracking_uri()):
        client, experiment = _opened(uri)
        if experiment is None:
            with FileLock(project_root() / ".mlflow.lock"):  # another process may create it, too
                experiment = _experiment(client, uri)
                if experiment is None:
                    return client, _create_experiment(client, uri)
        if experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment.experiment_id)
        return client, experiment.experiment_id


def find_experiment() -> tuple["MlflowClient", "Experiment | None"]:
    """A client, and the experiment; None if nothing was recorded. Raises as `connect` does."""
    with failures_named(tracking_uri()):
        return _opened()


def _opened(uri: str | None = None) -> tuple["MlflowClient", "Experiment | None"]:
    """A client, and the experiment, which may be deleted; None if there is none of that name."""
    if uri is None:
        check_settings()
    address = uri or tracking_uri()
    for name, value in (PATIENCE | (FRESH if is_sqlite(address) else {})).items():
        os.environ.setdefault(name, value)
    # Failures are told once, and by us.
    for chatty in ("alembic", "mlflow.store.db.utils", "urllib3.connectionpool"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    import mlflow

    wait_no_longer()
    if uri is None:
        mlflow.set_tracking_uri(address)
    with database_lock(address) if is_database(address) else nullcontext():
        if is_database(address):
            open_database(address)
        client = mlflow.MlflowClient(address)
        experiment = _experiment(client, uri)
        if experiment is not None and is_sqlite(address):
            follow_store(address, experiment)
    return client, experiment


def _experiment(client: "MlflowClient", uri: str | None) -> "Experiment | None":
    import mlflow

    if uri is not None:
        return client.get_experiment_by_name(EXPERIMENT)
    number = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if not number or os.environ.get("MLFLOW_EXPERIMENT_NAME"):
        return client.get_experiment_by_name(experiment_name())
    try:
        return client.get_experiment(number)
    except mlflow.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise UserError(
            f"MLFLOW_EXPERIMENT_ID: {tracking_uri()} has no experiment {number}"
        ) from error


def _create_experiment(client: "MlflowClient", uri: str | None) -> str:
    """Creates the experiment; returns its id."""
    address = uri or tracking_uri()
    tags = {
        "mlflow.note.content": DESCRIPTION,
        "mlflow.experimentKind": "custom_model_development",
    }
    artifacts = artifacts_beside(address) if is_sqlite(address) else None
    name = EXPERIMENT if uri else experiment_name()
    return client.create_experiment(name, artifacts, tags)
