"""A Slurm of one node, from Debian's packages slurmctld, slurmd, slurm-client and munge."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.test_jobs import until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo")
SITE = {"slurm": {"cores": 2, "memory": "4GB", "walltime": "01:00:00"}}
CONFIGURATION = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdParameters=config_overrides
StateSaveLocation={folder}
SlurmdSpoolDir={folder}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=16000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """What a Slurm of one node lacks here; empty if it can be started."""
    if not find_spec("dask_jobqueue"):
        return "needs the package dask-jobqueue"
    lacks = [name for name in PROGRAMS if not shutil.which(name)]
    if lacks:
        return f"needs Slurm: {', '.join(lacks)}"
    return "" if os.geteuid() == 0 else "slurmd runs as root only"


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Yields the environment variables by which Slurm's commands find it."""
    folder.mkdir(mode=0o755)
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1], other.getsockname()[1]]
    file = folder / "slurm.conf"
    file.write_text(
        CONFIGURATION.format(folder=folder, host=socket.gethostname(), ports=ports, user="root")
    )
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    environment = os.environ | {"SLURM_CONF": str(file)}
    commands = [
        ["munged", "--foreground", "--force", f"--key-file={key}", f"--pid-file={folder}/munge.pid",
         f"--socket={folder}/munge.socket", f"--log-file={folder}/munge.log",
         f"--seed-file={folder}/munge.seed"],
        ["slurmctld", "-D", "-f", str(file)],
        ["slurmd", "-D", "-f", str(file)],
    ]  # fmt: skip
    running = []
    try:
        for command in commands:
            with (folder / f"{command[0]}.out").open("wb") as output:
                running.append(
                    subprocess.Popen(command, env=environment, stdout=output, stderr=output)
                )
            if command[0] == "munged":
                until((folder / "munge.socket").exists)
        until(lambda: "idle" in states(environment))
        yield {"SLURM_CONF": str(file)}
    finally:
        for process in reversed(running):
            process.terminate()
        for process in running:
            process.wait(timeout=30)


def states(environment: dict[str, str]) -> str:
    """The state of the node."""
    command = ["sinfo", "--noheader", "--format=%T"]
    return subprocess.run(command, env=environment, capture_output=True, text=True).stdout


def jobs(environment: dict[str, str]) -> list[str]:
    """The states of the jobs that run or wait."""
    command = ["squeue", "--noheader", "--format=%T"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    return done.stdout.split()


@pytest.fixture
def queue(tmp_path, monkeypatch) -> Iterator[dict[str, str]]:
    """The environment of a Slurm of one node, for a test."""
    if lacks := missing():
        pytest.skip(lacks)
    with slurm(tmp_path / "slurm") as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield os.environ | variables
