"""Schedulers and workers of Dask, started as users do."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.project import HERE
from tests.test_jobs import until


def started(folder: Path, *words: str) -> subprocess.Popen:
    """A command of Dask that runs in a folder."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(HERE),
        "DVC_ROOT": str(folder),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """The address of a scheduler, and a function that starts a worker in a folder."""
    about = folder / "scheduler.json"
    processes = [
        started(folder, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                "--scheduler-file", str(about))
    ]  # fmt: skip

    def worker(place: Path) -> None:
        processes.append(
            started(place, "worker", "--scheduler-file", str(about), "--nthreads", "2",
                    "--no-dashboard")
        )  # fmt: skip

    try:
        until(about.exists)
        until(lambda: about.read_text())
        yield json.loads(about.read_text())["address"], worker
    finally:
        for process in processes:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
            process.wait()
