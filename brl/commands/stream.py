"""The stages of one stream of the pipeline, as a worker runs them: with a DVC of their own.

Several DVC processes work in one folder at a time. One that finds the project or its files in use
gives up, and is started again. Workers load this module, so it imports nothing slow.
"""

import os
import random
import time
from datetime import timedelta
from pathlib import Path

import yaml

from brl.cluster.versions import prove_versions
from brl.commands.pipeline import DVC
from brl.support.errors import UserError
from brl.support.programs import run_program

LOGS = Path("logs")
# DVC's errors if another DVC process uses the project or the same files; the stage has not failed.
BUSY = ("Unable to acquire lock", "is busy, it is being blocked by")
PATIENCE_SECONDS = 600.0  # time after which a stream that is refused gives up
AT_WORK_SECONDS = 30.0  # a process that ran this long was not refused from its start


def prove_folder(marked: str, versions: dict[str, str]) -> None:
    """Raises UserError, with the remedy, if this worker would not do what the pipeline does.

    marked: the name of a file in logs/ of the pipeline's folder. versions: those that it has.
    """
    if not (LOGS / marked).exists():
        raise UserError(
            f"{Path.cwd()} is not the folder of the pipeline: start workers in that one, on a disk "
            "that all machines see"
        )
    prove_versions(versions)


def stream_stages() -> list[str]:
    """The stages that dvc.yaml runs once per stream, in order."""
    stages = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    return [name for name, stage in stages.items() if stage.get("foreach") == "${streams}"]


def stream_command(stream: str) -> list[str]:
    """The DVC command that runs the stages of one stream.

    With -s it runs no other stages, so that parallel processes write no common files.
    """
    return [*DVC, "-s", *(f"{stage}@{stream}" for stage in stream_stages())]


def run_stream(stream: str) -> tuple[bool, str]:
    """Runs the stages of a stream, with output in logs/; returns whether they did, and a message.

    A training has one process: the others of a machine, or its other GPUs, have other streams.
    """
    log = LOGS / f"{stream}.log"
    begun = time.monotonic()
    patience = begun + PATIENCE_SECONDS
    environment = os.environ | {"BRL_PROCESSES": "1", "PYTHONUNBUFFERED": "1"}
    with log.open("wb") as file:
        while True:
            offset, started = file.tell(), time.monotonic()
            code = run_program(stream_command(stream), environment, file)
            file.seek(0, os.SEEK_END)
            output = log.read_bytes()[offset:].decode(errors="replace")
            duration = timedelta(seconds=round(time.monotonic() - begun))
            if not code:
                return True, f"{stream}: done in {duration}"
            if not was_refused(output):
                return False, f"{reason(output)}\n{stream}: failed after {duration}; see {log}"
            if time.monotonic() - started > AT_WORK_SECONDS:
                patience = time.monotonic() + PATIENCE_SECONDS
            if time.monotonic() > patience:
                return False, blocked(stream, output)
            time.sleep(random.uniform(0.5, 2))


def was_refused(output: str) -> bool:
    """Whether the last error of a DVC process is that another process blocks it."""
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    return bool(errors) and any(words in errors[-1] for words in BUSY)


def reason(output: str) -> str:
    """Why a stream failed: the stage's error message, or the last two lines."""
    lines = [line for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return "\n".join(errors[-1:] or lines[-2:])


def blocked(stream: str, output: str) -> str:
    """A message that names the processes that block a stream, as DVC does."""
    lines = [line.strip() for line in output.splitlines()]
    blockers = dict.fromkeys(line for line in lines if line.startswith("(PID "))
    return (
        f"{stream}: for {PATIENCE_SECONDS / 60:.0f} minutes another DVC process has blocked it; "
        f"wait for it or end it, then run make repro again {' '.join(blockers)}"
    )
