"""The project's view of its runs in MLflow: columns, order and filter of the table.

A named view is a tag of the experiment, as MLflow's own button "Save view" makes it.
"""

import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

NAME = "Results"
KEY = "results"
# Without it MLflow shows the pages for language models.
WORKFLOW = "workflowType=machine_learning"
# Runs of streams are children of their pipeline's run, evaluations of an encoder of the run of its
# pre-training: one row per pipeline, pre-training or method suffices.
SHOWN = "tags.kind != 'stream' and tags.kind != 'probe' and tags.kind != 'benchmark'"
RUN_NAME = "attributes.`Run Name`"
WIDTHS = {  # of each column, in points; in this order
    RUN_NAME: 480,
    "tags.`method`": 200,
    "tags.`data`": 220,
    "metrics.`accuracy/top1`": 110,
    "metrics.`accuracy/few`": 110,
}


def save_view(client: "MlflowClient", experiment: "Experiment") -> None:
    """Saves the view in the experiment."""
    state = {
        "searchFilter": SHOWN,
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "selectedColumns": [column for column in WIDTHS if column != RUN_NAME],
        "columnOrder": list(WIDTHS),
        "columnWidths": WIDTHS,
    }
    view = {"name": NAME, "createdAt": experiment.creation_time, "state": json.dumps(state)}
    tag = f"mlflow.sharedViewState.{KEY}"
    client.set_experiment_tag(experiment.experiment_id, tag, json.dumps(view))


def view_address(experiment_id: str) -> str:
    """The address of the view, to be put after that of the server."""
    return f"#/experiments/{experiment_id}/runs?{WORKFLOW}&{urlencode({'viewStateShareKey': KEY})}"


def run_address(experiment_id: str, run_id: str) -> str:
    """The address of a run, to be put after that of the server, or into a description."""
    return f"#/experiments/{experiment_id}/runs/{run_id}?{WORKFLOW}"
