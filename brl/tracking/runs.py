"""The runs in MLflow: of trained streams, evaluated pipelines and compared methods.

A stream's run is found by the hash of its weights. So an evaluation links the runs of its streams
even if DVC skipped or restored their stages.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brl.config.params import Params
from brl.report.words import data_in_words, method_in_words
from brl.support.addresses import without_passwords
from brl.support.errors import UserError
from brl.support.processes import this_process
from brl.tracking.machine import peak_memory_mb, surroundings
from brl.tracking.store import connect, enabled, find_run, log_metrics, tracking_uri
from brl.tracking.view import run_address

# Torch and MLflow take seconds to import: not before something is recorded.
if TYPE_CHECKING:
    from brl.streams.stream import Stream


def flattened(params: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters as one flat dictionary with dotted names, without passwords."""
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, dict):
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = without_passwords(value) if isinstance(value, str) else value
    return flat


def class_metric(label: int, name: str, num_classes: int) -> str:
    """Metric name of a class's accuracy: sorts by label, and has only characters MLflow accepts."""
    slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    return f"accuracy/class/{label:0{len(str(num_classes - 1))}d}_{slug}"


def accuracy_metrics(
    headline: dict[str, float | None], by_class: dict[str, float]
) -> dict[str, float]:
    """Headline numbers and accuracies by class (name to %) as metrics, undefined ones left out."""
    metrics = {f"accuracy/{name}": value for name, value in headline.items() if value is not None}
    for label, (name, value) in enumerate(by_class.items()):
        if value == value:  # NaN: a class without test clips
            metrics[class_metric(label, name, len(by_class))] = value
    return metrics


def subset_metrics(summary: dict[str, float]) -> dict[str, float]:
    """The summary of a training subset as metrics."""
    return {f"subset/{name}": value for name, value in summary.items()}


def in_words(params: Params) -> dict[str, str]:
    """Tags that describe a run: its method and its data."""
    return {"method": method_in_words(params), "data": data_in_words(params)}


@dataclass(frozen=True)
class SubsetRecord:
    """The training subset as the dataset of a run: dataset name, hash, and summary in numbers."""

    dataset: str
    digest: str
    summary: dict[str, float]


@contextmanager
def training_run(
    stream: "Stream",
    fingerprint: str,
    params: dict[str, Any],
    subset: SubsetRecord,
    name: str | None = None,
    more_tags: dict[str, str] | None = None,
) -> Iterator["TrainingRun | None"]:
    """The run of a training; None if tracking is off.

    An interrupted training that resumes (with the same fingerprint) resumes its run.

    name: of the run; None: that of the stream. more_tags: additional tags of the run. Raises
    UserError if the MLflow store cannot be used, as all functions here that record runs do.
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
    tags |= _surroundings(train=params["train"]["precision"])
    with mlflow.start_run(run_id, experiment_id, run_name=name or stream.name) as run:
        mlflow.set_tags(tags | (more_tags or {}))
        if unfinished is None:
            mlflow.log_params(flattened(params))
            mlflow.log_metrics(subset_metrics(subset.summary))
            _log_subset(subset)
        losses = client.get_metric_history(run.info.run_id, "train/loss")
        last_epoch = max((point.step for point in losses), default=0)
        yield TrainingRun(run.info.run_id, epochs=last_epoch)


def _log_subset(subset: SubsetRecord) -> None:
    """Logs the subset as the dataset of the active run."""
    import mlflow
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    source = CodeDatasetSource(tags={"clips": str(subset.summary["clips"])})
    # Abstract only in MLflow's annotations: its documentation creates one like this.
    dataset = MetaDataset(source, subset.dataset, subset.digest[:36])  # type: ignore[abstract]
    mlflow.log_input(dataset, context="training")
    mlflow.set_tag("subset.digest", subset.digest)


class TrainingRun:
    """The active run of a training. epochs: the number of epochs it has recorded before."""

    def __init__(self, run_id: str, epochs: int) -> None:
        self.run_id = run_id
        self.epochs = epochs

    def log_epoch(self, row: dict[str, float]) -> None:
        """Logs a row of the training curve, unless the run has it already."""
        if row["epoch"] <= self.epochs:
            return
        import mlflow

        curve = {f"train/{name}": value for name, value in row.items() if name != "epoch"}
        mlflow.log_metrics(curve, step=int(row["epoch"]))

    def finish(self, weights: Path, digest: str) -> None:
        """Logs the weights, and the hash by which `predict` and `evaluate` find the run."""
        import mlflow

        mlflow.log_metric("train/peak_memory_mb", peak_memory_mb())
        mlflow.log_artifact(str(weights))
        mlflow.set_tag("weights.digest", digest)


def record_weights(
    stream: "Stream", params: dict[str, Any], weights: Path, digest: str, origin: str | None = None
) -> None:
    """Records a stream whose weights do not come straight from a recorded training.

    They are those of a checkpoint or, if `origin` is given, those with the hash `origin` and a
    changed classifier. If the store has the run of that hash, a note links it. params: the
    parameters that decide the weights; digest: hash of the weights file.
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
            link = f"[its run]({run_address(experiment_id, run.info.run_id)})"
            tags["mlflow.note.content"] = f"Classifier changed after training: {link}"
    with mlflow.start_run(experiment_id=experiment_id, run_name=stream.name):
        mlflow.set_tags(tags | _surroundings())
        mlflow.log_params(flattened(params))
        mlflow.log_artifact(str(weights))


