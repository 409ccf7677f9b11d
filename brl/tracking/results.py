"""Results in MLflow: of streams, and of streams together.

One result is one run, which has the tag `result.digest`: a hash of all that made the result, and of
the scores themselves. A result that is recorded is not recorded again; scores that were computed
again with another outcome are another result.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from brl.config.evaluate import EvaluateParams
from brl.scores.metrics import (
    GROUPS,
    Headline,
    ShotLimits,
    accuracy_by_class,
    headline,
    shot_groups,
)
from brl.scores.scores import Predictions
from brl.tracking.description import Description
from brl.tracking.names import MAX_CLASS_METRICS, accuracy_metrics, flattened
from brl.tracking.runs import RESULT, Runs, curve_points


@dataclass(frozen=True)
class Result:
    """A result to be recorded.

    digest    of the description and of the scores
    headline  headline numbers in %
    by_class  accuracy of each class in %, NaN without test clips
    metrics   both, as MLflow shows them
    """

    about: Description
    digest: str
    headline: Headline
    by_class: dict[str, float]
    metrics: dict[str, float]

    @classmethod
    def of(
        cls,
        about: Description,
        digest: str,
        clips: Predictions,
        classes: pd.DataFrame,
        evaluate: EvaluateParams,
        part: str = "accuracy",
    ) -> "Result":
        """The result that predictions are.

        classes: a row for each class with its name, `class`, and its `train_clips`. evaluate: what
        groups them. part: the first part of the metrics' names; `accuracy` means test clips
        everywhere.
        """
        train_clips = classes["train_clips"].to_numpy()
        groups, limits = shot_groups(train_clips, evaluate), ShotLimits.of(train_clips, evaluate)
        numbers = headline(clips, groups)
        by_class = dict(zip(classes["class"], accuracy_by_class(clips).tolist(), strict=True))
        sizes = {f"subset/{group}_shot_classes": float(sum(groups == group)) for group in GROUPS}
        bounds = {f"subset/{name}": float(clips) for name, clips in limits.by_name.items()}
        metrics = accuracy_metrics(numbers, by_class, part) | sizes | bounds
        return cls(about, digest, numbers, by_class, metrics)


@dataclass(frozen=True)
class Weights:
    """Where the tested weights of a stream come from.

    training  description of the stream's training
    trained   hash of the weights as they were trained; empty if unknown
    tested    hash of the weights as they were tested: others if the classifier was changed
    file      the tested weights, which may be missing; None if they are not kept
    curve     the training curve, a row for each epoch; it may have none
    """

    training: Description
    trained: str
    tested: str
    file: Path | None
    curve: pd.DataFrame


def record_stream(runs: Runs, result: Result, weights: Weights) -> str:
    """Records the result of a stream, unless it is recorded; returns the id of its run.

    It is the run of the training if that has no result yet. Another result of the same training is
    a run of its own, which links that run.
    """
    if waiting := runs.find_training(weights.training.digest(weights.tested)):
        _add_result(runs, waiting.info.run_id, result)
        return waiting.info.run_id
    if known := runs.find(f"tags.`{RESULT}` = '{result.digest}'"):
        return known.info.run_id
    return _new_stream(runs, result, weights)


def _new_stream(runs: Runs, result: Result, weights: Weights) -> str:
    """Records the result of a stream as a new run; returns its id."""
    of_kind = f"tags.kind = '{result.about.kind}'"
    with_weights = runs.search(of_kind, f"tags.`weights.digest` = '{weights.trained}'")
    trained = with_weights[-1].info if with_weights else None  # the oldest: that of the training
    tags = {"weights.digest": weights.tested} if weights.tested else {}
    if trained:
        tags["trained.run"] = trained.run_id
        link = runs.link(trained.run_id, trained.run_name)
        tags["mlflow.note.content"] = f"Trained in {link}"
    else:  # by which the training's own run is found if it is in another store
        tags["training.digest"] = weights.training.digest(weights.tested)
    run_id = runs.create_described(result.about, tags)
    if trained is None:
        rows = weights.curve.to_dict("records")
        runs.log_points(run_id, [point for row in rows for point in curve_points(row)])
    kept = weights.file is not None and weights.file.exists()
    if kept and (trained is None or weights.trained != weights.tested):
        runs.client.log_artifact(run_id, str(weights.file))
    _add_result(runs, run_id, result)
    runs.client.set_terminated(run_id)
    return run_id


def record_probe(runs: Runs, result: Result, encoder: str, tags: dict[str, str]) -> None:
    """Records an evaluation of an encoder, unless it is recorded.

    It is shown below the run of the pre-training. encoder: hash of the pre-trained encoder's file,
    also for the evaluation of random weights beside it. tags: additional ones.
    """
    if runs.find(f"tags.`{RESULT}` = '{result.digest}'"):
        return
    tags = tags | {"pretrained.digest": encoder}
    pretraining = runs.find("tags.kind = 'pretraining'", f"tags.`weights.digest` = '{encoder}'")
    if pretraining:
        tags["mlflow.parentRunId"] = pretraining.info.run_id
    run_id = runs.create_described(result.about, tags)
    _add_result(runs, run_id, result)
    runs.client.set_terminated(run_id)


def record_fused(
    runs: Runs,
    result: Result,
    streams: dict[str, str],
    tags: dict[str, str],
    artifacts: tuple[Path, ...] = (),
) -> str:
    """Records the result of several streams together, unless it is recorded; returns its run's id.

    streams: ids of the runs that hold the streams' results. tags: additional ones. artifacts: files
    to attach; missing ones are left out.
    """
    if known := runs.find(f"tags.`{RESULT}` = '{result.digest}'"):
        return known.info.run_id
    links = {f"run.{stream}": run_id for stream, run_id in streams.items()}
    lines = [f"- {runs.link(run_id, stream)}" for stream, run_id in streams.items()]
    note = {"mlflow.note.content": "Streams:\n\n" + "\n".join(lines)}
    run_id = runs.create_described(result.about, links | note | tags)
    for artifact in artifacts:
        if artifact.exists():
            runs.client.log_artifact(run_id, str(artifact))
    _add_result(runs, run_id, result)
    runs.client.set_terminated(run_id)
    return run_id


def adopt(runs: Runs, parent: str, children: list[str], again: bool = False) -> None:
    """Shows runs below another one. again: also those that have a parent already."""
    for child in children:
        tags = runs.client.get_run(child).data.tags
        if again or "mlflow.parentRunId" not in tags:
            runs.set_tags(child, {"mlflow.parentRunId": parent})


def _add_result(runs: Runs, run_id: str, result: Result) -> None:
    """Adds a result to a run; the digest last, since until then the result is not recorded."""
    runs.log_params(run_id, flattened(result.about.params))
    runs.log_metrics(run_id, result.metrics)
    if len(by_class := result.by_class) > MAX_CLASS_METRICS:
        table = pd.DataFrame({"class": by_class.keys(), "accuracy": by_class.values()})
        # MLflow asks pandas for columns of objects, and means text.
        table = table.astype({"class": object})
        runs.client.log_table(run_id, table, "by_class.json")
    runs.set_tags(run_id, result.about.tags | {RESULT: result.digest})
