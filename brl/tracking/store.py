"""The MLflow store that runs are recorded in: mlflow.db at the project's root, or where
MLFLOW_TRACKING_URI points; BRL_TRACKING=off records nothing."""

import logging
import os
from typing import TYPE_CHECKING

from filelock import FileLock

from brl.support.errors import UserError
from brl.support.files import project_root

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

EXPERIMENT = "long-tailed skeleton actions"
DESCRIPTION = (
    "One run a trained stream, one run an evaluated pipeline (kind = pipeline), which links its "
    "streams' runs, one run a method and seed of a comparison (kind = comparison). Compare "
    "accuracy/… and accuracy/class/…."
)


def enabled() -> bool:
    """Whether runs are recorded."""
    return os.environ.get("BRL_TRACKING", "on") != "off"


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or a SQLite file at the project's root."""
    local = f"sqlite:///{(project_root() / 'mlflow.db').resolve()}"
    return os.environ.get("MLFLOW_TRACKING_URI") or local


def connect() -> tuple["MlflowClient", str]:
    """A client and the project's experiment; UserError where the store cannot be used."""
    for chatty in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    import mlflow

    uri = tracking_uri()
    try:
        mlflow.set_tracking_uri(uri)
        # Several processes that create one SQLite store at a time break each other's tables.
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
    """Id of the project's experiment, which is made when it is not there yet."""
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


def find_run(client: "MlflowClient", experiment_id: str, *conditions: str) -> "Run | None":
    """The newest run that fulfils all conditions."""
    found = client.search_runs([experiment_id], " and ".join(conditions), max_results=1)
    return found[0] if found else None


def log_metrics(client: "MlflowClient", run_id: str, metrics: dict[str, float]) -> None:
    """Adds metrics to a run, also to one that is finished."""
    from mlflow.entities import Metric
    from mlflow.utils.time import get_current_time_millis

    now = get_current_time_millis()
    client.log_batch(run_id, [Metric(name, value, now, 0) for name, value in metrics.items()])
