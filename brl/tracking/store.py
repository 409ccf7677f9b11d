"""The MLflow store: mlflow.db at the project's root, or the one that MLFLOW_TRACKING_URI names.

With BRL_TRACKING=off nothing is recorded.
"""

import logging
import os
from typing import TYPE_CHECKING

from filelock import FileLock

from brl.support.errors import UserError
from brl.support.files import project_root

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "long-tailed skeleton actions"
DESCRIPTION = (
    "One run per result: of a stream (kind = stream), of a pipeline, which links the runs of its "
    "streams (kind = pipeline), and of a comparison (kind = compared). The tag streams says whose "
    "result it is. Compare accuracy/… and accuracy/class/…."
)


def enabled() -> bool:
    """Whether runs are recorded."""
    return os.environ.get("BRL_TRACKING", "on") != "off"


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or a SQLite file at the project's root."""
    local = f"sqlite:///{(project_root() / 'mlflow.db').resolve()}"
    return os.environ.get("MLFLOW_TRACKING_URI") or local


def connect() -> tuple["MlflowClient", str]:
    """A client, and the id of the project's experiment. Raises UserError if the store fails."""
    for chatty in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    import mlflow

    uri = tracking_uri()
    try:
        mlflow.set_tracking_uri(uri)
        # Processes that create one SQLite store at the same time break each other's tables.
        with FileLock(project_root() / ".mlflow.lock"):
            client = mlflow.MlflowClient()
            return client, _experiment(client, local=uri.startswith("sqlite:"))
    except mlflow.MlflowException as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"MLFLOW_TRACKING_URI: {uri} cannot be used ({reason}); unset it for a local store, "
            "or set BRL_TRACKING=off to record nothing"
        ) from error


def _experiment(client: "MlflowClient", local: bool) -> str:
    """Id of the project's experiment, which is created or restored if need be."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is not None:
        if experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment.experiment_id)
        return experiment.experiment_id
    artifacts = (project_root() / "mlartifacts").resolve().as_uri()
    tags = {
        "mlflow.note.content": DESCRIPTION,
        "mlflow.experimentKind": "custom_model_development",
    }
    return client.create_experiment(EXPERIMENT, artifacts if local else None, tags)
