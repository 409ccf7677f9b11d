"""Processes: which one is at work, whether it still runs, and how many threads it uses."""

import os
import platform
import signal
import time
from contextlib import suppress
from multiprocessing import active_children

import psutil

SECONDS_TO_CLEAN_UP, SECONDS_TO_DIE = 20, 10
POLL_SECONDS = 0.1


def use_one_thread() -> None:
    """Has torch compute with one thread, as stages do, unless OMP_NUM_THREADS is set."""
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def end_children() -> None:
    """Ends the processes that `multiprocessing` started here, and all that these started.

    The latter are interrupted first, so that a stage can end the run that records it.
    """
    children = []
    for child in active_children():
        with suppress(psutil.NoSuchProcess):
            children.append(psutil.Process(child.pid))
    started = _started_by(children)
    try:
        for process in started:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + SECONDS_TO_CLEAN_UP
        while any(map(_is_at_work, started)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    finally:
        processes = [*children, *started, *_started_by(children)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(processes, timeout=SECONDS_TO_DIE)


def _started_by(processes: list[psutil.Process]) -> list[psutil.Process]:
    started = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            started += process.children(recursive=True)
    return started


def _is_at_work(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def this_process() -> str:
    """An identifier of this process: host name, process id and start time."""
    process = psutil.Process()
    return f"{platform.node()} {process.pid} {process.create_time():.0f}"


def is_gone(process: str) -> bool:
    """Whether a process has ended, given the identifier that `this_process` returned in it.

    False if it ran on another machine, or if the text is no such identifier: then nobody knows.
    """
    return _runs_here(process) is False


def is_running(process: str) -> bool:
    """Whether a process runs on this machine. False if it ran elsewhere: then nobody knows."""
    return _runs_here(process) is True


def _runs_here(process: str) -> bool | None:
    node, *rest = process.rsplit(" ", 2)
    if node != platform.node() or len(rest) < 2:
        return None
    pid, started = rest
    try:
        return f"{psutil.Process(int(pid)).create_time():.0f}" == started
    except psutil.NoSuchProcess:
        return False
