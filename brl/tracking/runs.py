"""The runs of the project's experiment in MLflow: found, created, filled and ended.

Runs are only reached by their id. MLflow's active run is not used: it would set the status of a
finished run anew.
"""

import json
from typing import TYPE_CHECKING

from brl.support.processes import this_process
from brl.support.text import in_markdown
from brl.tracking.description import Description, SubsetRecord
from brl.tracking.names import flattened, in_mlflow
from brl.tracking.store import connect
from brl.tracking.view import run_address

# MLflow takes seconds to import: not before something is recorded.
if TYPE_CHECKING:
    from mlflow.entities import Run

RESULT = "result.digest"  # the tag by which the run of a result is found


class Runs:
    """The runs of the project's experiment. Raises UserError if the store cannot be used."""

    def __init__(self) -> None:
        self.client, self.experiment_id = connect()

    def search(self, *conditions: str) -> "list[Run]":
        """The runs that meet all conditions, in MLflow's filter syntax; the newest first."""
        return list(self.client.search_runs([self.experiment_id], " and ".join(conditions)))

    def find(self, *conditions: str) -> "Run | None":
        """The newest run that meets all conditions; None without one."""
        return next(iter(self.search(*conditions)), None)

    def create(self, name: str, tags: dict[str, str]) -> str:
        """Starts a run of this process, and returns its id."""
        from mlflow.tracking.context.registry import resolve_tags

        tags = {key: in_mlflow(value) for key, value in tags.items()}
        tags = resolve_tags(tags | {"process": this_process()})
        return self.client.create_run(self.experiment_id, run_name=name, tags=tags).info.run_id

    def create_described(self, about: Description, tags: dict[str, str]) -> str:
        """Starts a run that says from the first moment on what it is about; returns its id."""
        run_id = self.create(about.name, {"kind": about.kind, **about.tags, **tags})
        self.log_params(run_id, about)
        self.log_subset(run_id, about.subset)
        return run_id

    def log_params(self, run_id: str, about: Description) -> None:
        """Logs all parameters; those that the run has must have the same values."""
        from mlflow.entities import Param

        params = [Param(name, in_mlflow(value)) for name, value in flattened(about.params).items()]
        self.client.log_batch(run_id, params=params)

    def set_tags(self, run_id: str, tags: dict[str, str]) -> None:
        """Sets tags of a run."""
        from mlflow.entities import RunTag

        self.client.log_batch(run_id, tags=[RunTag(k, in_mlflow(v)) for k, v in tags.items()])

    def log_metrics(self, run_id: str, metrics: dict[str, float], step: int = 0) -> None:
        """Adds metrics to a run, which may have finished."""
        from mlflow.entities import Metric
        from mlflow.utils.time import get_current_time_millis

        now = get_current_time_millis()
        values = [Metric(name, value, now, step) for name, value in metrics.items()]
        self.client.log_batch(run_id, metrics=values)

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
