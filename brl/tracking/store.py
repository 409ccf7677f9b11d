"""The MLflow store: mlflow.db at the project's root, or the one that MLFLOW_TRACKING_URI names.

Runs go to one experiment, which MLFLOW_EXPERIMENT_NAME or MLFLOW_EXPERIMENT_ID can choose. With
BRL_TRACKING=off nothing is recorded.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock

from brl.support.errors import UserError
from brl.support.files import project_root
from brl.tracking.artifacts import artifacts_beside, follow_store, is_sqlite

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

EXPERIMENT = "long-tailed skeleton actions"
DESCRIPTION = (
    "One run per result: of a stream (kind = stream), of a pipeline, which links the runs of its "
    "streams (kind = pipeline), and of a comparison (kind = compared). The tag streams says whose "
    "result it is. Compare accuracy/… and accuracy/class/…."
)


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


def connect() -> tuple["MlflowClient", str]:
    """A client, and the id of the experiment, which is created or restored if need be.

    Raises UserError if the store fails.
    """
    with _usable_store():
        client, experiment = _client_and_experiment()
        if experiment is None:
            return client, _create_experiment(client)
        if experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment.experiment_id)
        return client, experiment.experiment_id


def find_experiment() -> tuple["MlflowClient", "Experiment | None"]:
    """A client, and the experiment; None if nothing was recorded. Raises UserError as `connect`."""
    with _usable_store():
        return _client_and_experiment()


@contextmanager
def _usable_store() -> Iterator[None]:
    """Locks the store, and turns errors of MLflow into a UserError that names it."""
    for chatty in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    import mlflow

    try:
        # Processes that create one SQLite store at the same time break each other's tables.
        with FileLock(project_root() / ".mlflow.lock"):
            yield
    except mlflow.MlflowException as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"MLFLOW_TRACKING_URI: {tracking_uri()} cannot be used ({reason}); unset it for a "
            "local store, or set BRL_TRACKING=off to record nothing"
        ) from error


def _client_and_experiment() -> tuple["MlflowClient", "Experiment | None"]:
    """A client, and the experiment, which may be deleted; None if there is none of that name."""
    import mlflow

    uri = tracking_uri()
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    experiment = _experiment(client)
    if experiment is not None and is_sqlite(uri):
        follow_store(uri, experiment)
    return client, experiment


def _experiment(client: "MlflowClient") -> "Experiment | None":
    import mlflow

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


def _create_experiment(client: "MlflowClient") -> str:
    """Creates the experiment; returns its id."""
    uri = tracking_uri()
    tags = {
        "mlflow.note.content": DESCRIPTION,
        "mlflow.experimentKind": "custom_model_development",
    }
    artifacts = artifacts_beside(uri) if is_sqlite(uri) else None
    return client.create_experiment(experiment_name(), artifacts, tags)
