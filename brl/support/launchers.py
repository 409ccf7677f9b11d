"""Processes that end with the program that started them, also if that was killed.

A signal that kills a program reaches none of its children: they would go on, at work for nobody
and beside their successors. So each looks whether all processes from it up to its launcher are
there. The kernel's own means (prctl) knows the parent alone, which may be a shell between the two,
and takes the end of the thread that started the child for the end of its parent.
"""

import os
import signal
import sys
import threading
from contextlib import suppress
from itertools import pairwise

import psutil

LAUNCHER = "BRL_LAUNCHER"  # names, to a program, the process with which it ends
POLL_SECONDS = 0.25


def launched() -> dict[str, str]:
    """The variable that a program needs in its environment to end with this process."""
    return {LAUNCHER: str(os.getpid())}


def end_with_launcher() -> None:
    """Has this process end with its launcher: `brl` or make, which told it, or else DVC."""
    if pid := os.environ.get(LAUNCHER):
        end_with(int(pid))
    elif "DVC_STAGE" in os.environ:
        end_with(_dvc())


def end_with(launcher: int) -> None:
    """Has this process killed as soon as an ancestor of it, or a process between them, has ended.

    Exits with code 1 if it has ended already. launcher: the process id of the ancestor.
    """
    this = psutil.Process()
    line = [this, *this.parents()]
    pids = [process.pid for process in line]
    if launcher not in pids:
        sys.exit(f"error: process {launcher}, which started this one, has ended")
    line = line[: pids.index(launcher) + 1]
    threading.Thread(target=_watch, args=(line,), daemon=True).start()


def _watch(line: list[psutil.Process]) -> None:
    """Kills this process when one of a line of processes, each the child of the next, has ended."""
    never = threading.Event()
    with suppress(psutil.NoSuchProcess):
        # A killed process may stay as a zombie, but its children get another parent at once.
        while all(child.ppid() == parent.pid for child, parent in pairwise(line)):
            never.wait(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


def _dvc() -> int:
    """The process id of the DVC that runs this stage.

    Between the two may be the shell that DVC gave the stage's command to, with the stage's
    environment. Some shells run their last command in their own place, some do not.
    """
    *between, oldest = psutil.Process().parents()
    for process in between:
        try:
            if "DVC_STAGE" not in process.environ():
                return process.pid
        except psutil.Error:  # it belongs to somebody else
            return process.pid
    return oldest.pid
