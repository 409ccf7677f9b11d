"""Runs the pipeline, or some of its stages, with DVC."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import psutil

from brl.commands.why import reasons
from brl.config.check import check
from brl.config.params import Params, read_params
from brl.support.files import project_root
from brl.support.locks import alone
from brl.support.paths import RAW
from brl.support.programs import run_program
from brl.tracking.store import check_settings

# Without --wait-for-lock DVC fails if the project is locked for 3 s, even at the end of a stage,
# and the results of that stage are lost.
DVC = (sys.executable, "-m", "brl.commands.dvc", "--wait-for-lock", "repro")
SECONDS_BETWEEN_LOOKS = 1.0


def reproduce(*arguments: str) -> None:
    """Runs `dvc repro`; exits with code 1 if it fails, since it has printed the reason."""
    set_up()
    with only_dvc():
        run_dvc(*arguments)


@contextmanager
def only_dvc() -> Iterator[None]:
    """Runs the block while no other DVC works in this folder; waits for one that does.

    DVC itself would refuse a stage whose files another one uses, in three lines.
    """
    with alone("DVC", Path(".checkpoints/dvc")):
        told = False
        while users := dvc_processes():
            if not told:
                named = ", ".join(f"process {pid} ({command})" for pid, command in users.items())
                print(f"DVC: {named} is at it; waits for it", file=sys.stderr)
                told = True
            time.sleep(SECONDS_BETWEEN_LOOKS)
        yield


def dvc_processes() -> dict[int, str]:
    """The DVC processes that use files of this folder, with their commands."""
    try:
        locks = json.loads(Path(".dvc/tmp/rwlock").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # the latter while DVC writes it
        return {}
    users = [*locks.get("write", {}).values(), *chain(*locks.get("read", {}).values())]
    # As DVC does; of a process that was killed, the lines stay.
    return {user["pid"]: user["cmd"] for user in users if psutil.pid_exists(user["pid"])}


def run_dvc(*arguments: str) -> None:
    """Runs `dvc repro` after `set_up`, in `only_dvc`; exits with 1 if it fails: it has said why."""
    if run_program([*DVC, *arguments]):
        sys.exit(1)


def changed_stages() -> list[str]:
    """The stages that would run now, those of streams as STAGE@STREAM; UserError as `reasons`."""
    return list(reasons())


def set_up() -> None:
    """Checks params.yaml and prepares this folder and process for DVC.

    Raises UserError for a mistake in params.yaml or in MLflow's variables, which DVC would only
    find after the first stages.
    """
    check(_with_data_at_hand(read_params()))
    check_settings()
    work_without_git()
    # Stages run `python`: it must be this one, even if no environment is activated.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def _with_data_at_hand(params: Params) -> Params:
    """The parameters, with the copy of own data for its mirror if only the copy is here.

    So it is for a colleague who has pulled it: the mirror is a folder of another machine.
    """
    mirror = params.dataset.mirror
    if params.dataset.name != "custom" or mirror is None or (project_root() / mirror).exists():
        return params
    if "download" in changed_stages():
        return params
    dataset = params.dataset.model_copy(update={"mirror": str(RAW)})
    return params.model_copy(update={"dataset": dataset})


def work_without_git() -> None:
    """Configures DVC to work without git if the project is not in a git repository."""
    if Path(".git").exists() or not Path(".dvc").exists():
        return
    from dvc.config import Config

    with Config(".dvc").edit("local") as settings:
        settings.setdefault("core", {})["no_scm"] = True
