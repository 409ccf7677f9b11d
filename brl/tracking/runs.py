"""The runs of the project's experiment in MLflow: found, created, filled and ended.

Runs are only reached by their id. MLflow's active run is not used: it would set the status of a
finished run anew.
"""

import json
from typing import TYPE_CHECKING, Any

from brl.support.processes import this_process
from brl.support.text import in_markdown
from brl.tracking.description import Description, SubsetRecord
from brl.tracking.names import flattened, in_mlflow
from brl.tracking.store import connect
from brl.tracking.view import run_address

# MLflow takes seconds to import: not before something is recorded.
if TYPE_CHECKING:
    from mlflow.entities import Metric, Run

RESULT = "result.digest"  # the tag by which the run of a result is found
OTHER_STORE = "id.elsewhere"  # the tag with the id that the run has in another store
# What MLflow says of a run that it does not have; the latter where its server has users.
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED")
MOST_POINTS = 1000  # that MLflow's servers take at once


class Runs:
    """The runs of the project's experiment in the user's store, or in the one at `uri`.

    Raises StoreFailure if the store fails.
    """

    def __init__(self, uri: str | None = None) -> None:
        self.client, self.experiment_id = connect(uri)

    def search(self, *conditions: str) -> "list[Run]":
        """The runs that meet all conditions, in MLflow's filter syntax; the newest first."""
        return list(self.client.search_runs([self.experiment_id], " and ".join(conditions)))

    def find(self, *conditions: str) -> "Run | None":
        """The newest run that meets all conditions; None without one."""
        return next(iter(self.search(*conditions)), None)

    def search_deleted(self, condition: str) -> "list[Run]":
        """The deleted runs that meet a condition."""
        from mlflow.entities import ViewType

        found = self.client.search_runs([self.experiment_id], condition, ViewType.DELETED_ONLY)
        return list(found)

    def same(self, run_id: str) -> "Run | None":
        """The run of this id, or the one that has it in another store; None if it was deleted."""
        from mlflow import MlflowException

        if not run_id:
            return None
        try:
            run = self.client.get_run(run_id)
        except MlflowException as error:
            if error.error_code not in NOT_THERE:
                raise
            return self.find(f"tags.`{OTHER_STORE}` = '{run_id}'")
        return run if run.info.lifecycle_stage == "active" else None

    def find_training(self, digest: str) -> "Run | None":
        """The newest finished training of this digest that has no result yet."""
        finished = self.search(f"tags.`training.digest` = '{digest}'", "status = 'FINISHED'")
        return next((run for run in finished if RESULT not in run.data.tags), None)

    def create(self, name: str, tags: dict[str, str]) -> str:
        """Starts a run of this process, and returns its id."""
        from mlflow.tracking.context.registry import resolve_tags

        tags = {key: in_mlflow(value) for key, value in tags.items()}
        tags = resolve_tags(tags | {"process": this_process()})
        return self.client.create_run(self.experiment_id, run_name=name, tags=tags).info.run_id

    def create_described(self, about: Description, tags: dict[str, str]) -> str:
        """Starts a run that says from the first moment on what it is about; returns its id."""
        run_id = self.create_of(about, tags)
        self.describe(run_id, about)
        return run_id

    def create_of(self, about: Description, tags: dict[str, str]) -> str:
        """Starts a run that is still to be described; returns its id."""
        return self.create(about.name, {"kind": about.kind, **about.tags, **tags})

    def describe(self, run_id: str, about: Description) -> None:
        """Logs what a run is about, also where this was done in part."""
        self.log_params(run_id, flattened(about.params))
        self.log_subset(run_id, about.subset)

    def log_params(self, run_id: str, params: dict[str, Any]) -> None:
        """Logs all parameters; those that the run has must have the same values."""
        from mlflow.entities import Param

        values = [Param(name, in_mlflow(value)) for name, value in params.items()]
        self.client.log_batch(run_id, params=values)

    def set_tags(self, run_id: str, tags: dict[str, str]) -> None:
        """Sets tags of a run."""
        from mlflow.entities import RunTag

        self.client.log_batch(run_id, tags=[RunTag(k, in_mlflow(v)) for k, v in tags.items()])

    def log_metrics(self, run_id: str, metrics: dict[str, float], step: int = 0) -> None:
        """Adds metrics to a run, which may have finished."""
        self.log_points(run_id, points_at(step, metrics))

    def log_points(self, run_id: str, points: "list[Metric]") -> None:
        """Adds values of metrics to a run."""
        for start in range(0, len(points), MOST_POINTS):
            self.client.log_batch(run_id, metrics=points[start : start + MOST_POINTS])

    def log_subset(self, run_id: str, subset: SubsetRecord) -> None:
        """Logs the subset as the dataset of a run, and its numbers."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = json.dumps({"tags": {"clips": str(subset.summary["clips"])}})
        dataset = Dataset(subset.dataset, subset.digest[:36], source_type="code", source=source)
        context = InputTag("mlflow.data.context", "training")
        self.client.log_inputs(run_id, [DatasetInput(dataset, [context])])
        self.set_tags(run_id, {"subset.digest": subset.digest})
        self.log_metrics(run_id, subset.metrics)

    def link(self, run_id: str, text: str) -> str:
        """A link to a run, for the description of another one."""
        return f"[{in_markdown(text)}]({run_address(self.experiment_id, run_id)})"


def points_at(step: int, metrics: dict[str, float]) -> "list[Metric]":
    """Values of metrics, as of now."""
    from mlflow.entities import Metric
    from mlflow.utils.time import get_current_time_millis

    now = get_current_time_millis()
    return [Metric(name, value, now, step) for name, value in metrics.items()]


def curve_points(row: dict[str, float]) -> "list[Metric]":
    """The values of a row of a training curve, whose step is its `epoch`."""
    measures = {f"train/{name}": value for name, value in row.items() if name != "epoch"}
    return points_at(int(row["epoch"]), measures)
