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
    from mlflow.entities import Run

EXPERIMENT = "long-tailed skeleton actions"
DESCRIPTION = (
    "One run per trained stream; one per evaluated pipeline (kind = pipeline), which links the "
    "runs of its streams; one per method and seed of a comparison (kind = comparison). Compare "
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


def find_run(client: "MlflowClient", experiment_id: str, *conditions: str) -> "Run | None":
    """The newest run that meets all conditions, in MLflow's filter syntax; None without one."""
    runs = client.search_runs([experiment_id], " and ".join(conditions), max_results=1)
    return runs[0] if runs else None


def log_metrics(client: "MlflowClient", run_id: str, metrics: dict[str, float]) -> None:
    """Adds metrics to a run, which may have finished."""
    from mlflow.entities import Metric
    from mlflow.utils.time import get_current_time_millis

    now = get_current_time_millis()
    client.log_batch(run_id, [Metric(name, value, now, 0) for name, value in metrics.items()])
