"""What is recorded in MLflow: a run a trained stream, an evaluated pipeline, a compared method.

Runs are found by what they made, the hash of their weights: so an evaluation links its streams'
runs also when DVC skipped or restored them.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from brl.config.params import Params
from brl.report.words import data_in_words, method_in_words
from brl.streams.stream import Stream
from brl.support.errors import UserError
from brl.support.processes import this_process
from brl.tracking.machine import describe_device, peak_memory_mb
from brl.tracking.store import connect, enabled, find_run, log_metrics, tracking_uri


def flattened(params: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters with dotted names."""
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, dict):
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def class_metric(label: int, name: str, num_classes: int) -> str:
    """Metric name of a class's accuracy: sorts by label, only characters that MLflow takes."""
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return f"accuracy/class/{label:0{len(str(num_classes - 1))}d}_{slug}"


def accuracy_metrics(
    headline: dict[str, float | None], by_class: dict[str, float]
) -> dict[str, float]:
    """Headline numbers and class accuracies as metrics; what is not defined is left out."""
    metrics = {f"accuracy/{name}": value for name, value in headline.items() if value is not None}
    for label, (name, value) in enumerate(by_class.items()):
        if value == value:  # NaN: a class without test clips
            metrics[class_metric(label, name, len(by_class))] = value
    return metrics


def subset_metrics(summary: dict[str, float]) -> dict[str, float]:
    """What a training subset is like, as metrics."""
    return {f"subset/{name}": value for name, value in summary.items()}


def in_words(params: Params) -> dict[str, str]:
    """The tags by which runs are told apart in a list."""
    return {"method": method_in_words(params), "data": data_in_words(params)}


@dataclass(frozen=True)
class SubsetRecord:
    """The training subset as a run's dataset input: dataset, hash, and its summary in numbers."""

    dataset: str
    digest: str
    summary: dict[str, float]


@contextmanager
def training_run(
    stream: Stream,
    fingerprint: str,
    params: dict[str, Any],
    subset: SubsetRecord,
    name: str | None = None,
    more_tags: dict[str, str] | None = None,
) -> Iterator["TrainingRun | None"]:
    """The run of a training, None where nothing is recorded; called as its stream, or `name`.

    An interrupted training that goes on (same fingerprint) goes on in its own run.
    """
    if not enabled():
        yield None
        return
    client, experiment_id = connect()
    import mlflow

    unfinished = find_run(
        client, experiment_id, f"tags.fingerprint = '{fingerprint}'", "status != 'FINISHED'"
    )
    run_id = unfinished.info.run_id if unfinished else None
    tags = {"kind": "stream", "stream": stream.name, "fingerprint": fingerprint}
    tags |= _surroundings()
    with mlflow.start_run(run_id, experiment_id, run_name=name or stream.name) as run:
        mlflow.set_tags(tags | (more_tags or {}))
        if unfinished is None:
            mlflow.log_params(flattened(params))
            mlflow.log_metrics(subset_metrics(subset.summary))
            _log_subset(subset)
        told = client.get_metric_history(run.info.run_id, "train/loss")
        yield TrainingRun(run.info.run_id, epochs=max((point.step for point in told), default=0))


def _log_subset(subset: SubsetRecord) -> None:
    """The subset as the active run's dataset."""
    import mlflow
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    source = CodeDatasetSource(tags={"clips": str(subset.summary["clips"])})
    # Abstract in mlflow's annotations only: its documentation makes one like this.
    dataset = MetaDataset(source, subset.dataset, subset.digest[:36])  # type: ignore[abstract]
    mlflow.log_input(dataset, context="training")
    mlflow.set_tag("subset.digest", subset.digest)


class TrainingRun:
    """The running training's run; epochs: how many of the curve it holds already."""

    def __init__(self, run_id: str, epochs: int) -> None:
        self.run_id = run_id
        self.epochs = epochs

    def log_epoch(self, row: dict[str, float]) -> None:
        """A row of the training curve, unless the run holds it already."""
        if row["epoch"] <= self.epochs:
            return
        import mlflow

        curve = {f"train/{name}": value for name, value in row.items() if name != "epoch"}
        mlflow.log_metrics(curve, step=int(row["epoch"]))

    def finish(self, weights: Path, digest: str) -> None:
        """Keeps the weights, and the hash by which `predict` and `evaluate` find the run."""
        import mlflow

        mlflow.log_metric("train/peak_memory_mb", peak_memory_mb())
        mlflow.log_artifact(str(weights))
        mlflow.set_tag("weights.digest", digest)


def record_weights(
    stream: Stream, params: dict[str, Any], weights: Path, digest: str, origin: str | None = None
) -> None:
    """A run of a stream whose weights no training of this store left as they are.

    They are a checkpoint's, or those of hash `origin` with another classifier; `params`
    say how they came. Where this store knows the run of that hash, a note links it.
    """
    if not enabled():
        return
    client, experiment_id = connect()
    import mlflow

    tags = {"kind": "stream", "stream": stream.name, "weights.digest": digest}
    if origin is None:
        tags["trained"] = "elsewhere"
    else:
        tags["trained.digest"] = origin
        if run := find_run(client, experiment_id, f"tags.`weights.digest` = '{origin}'"):
            link = f"[its run](#/experiments/{experiment_id}/runs/{run.info.run_id})"
            tags["mlflow.note.content"] = f"Classifier changed after training: {link}"
    with mlflow.start_run(experiment_id=experiment_id, run_name=stream.name):
        mlflow.set_tags(tags | _surroundings())
        mlflow.log_params(flattened(params))
        mlflow.log_artifact(str(weights))


