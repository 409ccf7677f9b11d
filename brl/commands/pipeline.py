"""Runs the pipeline, or some of its stages, with DVC."""

import os
import sys
from pathlib import Path

from brl.commands.why import reasons
from brl.config.check import check
from brl.config.params import read_params
from brl.support.process_groups import Processes

# Without --wait-for-lock DVC fails if the project is locked for 3 s, even at the end of a stage,
# and the results of that stage are lost.
DVC = (sys.executable, "-m", "brl.commands.dvc", "--wait-for-lock", "repro")


def reproduce(*arguments: str) -> None:
    """Runs `dvc repro`; exits with its code if it fails, since it has printed the reason."""
    set_up()
    run_dvc(*arguments)


def run_dvc(*arguments: str) -> None:
    """Runs `dvc repro` after `set_up`."""
    with Processes() as processes:
        processes.run([*DVC, *arguments])


def changed_stages() -> list[str]:
    """The stages that would run now, those of streams as STAGE@STREAM; UserError as `reasons`."""
    return list(reasons())


def set_up() -> None:
    """Checks params.yaml and prepares this folder and process for DVC.

    Raises UserError for a mistake in params.yaml, which DVC would only find after the first stages.
    """
    check(read_params())
    work_without_git()
    # Stages run `python`: it must be this one, even if no environment is activated.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def work_without_git() -> None:
    """Configures DVC to work without git if the project is not in a git repository."""
    if Path(".git").exists() or not Path(".dvc").exists():
        return
    from dvc.config import Config

    with Config(".dvc").edit("local") as settings:
        settings.setdefault("core", {})["no_scm"] = True
