"""Programs that end, with all that they started, when this process is interrupted."""

import os
import signal
import subprocess
import time
from typing import IO

from brl.support.launchers import launched

GRACE_SECONDS = 5.0  # between a signal and the next, stronger one
POLL_SECONDS = 0.1


def run_program(
    command: list[str],
    environment: dict[str, str] | None = None,
    output: IO[bytes] | None = None,
) -> int:
    """Runs a program to its end and returns its exit code, by default with this process's output.

    What it leaves running is ended: a stage must not outlive its DVC. It is told with whom it ends;
    see `end_with_launcher`.
    """
    process = subprocess.Popen(
        command,
        env=(environment or os.environ) | launched(),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        return process.wait()
    finally:
        _end_group(process)


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """Ends a process group: SIGINT first, on which DVC and the stages clean up, then harder."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if not _signal_group(process, number):
            return
        deadline = time.monotonic() + GRACE_SECONDS
        while _signal_group(process, 0) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)


def _signal_group(process: "subprocess.Popen[bytes]", number: int) -> bool:
    """Sends a signal to a process group; 0 only tests it. False if no process is left in it."""
    process.poll()
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS raises the latter for an ended process
        return False
    return True
