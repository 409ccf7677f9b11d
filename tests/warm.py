"""A `python3` that starts warm.

A stage of a small pipeline takes most of its time to import libraries. So most tests that run whole
pipelines have DVC find another `python3`: a process that has imported the libraries forks, and runs
the stage as it is. Tests of interpreters, signals and killed processes use the real one.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@contextmanager
def warm_python() -> Iterator[Path]:
    """Yields a folder that holds the other `python3`."""
    with tempfile.TemporaryDirectory(prefix="warm") as name:
        folder = Path(name)
        other = folder / "python3"
        client = HERE / "warm_client.py"
        other.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {client} "$@"\n')
        other.chmod(0o755)
        server = subprocess.Popen(
            [sys.executable, HERE / "warm_server.py", folder / "socket"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"},
        )
        assert server.stdin and server.stdout and server.stdout.readline() == b"ready\n"
        yield folder
        server.stdin.close()
        server.wait()


@contextmanager
def started_warm(folder: Path) -> Iterator[None]:
    """Has DVC and the tests find the `python3` in this folder."""
    programs = Path(sys.executable).parent  # with those that `Project` adds
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}{os.pathsep}{programs}", prepend=os.pathsep)
        patch.setenv("WARM_PYTHON", str(folder / "socket"))
        yield