def record_test(stream: Stream, weights_digest: str, metrics: dict[str, float]) -> None:
    """Adds test accuracies to the run that trained the weights.

    Where this store does not know that run (weights restored by DVC, trained elsewhere), a run
    of that name is made, so that no result is missing.
    """
    if not enabled():
        return
    client, experiment_id = connect()
    run = find_run(client, experiment_id, f"tags.`weights.digest` = '{weights_digest}'")
    if run is None:
        tags = {"kind": "stream", "stream": stream.name, "weights.digest": weights_digest}
        tags["mlflow.note.content"] = "Weights restored by DVC: trained outside this store."
        run = client.create_run(experiment_id, run_name=stream.name, tags=tags | _surroundings())
        client.set_terminated(run.info.run_id)
    log_metrics(client, run.info.run_id, metrics)


def record_pipeline(
    params: Params,
    subset: SubsetRecord,
    metrics: dict[str, float],
    weights_digests: dict[str, str],
    artifacts: list[Path],
) -> None:
    """A run of an evaluated pipeline, linked with the runs of its streams, both ways."""
    if not enabled():
        return
    client, experiment_id = connect()
    import mlflow

    name = f"{method_in_words(params)}: {data_in_words(params)}, seed {params.seed}"
    digest = pipeline_digest(weights_digests, params)
    tags = {"kind": "pipeline", "pipeline.digest": digest, **in_words(params), **_surroundings()}
    with mlflow.start_run(experiment_id=experiment_id, run_name=name) as parent:
        mlflow.set_tags(tags)
        _log_subset(subset)
        mlflow.log_params(flattened(params.model_dump()))
        mlflow.log_metrics(metrics)
        for artifact in artifacts:
            mlflow.log_artifact(str(artifact))
        links = []
        for stream, digest in weights_digests.items():
            run = find_run(client, experiment_id, f"tags.`weights.digest` = '{digest}'")
            if run is None:
                mlflow.set_tag(f"run.{stream}", "not in this store")
                continue
            run_id = run.info.run_id
            mlflow.set_tag(f"run.{stream}", run_id)
            links.append(f"- [{stream}](#/experiments/{experiment_id}/runs/{run_id})")
            # A run has one parent: the first pipeline that used it. Later ones link it by tag.
            if "mlflow.parentRunId" not in run.data.tags:
                client.set_tag(run_id, "mlflow.parentRunId", parent.info.run_id)
        mlflow.set_tag("mlflow.note.content", "Streams:\n\n" + "\n".join(links))


def pipeline_digest(weights_digests: dict[str, str], params: Params) -> str:
    """Names what decides a pipeline's probabilities: its streams' weights and what follows."""
    shares = {stream: params.ensemble.weights[stream] for stream in params.streams}
    content = [weights_digests, params.predict.model_dump(), shares]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def find_pipeline(digest: str) -> str:
    """Id of the newest run of an evaluated pipeline; UserError where none is recorded."""
    client, experiment_id = connect()
    run = find_run(client, experiment_id, f"tags.`pipeline.digest` = '{digest}'")
    if run is None:
        raise UserError(
            f"{tracking_uri()}: no run of what is trained here; make repro records one, unless "
            "BRL_TRACKING=off"
        )
    return run.info.run_id


def record_comparison(
    name: str,
    fingerprint: str,
    params: dict[str, Any],
    tags: dict[str, str],
    metrics: dict[str, float],
) -> None:
    """A run of a method from a seed in a comparison, unless there is one of that fingerprint."""
    if not enabled():
        return
    client, experiment_id = connect()
    same = f"tags.fingerprint = '{fingerprint}'"
    if find_run(client, experiment_id, same, "status = 'FINISHED'"):
        return
    import mlflow

    tags = {"kind": "comparison", "fingerprint": fingerprint, **tags, **_surroundings()}
    with mlflow.start_run(experiment_id=experiment_id, run_name=name):
        mlflow.set_tags(tags)
        mlflow.log_params(flattened(params))
        mlflow.log_metrics(metrics)


def record_benchmark(name: str, metrics: dict[str, float], report: Path) -> None:
    """A run of a benchmark: its figures, and the table that describes the machine."""
    if not enabled():
        return
    _, experiment_id = connect()
    import mlflow

    with mlflow.start_run(experiment_id=experiment_id, run_name=name):
        mlflow.set_tags({"kind": "benchmark", **_surroundings()})
        mlflow.log_metrics(metrics)
        mlflow.log_artifact(str(report))


def _surroundings() -> dict[str, str]:
    """Where a run takes place: DVC stage and experiment, process, device, torch."""
    names = {"dvc.stage": "DVC_STAGE", "dvc.exp": "DVC_EXP_NAME"}
    from_dvc = {tag: os.environ[name] for tag, name in names.items() if name in os.environ}
    here = {"process": this_process(), "device": describe_device(), "torch": torch.__version__}
    return from_dvc | here
