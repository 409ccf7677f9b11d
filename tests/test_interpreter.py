"""Stages run in the project's environment, also if `dvc` was called without activating it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import HERE


@pytest.fixture
def foreign(tmp_path) -> list[str]:
    """An interpreter without packages, as that of a system."""
    return [getattr(sys, "_base_executable", sys.executable), "-S"]


def run(foreign: list[str], folder: Path, *arguments: str, **environment: str):
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [*foreign, "-m", *arguments],
        cwd=HERE,
        env=clean | {"DVC_ROOT": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("called", "stage", "expected"),
    [
        (("stages.train", "bone"), "train@bone", "-m stages.train bone\n"),
        (("stages.ensemble",), "ensemble", "-m stages.ensemble\n"),
    ],
)
def test_the_interpreter_of_the_project_takes_over(foreign, tmp_path, called, stage, expected):
    own = tmp_path / ".venv/bin/python"
    own.parent.mkdir(parents=True)
    own.write_text('#!/bin/sh\necho "$@"\n')
    own.chmod(0o755)
    done = run(foreign, tmp_path, *called, DVC_STAGE=stage)
    assert (done.stdout, done.stderr, done.returncode) == (expected, "", 0)


def test_without_one_there_is_one_line_that_says_how_to_go_on(foreign, tmp_path):
    done = run(foreign, tmp_path, "stages.ensemble", DVC_STAGE="ensemble")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "lacks packages of this project; activate" in done.stderr
    assert done.stderr.endswith("dvc checkout\n")


def test_an_environment_of_its_own_without_packages_is_no_endless_loop(foreign, tmp_path):
    own = tmp_path / ".venv/bin/python"
    own.parent.mkdir(parents=True)
    own.write_text(f'#!/bin/sh\nexec {" ".join(foreign)} "$@"\n')
    own.chmod(0o755)
    done = run(foreign, tmp_path, "stages.ensemble", DVC_STAGE="ensemble")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
