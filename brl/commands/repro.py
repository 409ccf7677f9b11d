"""Runs the streams of the pipeline in parallel: `brl repro [--jobs N]`.

`dvc repro` runs one stage after the other. Here a separate DVC process runs the stages of each
stream, at most N at a time; plain `dvc repro` runs the stages before and after them. N depends on
the machine only: it is not a parameter, and changing it runs no stage again.
"""

import os
import random
import sys
import time
from collections import deque
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import joblib
import yaml
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from brl.clips.store import ClipStore
from brl.commands.pipeline import DVC, run_dvc
from brl.config.params import Params, read_params
from brl.pretraining.encoder import Pretraining, without_held_out
from brl.subset.subset import read_clips
from brl.support.errors import UserError
from brl.support.gpus import one_gpu_each, visible_gpus
from brl.support.paths import STORE
from brl.support.process_groups import Processes
from brl.training.job import Job
from brl.unseen.folds import FoldTraining

LOGS = Path("logs")
# DVC's errors if another DVC process uses the project or the same files; the stage has not failed.
BUSY = ("Unable to acquire lock", "is busy, it is being blocked by")
PATIENCE_SECONDS = 600.0  # time after which refused streams give up, if none is running
AT_WORK_SECONDS = 30.0  # a process that runs this long was not refused


def worker_environments(jobs: int) -> list[dict[str, str]]:
    """The environment variables of each parallel process.

    Each process gets one GPU, in turn.
    """
    environment = {
        **os.environ,
        "BRL_PROCESSES": "1",
        "PYTHONUNBUFFERED": "1",  # logs are written at once
    }
    return [environment | gpu for gpu in one_gpu_each(jobs)]


def stream_stages() -> list[str]:
    """The stages that dvc.yaml runs once per stream, in order."""
    stages = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return [name for name, stage in stages.items() if stage.get("foreach") == "${streams}"]


def stream_command(stream: str) -> list[str]:
    """The DVC command that runs the stages of one stream.

    With -s it runs no other stages, so that parallel processes write no common files.
    """
    return [*DVC, "-s", *(f"{stage}@{stream}" for stage in stream_stages())]


def was_refused(output: str) -> bool:
    """Whether the last error of a DVC process is that another process blocks it."""
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    return bool(errors) and any(words in errors[-1] for words in BUSY)


def reason(output: str) -> str:
    """Why a stream failed: the stage's error message, or the last two lines."""
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return "\n".join(errors[-1:] or lines[-2:])


class StreamRun:
    """The run of a stream: DVC processes, started one after the other until one is not refused."""

    def __init__(self, stream: str, environment: dict[str, str], processes: Processes) -> None:
        self.stream, self.environment = stream, environment
        self.log = LOGS / f"{stream}.log"
        self.log.write_bytes(b"")
        self.started = time.monotonic()
        self._processes = processes
        self._start()

    def _start(self) -> None:
        self._last_start = time.monotonic()
        self._retry_at: float | None = None
        with self.log.open("ab") as log:
            self._offset = log.tell()
            self._process = self._processes.start(
                stream_command(self.stream), self.environment, log
            )

    def output(self) -> str:
        """The output of the last process."""
        return self.log.read_bytes()[self._offset :].decode(errors="replace")

    def at_work(self) -> bool:
        """Whether its process runs for longer than a refused one."""
        return self._retry_at is None and time.monotonic() - self._last_start > AT_WORK_SECONDS

    def succeeded(self) -> bool | None:
        """Whether the stream succeeded; None while it runs. A refused process is started again."""
        if self._retry_at is not None:
            if time.monotonic() > self._retry_at:
                self._start()
            return None
        code = self._processes.exit_code(self._process)
        if code and was_refused(self.output()):
            self._retry_at = time.monotonic() + random.uniform(0.5, 2)
            return None
        return None if code is None else code == 0

    def report(self, succeeded: bool) -> str:
        """A message on the result and the time of the run."""
        duration = timedelta(seconds=round(time.monotonic() - self.started))
        if succeeded:
            return f"{self.stream}: done in {duration}"
        return f"{reason(self.output())}\n{self.stream}: failed after {duration}; see {self.log}"

    def blocked(self) -> str:
        """An error message that names the process that blocks this stream."""
        lines = self.log.read_text(errors="replace").splitlines()
        blockers = dict.fromkeys(line.strip() for line in lines if line.startswith("  (PID "))
        return (
            f"{self.stream}: for {PATIENCE_SECONDS / 60:.0f} minutes another DVC process has "
            f"blocked it; wait for it or end it, then run make repro again {' '.join(blockers)}"
        )


def run_streams(streams: Iterable[str], jobs: int, processes: Processes) -> list[str]:
    """Runs all streams, at most `jobs` at a time, and prints the progress.

    Returns the streams that failed. Raises UserError if another DVC process blocks all of them.
    """
    LOGS.mkdir(exist_ok=True)
    waiting, free = deque(streams), worker_environments(jobs)
    running: dict[StreamRun, TaskID] = {}
    failed = []
    patience = time.monotonic() + PATIENCE_SECONDS
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as view:
        while waiting or running:
            while waiting and free:
                run = StreamRun(waiting.popleft(), free.pop(0), processes)
                running[run] = view.add_task(run.stream)
                print(f"{run.stream}: started", flush=True)
            ended = {run: done for run in running if (done := run.succeeded()) is not None}
            for run, done in ended.items():
                view.remove_task(running.pop(run))
                free.append(run.environment)
                if not done:
                    failed.append(run.stream)
                print(run.report(done), flush=True)
            if ended or any(run.at_work() for run in running):
                patience = time.monotonic() + PATIENCE_SECONDS
            elif time.monotonic() > patience:
                raise UserError(next(iter(running)).blocked())
            processes.pause()
    return failed


def check_pretraining(params: Params) -> None:
    """Raises UserError where `subsample` left too few clips for the pre-trainings.

    All streams are pre-trained on the same clips, so each would say so.
    """
    jobs = (Job.of(params, stream) for stream in params.streams)
    job = next((job for job in jobs if job.pretrain is not None), None)
    if job is None:
        return
    pretraining, store = Pretraining.of(job), ClipStore.open(STORE)
    clips = without_held_out(store, read_clips(pretraining.listed, store), params)
    pretraining.check(len(clips))
    for fold in FoldTraining.all_of(params, job.stream.name, store):
        pretraining.check(len(fold.pretraining_clips))


def default_jobs() -> int:
    """One stream per GPU or else per core; a single one if several processes share its training."""
    if "BRL_PROCESSES" in os.environ:
        return 1
    return len(visible_gpus()) or joblib.cpu_count()


def reproduce_streams(jobs: int | None) -> None:
    """Runs the pipeline, its streams side by side; one stream at a time is plain `dvc repro`.

    jobs: streams at a time; None: `default_jobs`. Raises UserError if a stream failed, after the
    others have ended; nothing is fused then.
    """
    params = read_params()
    streams = params.streams
    jobs = min(jobs or default_jobs(), len(streams))
    if jobs == 1:
        run_dvc()
        return
    with Processes() as processes:
        processes.run([*DVC, "subsample", "networks"])
        check_pretraining(params)
        failed = run_streams(streams, jobs, processes)
        if failed:
            raise UserError(
                f"failed: {', '.join(failed)}; nothing was fused. The other streams are done: "
                f"correct the error in {LOGS}/, then run make repro again to resume"
            )
        processes.run([*DVC])
