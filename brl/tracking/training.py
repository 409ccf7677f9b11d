"""The run of a training, which is recorded while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brl.support.processes import is_running, this_process
from brl.tracking.description import Description, surroundings
from brl.tracking.machine import peak_memory_mb
from brl.tracking.runs import Runs
from brl.tracking.store import enabled


class TrainingRun:
    """The run of a training; here nothing is recorded."""

    def start(self, run: str) -> str:
        """Starts or resumes the run; returns its id, by which a resumed training finds it.

        run: the id that the checkpoint holds; empty for a training that starts afresh.
        """
        return run

    def log_epoch(self, row: dict[str, float]) -> None:
        """Logs a row of the training curve, unless the run has it already."""

    def finish(self, weights: Path, digest: str) -> None:
        """Logs the weights, and the hashes by which the stream's result finds the run."""

    def end(self, status: str) -> None:
        """Ends the run."""


class RecordedTraining(TrainingRun):
    """The run of a training in MLflow.

    A training that starts afresh is a new run. One that resumes from a checkpoint resumes the run
    that the checkpoint names, unless that was deleted or belongs to another process that is still
    running.
    """

    def __init__(self, about: Description, fingerprint: str) -> None:
        self._runs, self._about = Runs(), about
        asked = about.params["train"]["precision"]
        self._tags = {"fingerprint": fingerprint, **surroundings(train=asked)}
        self._run_id = ""
        self._epochs = 0

    def start(self, run: str) -> str:
        """Starts or resumes the run."""
        client = self._runs.client
        if run and self._can_resume(run):
            self._run_id = run
            client.update_run(run, status="RUNNING")
            self._runs.set_tags(run, self._tags | {"process": this_process()})
            losses = client.get_metric_history(run, "train/loss")
            self._epochs = max((point.step for point in losses), default=0)
        else:
            self._run_id = self._runs.create_described(self._about, self._tags)
        return self._run_id

    def _can_resume(self, run_id: str) -> bool:
        from mlflow import MlflowException
        from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

        try:
            run = self._runs.client.get_run(run_id)
        except MlflowException as error:
            if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                return False
            raise
        process = run.data.tags.get("process", "")
        used = process != this_process() and is_running(process)
        return run.info.lifecycle_stage == "active" and not used

    def log_epoch(self, row: dict[str, float]) -> None:
        """Logs a row, unless the resumed run has it."""
        if row["epoch"] > self._epochs:
            curve = {f"train/{name}": value for name, value in row.items() if name != "epoch"}
            self._runs.log_metrics(self._run_id, curve, step=int(row["epoch"]))

    def finish(self, weights: Path, digest: str) -> None:
        """Logs weights, hashes and peak memory."""
        self._runs.log_metrics(self._run_id, {"train/peak_memory_mb": peak_memory_mb()})
        self._runs.client.log_artifact(self._run_id, str(weights))
        digests = {"weights.digest": digest, "training.digest": self._about.digest(digest)}
        self._runs.set_tags(self._run_id, digests)

    def end(self, status: str) -> None:
        """Ends the run, if it was started."""
        if self._run_id:
            self._runs.client.set_terminated(self._run_id, status)


@contextmanager
def training_run(about: Description, fingerprint: str) -> Iterator[TrainingRun]:
    """The run of a training, which fails if the block raises an error.

    fingerprint: hash of all that the training depends on. Raises UserError if the MLflow store
    cannot be used, as everything here that records runs does.
    """
    run = RecordedTraining(about, fingerprint) if enabled() else TrainingRun()
    try:
        yield run
    except BaseException:
        run.end("FAILED")
        raise
    run.end("FINISHED")
