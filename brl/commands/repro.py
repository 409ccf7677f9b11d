"""The pipeline with its streams side by side.

`dvc repro` runs one stage after the other. Here each stream's three stages are a DVC process of
their own, at most N at a time, before and after which plain `dvc repro` does the rest. How many
is a matter of the machine: no parameter, no part of a stage's command, no reason to train again.
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
import torch
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from brl.commands.pipeline import DVC
from brl.config.params import read_params
from brl.support.errors import UserError
from brl.support.process_groups import Processes

LOGS = Path("logs")
# What DVC says when another one uses the project or the same files: no failure of the stage.
BUSY = ("Unable to acquire lock", "is busy, it is being blocked by")
PATIENCE_SECONDS = 600.0  # how long nothing but refusals is borne
AT_WORK_SECONDS = 30.0  # a process this old was not refused


def visible_gpus() -> list[str]:
    """The GPUs that may be used, by the names that CUDA_VISIBLE_DEVICES has for them."""
    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = named.split(",") if named else map(str, range(count))
    return [name.strip() for name in names][:count]


def worker_environments(jobs: int) -> list[dict[str, str]]:
    """What is set for each of the processes that run side by side: a GPU each in turn, or a share
    of the CPU's cores, unless the user set it."""
    gpus = visible_gpus()
    environment = {
        "OMP_NUM_THREADS": str(max(1, joblib.cpu_count() // jobs)),
        **os.environ,
        "BRL_PROCESSES": "1",
        "PYTHONUNBUFFERED": "1",  # a log can be followed
    }
    return [
        environment | ({"CUDA_VISIBLE_DEVICES": gpus[place % len(gpus)]} if gpus else {})
        for place in range(jobs)
    ]


def stream_command(stream: str) -> list[str]:
    """Runs a stream's stages, and (-s) nothing else: no two such processes touch one file."""
    return [*DVC, "-s", *(f"{stage}@{stream}" for stage in ("train", "classify", "predict"))]


def was_refused(output: str) -> bool:
    """Whether a DVC process failed because another one was in its way, by its last error."""
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    return bool(errors) and any(words in errors[-1] for words in BUSY)


def reason(output: str) -> str:
    """Why a stream failed: the stage's own line, or what stands last."""
    lines = [line for line in output.splitlines() if line.strip()]
    said = [line for line in lines if line.startswith("error: ")]
    return "\n".join(said[-1:] or lines[-2:])


class StreamRun:
    """A stream on its way: DVC processes, one after the other until one is not refused."""

    def __init__(self, stream: str, environment: dict[str, str], processes: Processes) -> None:
        self.stream, self.environment = stream, environment
        self.log = LOGS / f"{stream}.log"
        self.log.write_bytes(b"")
        self.started = time.monotonic()
        self._processes = processes
        self._try()

    def _try(self) -> None:
        self._tried = time.monotonic()
        self._again: float | None = None
        with self.log.open("ab") as log:
            self._offset = log.tell()
            self._process = self._processes.start(
                stream_command(self.stream), self.environment, log
            )

    def output(self) -> str:
        """What the last process wrote."""
        return self.log.read_bytes()[self._offset :].decode(errors="replace")

    def at_work(self) -> bool:
        """Whether its process is past the point where DVC refuses."""
        return self._again is None and time.monotonic() - self._tried > AT_WORK_SECONDS

    def succeeded(self) -> bool | None:
        """None while it goes on; tries again, after a wait, what was refused."""
        if self._again is not None:
            if time.monotonic() > self._again:
                self._try()
            return None
        code = self._processes.exit_code(self._process)
        if code and was_refused(self.output()):
            self._again = time.monotonic() + random.uniform(0.5, 2)
            return None
        return None if code is None else code == 0

    def report(self, succeeded: bool) -> str:
        """In words, how it ended, and when."""
        took = timedelta(seconds=round(time.monotonic() - self.started))
        if succeeded:
            return f"{self.stream}: done in {took}"
        return (
            f"{reason(self.output())}\n{self.stream}: failed after {took}; all it said: {self.log}"
        )

    def blocked(self) -> str:
        """Who is in its way, by what the last refusal said."""
        lines = self.log.read_text(errors="replace").splitlines()
        blockers = dict.fromkeys(line.strip() for line in lines if line.startswith("  (PID "))
        return (
            f"{self.stream}: for {PATIENCE_SECONDS / 60:.0f} minutes another DVC process has been "
            f"in the way; wait for it or end it, then make repro again {' '.join(blockers)}"
        )


def run_streams(streams: Iterable[str], jobs: int, processes: Processes) -> list[str]:
    """Runs all streams, at most `jobs` at a time, and says so. Returns those that failed."""
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


def reproduce_side_by_side(jobs: int) -> None:
    """Runs the pipeline with at most `jobs` streams at a time.

    Raises UserError where a stream failed: the others are done then, and nothing is fused.
    """
    streams = read_params().streams
    jobs = min(jobs, len(streams))
    with Processes() as processes:
        processes.run([*DVC, "subsample"])
        failed = run_streams(streams, jobs, processes)
        if failed:
            raise UserError(
                f"failed: {', '.join(failed)}; nothing was fused. The other streams are done: put "
                f"right what {LOGS}/ says, and make repro goes on from here"
            )
        processes.run([*DVC])
