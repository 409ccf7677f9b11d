"""The pipeline, or its first stages, run by DVC."""

import os
import sys
from pathlib import Path

from brl.config.check import check
from brl.config.params import read_params
from brl.support.process_groups import Processes

# Without --wait-for-lock a DVC that finds the project locked for 3 s gives up, also at the end of
# a stage: then what was trained for hours counts as never made.
DVC = (sys.executable, "-m", "dvc", "--wait-for-lock", "repro")


def reproduce(*arguments: str) -> None:
    """Runs `dvc repro`; ends the program where that failed and said why."""
    set_up()
    with Processes() as processes:
        processes.run([*DVC, *arguments])


def set_up() -> None:
    """Checks params.yaml and prepares this folder and process for DVC.

    Raises UserError for a mistake in params.yaml: DVC would find it only after the first stages.
    """
    check(read_params())
    work_without_git()
    # The stages' commands begin with `python`: this one, also where no environment is activated.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def work_without_git() -> None:
    """Tells DVC that there is no git where there is none; it would refuse to work otherwise."""
    if Path(".git").exists() or not Path(".dvc").exists():
        return
    from dvc.config import Config

    with Config(".dvc").edit("local") as settings:
        settings.setdefault("core", {})["no_scm"] = True
