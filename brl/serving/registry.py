"""Versions of a model in MLflow's registry: what each was made of, and how good it is."""

from typing import TYPE_CHECKING

from brl.scores.metrics import GROUPS
from brl.tracking.store import connect

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo


def described_version(name: str, logged: "ModelInfo", run_id: str) -> str:
    """Describes a new version by the run that its model was added to; returns its address."""
    client, _ = connect()
    version = str(logged.registered_model_version)
    run = client.get_run(run_id)
    tags = {tag: run.data.tags[tag] for tag in ("method", "data")}
    accuracies = {
        figure: f"{run.data.metrics[f'accuracy/{figure}']:.1f}"
        for figure in ("top1", "mean_class", *GROUPS)
        if f"accuracy/{figure}" in run.data.metrics  # some groups may have no classes
    }
    figures = ", ".join(f"{figure} {value}" for figure, value in accuracies.items())
    description = f"{tags['method']}; {tags['data']}. Test accuracy, %: {figures}."
    client.update_model_version(name, version, description)
    tags |= {f"accuracy/{figure}": value for figure, value in accuracies.items()}
    for tag, value in tags.items():
        client.set_model_version_tag(name, version, tag, value)
    return f"models:/{name}/{version}"
