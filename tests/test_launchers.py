"""Processes that end with what started them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_jobs import pids_in, until

# Stands for a stage, for DVC under brl, or for brl under make.
CHILD = """
import time
from pathlib import Path
from brl.support.launchers import end_with_launcher
end_with_launcher()
Path("on").touch()
time.sleep(60)
"""
# A shell that stays between the two, since its command is not the last one.
STARTS = """
import os, subprocess, sys
variables = {sys.argv[1]: str(os.getpid())}
command = [sys.executable, "-c", sys.argv[2]]
subprocess.run(["sh", "-c", '"$@"; true', "sh", *command], env=os.environ | variables)
"""
POOL = """
import time
from pathlib import Path
from brl.support.parallel import in_parallel
def work(number):
    Path(f"on{number}").touch()
    time.sleep(60)
list(in_parallel(work, range(2)))
"""
RANKS = """
import os, time
from pathlib import Path
import sys
sys.path.insert(0, os.environ["HERE"])
from brl.training.distributed import launch
from tests.test_launchers import idle
launch(2, idle)
"""


def idle() -> None:
    """What a rank does that waits for another one."""
    Path(f"on{os.environ['RANK']}").touch()
    signal.pause()


def start(folder: Path, *arguments: str, **variables: str) -> "subprocess.Popen[bytes]":
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("DVC_")}
    environment |= {"OMP_NUM_THREADS": "1", "HERE": str(Path(__file__).parents[1])} | variables
    environment.pop("BRL_LAUNCHER", None)
    environment["PYTHONPATH"] = environment["HERE"]
    return subprocess.Popen([sys.executable, "-c", *arguments], cwd=folder, env=environment)


@pytest.mark.parametrize("variable", ["BRL_LAUNCHER", "DVC_STAGE"])
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("killed", ["launcher", "shell"])
def test_a_process_ends_with_each_process_up_to_its_launcher(tmp_path, variable, by, killed):
    launcher = start(tmp_path, STARTS, variable, CHILD)
    until((tmp_path / "on").exists)
    (shell,) = {int(pid) for pid in children_of(launcher.pid)}
    os.kill(launcher.pid if killed == "launcher" else shell, by)
    until(lambda: not pids_in(tmp_path), seconds=30)
    launcher.wait()


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_what_nobody_launched_goes_on_without_its_parent(tmp_path):
    """As with nohup: the shell that started it may end."""
    shell = start(tmp_path, STARTS, "OTHER", CHILD)
    until((tmp_path / "on").exists)
    shell.kill()
    shell.wait()
    with pytest.raises(AssertionError, match="waited in vain"):
        until(lambda: len(pids_in(tmp_path)) < 2, seconds=1.5)
    for pid in pids_in(tmp_path):
        os.kill(pid, signal.SIGKILL)


def test_a_process_whose_launcher_has_ended_does_not_begin(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    code = f"import os; os.environ['BRL_LAUNCHER'] = '{ended.pid}'\n{CHILD}"
    assert start(tmp_path, code).wait() == 1
    assert not (tmp_path / "on").exists()


@pytest.mark.slow
@pytest.mark.parametrize("program", [POOL, RANKS], ids=["preparation", "ranks"])
def test_workers_end_with_a_killed_program(tmp_path, program):
    process = start(tmp_path, program)
    until(lambda: len(list(tmp_path.glob("on*"))) == 2)
    process.kill()
    process.wait()
    until(lambda: not pids_in(tmp_path), seconds=30)
