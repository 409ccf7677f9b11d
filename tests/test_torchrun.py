"""One training on two machines, as torchrun starts it.

The machines are two network namespaces where the kernel allows them, else one loopback address.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch
from safetensors.torch import load_file

from tests.project import SMALL, Project
from tests.test_jobs import pids_in, until

pytestmark = pytest.mark.slow
QUIET = {"BRL_TRACKING": "off", "OMP_NUM_THREADS": "1"}
# Of each machine: how a command runs there, its address, and its network interface.
Machine = tuple[list[str], str, str]
ON_LOOPBACK: list[Machine] = [([], "127.0.0.1", "lo"), ([], "127.0.0.1", "lo")]


def ip(*words: str) -> bool:
    done = subprocess.run(["ip", *words], capture_output=True)
    return done.returncode == 0


def connected(names: list[str]) -> bool:
    """Makes two network namespaces with a cable between them; whether it could."""
    cable = [word for name in names for word in ("name", name)]
    return (
        all(ip("netns", "add", name) for name in names)
        and ip("link", "add", *cable[:2], "type", "veth", "peer", *cable[2:])
        and all(
            ip("link", "set", name, "netns", name)
            and ip("-n", name, "addr", "add", f"10.77.0.{number}/24", "dev", name)
            and ip("-n", name, "link", "set", name, "up")
            and ip("-n", name, "link", "set", "lo", "up")
            for number, name in enumerate(names, start=1)
        )
    )


@contextmanager
def two_machines() -> Iterator[list[Machine]]:
    names = [f"brl{side}{os.getpid()}" for side in "ab"]
    try:
        if shutil.which("ip") and connected(names):
            yield [
                (["ip", "netns", "exec", name], f"10.77.0.{number}", name)
                for number, name in enumerate(names, start=1)
            ]
        else:
            yield ON_LOOPBACK
    finally:
        if shutil.which("ip"):
            for name in names:
                ip("netns", "delete", name)


@pytest.fixture(scope="module")
def machines() -> Iterator[list[Machine]]:
    with two_machines() as made:
        yield made


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """A project whose stream one process has trained."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in QUIET.items():
            patch.setenv(name, value)
        project = Project(tmp_path_factory.mktemp("torchrun") / "project")
        project.keep_streams("joint")
        project.use_stick_figures(clips=36)
        project.edit(SMALL | {"train.epochs": 12, "train.passes": 3, "streams.joint.lr": 1.0e-3})
        project.reproduce("train@joint")
        return project


def launch(project: Project, machines: list[Machine], port: int) -> "list[subprocess.Popen[str]]":
    """Starts a training of the stream on two machines."""
    return [
        subprocess.Popen(
            [
                *(*inside, sys.executable, "-m", "torch.distributed.run", "--nnodes=2"),
                *("--nproc-per-node=1", "--max-restarts=2", "--rdzv-backend=c10d"),
                *(f"--rdzv-endpoint={machines[0][1]}:{port}", f"--local-addr={address}"),
                *(f"--rdzv-conf=is_host={int(number == 0)}", "-m", "stages.train", "joint"),
            ],
            cwd=project.folder,
            env=os.environ
            | QUIET
            | {"DVC_ROOT": str(project.folder), "GLOO_SOCKET_IFNAME": interface},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number, (inside, address, interface) in enumerate(machines)
    ]


def finish(launched: "list[subprocess.Popen[str]]") -> None:
    for process in launched:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output


def made(project: Project) -> list[bytes]:
    names = ("models/joint.safetensors", "curves/joint.csv")
    return [(project.folder / name).read_bytes() for name in names]


@pytest.fixture(scope="module")
def of_one(project) -> tuple[dict[str, torch.Tensor], pd.DataFrame]:
    folder = project.folder
    return load_file(folder / "models/joint.safetensors"), pd.read_csv(folder / "curves/joint.csv")


@pytest.fixture(scope="module")
def of_two(project, machines, of_one) -> list[bytes]:
    finish(launch(project, machines, 29411))
    return made(project)


def test_two_machines_give_the_result_of_one(project, of_one, of_two):
    folder = project.folder
    curve = pd.read_csv(folder / "curves/joint.csv")
    pd.testing.assert_frame_equal(curve, of_one[1], rtol=1e-3)
    for name, tensor in load_file(folder / "models/joint.safetensors").items():
        torch.testing.assert_close(tensor, of_one[0][name], rtol=1e-2, atol=1e-3)
    assert not list((folder / ".checkpoints").iterdir())


@pytest.mark.parametrize("killed", [0, 1])
def test_a_process_that_is_killed_costs_an_epoch(project, machines, of_two, killed):
    """torchrun starts both again, and they resume from the checkpoint."""
    checkpoints = project.folder / ".checkpoints"
    launched = launch(project, machines, 29412 + killed)
    until(lambda: list(checkpoints.glob("[!.]*.pt")))
    (trains,) = [
        process
        for process in psutil.Process(launched[killed].pid).children(recursive=True)
        if "stages.train" in process.cmdline() and "torch.distributed.run" not in process.cmdline()
    ]
    trains.kill()
    finish(launched)
    assert made(project) == of_two


def test_nothing_outlives_a_killed_launcher(project, machines, of_two):
    checkpoints = project.folder / ".checkpoints"
    launched = launch(project, machines, 29414)
    until(lambda: list(checkpoints.glob("[!.]*.pt")))
    for process in launched:
        process.kill()
        process.wait()
    until(lambda: not pids_in(project.folder), seconds=30)


def test_slurm_starts_it_with_srun(project, of_two, queue):
    torchrun = str(Path(sys.executable).with_name("torchrun"))
    command = ["srun", "--nodes=1", "--ntasks=1", "--cpus-per-task=2", torchrun]
    done = subprocess.run(
        [*command, "--nnodes=1", "--nproc-per-node=2", "-m", "stages.train", "joint"],
        cwd=project.folder,
        env=queue | QUIET | {"DVC_ROOT": str(project.folder)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert made(project) == of_two
