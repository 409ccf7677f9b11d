"""The run of a training, which is recorded while it runs."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from brl.support.processes import is_running, this_process
from brl.tracking.description import Description, surroundings
from brl.tracking.failures import StoreFailure, failures_named
from brl.tracking.machine import peak_memory_mb
from brl.tracking.runs import OTHER_STORE, Runs, curve_points
from brl.tracking.store import enabled, tracking_uri
from brl.tracking.unsent import folder, open_store, open_unsent, tell, tell_lost

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run


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
    running. Where the store fails, the run goes on among those that are sent later.
    """

    def __init__(self, about: Description, fingerprint: str) -> None:
        self._about = about
        asked = about.params["train"]["precision"]
        self._tags = {"fingerprint": fingerprint, **surroundings(train=asked)}
        self._runs: Runs | None = None  # None: nothing can be recorded
        self._kept_beside = False
        self._run_id = ""
        self._epochs = 0  # that a resumed run has already
        self._curve: list[Metric] = []
        self._logged = 0  # points of the curve
        self._next_time = 0.0
        try:
            self._runs = open_store()
        except StoreFailure as failure:
            self._leave_store(failure)

    def start(self, run: str) -> str:
        """Starts or resumes the run."""
        self._run_id = run
        self._try(self._begin)
        return self._run_id

    def _begin(self, runs: Runs) -> None:
        self._epochs = self._logged = 0
        former = runs.same(self._run_id)
        if former and not self._is_used(former):
            self._run_id = former.info.run_id
            runs.client.update_run(self._run_id, status="RUNNING")
            runs.set_tags(self._run_id, self._tags | {"process": this_process()})
            losses = runs.client.get_metric_history(self._run_id, "train/loss")
            self._epochs = max((point.step for point in losses), default=0)
        else:
            goes_on = self._kept_beside and former is None and self._run_id
            elsewhere = {OTHER_STORE: self._run_id} if goes_on else {}
            self._run_id = runs.create_of(self._about, self._tags | elsewhere)
            runs.describe(self._run_id, self._about)

    def _is_used(self, run: "Run") -> bool:
        process = run.data.tags.get("process", "")
        return process != this_process() and is_running(process)

    def log_epoch(self, row: dict[str, float]) -> None:
        """Logs a row, unless the resumed run has it.

        Of a slow store, several rows at once: logging takes at most a twentieth of the time.
        """
        self._curve += curve_points(row)
        if (begun := time.monotonic()) >= self._next_time:
            self._try(self._log_curve)
            self._next_time = time.monotonic() + 20 * (time.monotonic() - begun)

    def _log_curve(self, runs: Runs) -> None:
        new = [point for point in self._curve[self._logged :] if point.step > self._epochs]
        runs.log_points(self._run_id, new)
        self._logged = len(self._curve)

    def finish(self, weights: Path, digest: str) -> None:
        """Logs weights, hashes and peak memory."""
        self._try(self._log_curve)
        self._try(partial(self._log_end, weights, digest))

    def _log_end(self, weights: Path, digest: str, runs: Runs) -> None:
        runs.log_metrics(self._run_id, {"train/peak_memory_mb": peak_memory_mb()})
        runs.client.log_artifact(self._run_id, str(weights))
        digests = {"weights.digest": digest, "training.digest": self._about.digest(digest)}
        runs.set_tags(self._run_id, digests)

    def end(self, status: str) -> None:
        """Ends the run, if it was started."""
        if self._run_id:
            self._try(partial(self._end, status))

    def _end(self, status: str, runs: Runs) -> None:
        self._log_curve(runs)
        runs.client.set_terminated(self._run_id, status)

    def _try(self, work: Callable[[Runs], None]) -> None:
        """Does a part of the recording, which can be repeated; it never ends the training."""
        if self._runs is None:
            return
        try:
            with failures_named(str(folder()) if self._kept_beside else tracking_uri()):
                work(self._runs)
        except StoreFailure as failure:
            self._leave_store(failure)
            if self._run_id:
                self._try(self._begin)
            self._try(work)

    def _leave_store(self, failure: StoreFailure) -> None:
        """Goes on without the store that has failed: beside it, or if need be nowhere."""
        self._runs = None
        if self._kept_beside:
            tell_lost(failure)
            return
        tell(failure)
        self._kept_beside = True
        try:
            self._runs = open_unsent()
        except StoreFailure as second:
            tell_lost(second)


@contextmanager
def training_run(about: Description, fingerprint: str) -> Iterator[TrainingRun]:
    """The run of a training, which fails if the block raises an error.

    fingerprint: hash of all that the training depends on. Raises UserError for a mistake in
    MLflow's variables. A store that fails is told, and does not disturb the training.
    """
    run = RecordedTraining(about, fingerprint) if enabled() else TrainingRun()
    try:
        yield run
    except BaseException:
        run.end("FAILED")
        raise
    run.end("FINISHED")