def record_test(stream: "Stream", weights_digest: str, metrics: dict[str, float]) -> None:
    """Adds test accuracies to the run that trained the weights.

    If the store does not have that run (the weights were restored by DVC or trained elsewhere), a
    new run is created, so that no result is missing.
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
    """Records an evaluated pipeline; its run and those of its streams link each other.

    weights_digests: hash of each stream's weights; artifacts: files to attach.
    """
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
            links.append(f"- [{stream}]({run_address(experiment_id, run_id)})")
            # A run has one parent: the first pipeline that used it. Later ones link it by tag.
            if "mlflow.parentRunId" not in run.data.tags:
                client.set_tag(run_id, "mlflow.parentRunId", parent.info.run_id)
        mlflow.set_tag("mlflow.note.content", "Streams:\n\n" + "\n".join(links))


def pipeline_digest(weights_digests: dict[str, str], params: Params) -> str:
    """Hash of all that decides a pipeline's probabilities: weights, test views, ensemble."""
    shares = {stream: params.ensemble.weights[stream] for stream in params.streams}
    content = [weights_digests, params.predict.model_dump(), shares]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def find_pipeline(digest: str) -> str:
    """Id of the newest run of an evaluated pipeline. Raises UserError if none is recorded."""
    client, experiment_id = connect()
    run = find_run(client, experiment_id, f"tags.`pipeline.digest` = '{digest}'")
    if run is None:
        raise UserError(
            f"{tracking_uri()}: has no run of the present pipeline; make repro records one, unless "
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
    """Records a method from one seed in a comparison, unless a run with the fingerprint exists.

    tags: also those of the machines that computed it, which may differ from the present one.
    """
    if not enabled():
        return
    client, experiment_id = connect()
    same = f"tags.fingerprint = '{fingerprint}'"
    if find_run(client, experiment_id, same, "status = 'FINISHED'"):
        return
    import mlflow

    tags = {"kind": "comparison", "fingerprint": fingerprint, **_surroundings(), **tags}
    with mlflow.start_run(experiment_id=experiment_id, run_name=name):
        mlflow.set_tags(tags)
        mlflow.log_params(flattened(params))
        mlflow.log_metrics(metrics)


def record_benchmark(name: str, metrics: dict[str, float], report: Path) -> None:
    """Records a benchmark: its figures, and its report, which also describes the machine."""
    if not enabled():
        return
    _, experiment_id = connect()
    import mlflow

    with mlflow.start_run(experiment_id=experiment_id, run_name=name):
        mlflow.set_tags({"kind": "benchmark", **_surroundings()})
        mlflow.log_metrics(metrics)
        mlflow.log_artifact(str(report))


def _surroundings(**asked: str) -> dict[str, str]:
    """Tags of a run's environment: DVC stage and experiment, process, machine and software.

    asked: the precisions that the run asks for, see `surroundings`.
    """
    names = {"dvc.stage": "DVC_STAGE", "dvc.exp": "DVC_EXP_NAME"}
    from_dvc = {tag: os.environ[name] for tag, name in names.items() if name in os.environ}
    return from_dvc | {"process": this_process()} | surroundings(**asked)
