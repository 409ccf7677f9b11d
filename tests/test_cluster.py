"""Comparisons on the workers of a Dask scheduler: each result once, whoever is killed."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import MagicMock, Mock

import pytest
import yaml
from distributed import Client, KilledWorker
from distributed.comm import CommClosedError

from brl.cluster import start
from brl.cluster.queue import job_queue
from brl.cluster.travel import packed, unpack
from brl.cluster.workers import Call, Workers
from brl.comparison import share as sharing
from brl.comparison.data import Data
from brl.comparison.proof import Project, prove_same
from brl.comparison.run import compute
from brl.comparison.share import Outcome
from brl.support.errors import UserError
from tests.comparing import JOINT, Grid, InThisProcess, compute_here
from tests.project import HERE
from tests.schedulers import scheduler
from tests.slurm import SITE, jobs
from tests.test_comparison_run import COMMAND, compute_all
from tests.test_jobs import until

needs_jobqueue = pytest.mark.skipif(
    not find_spec("dask_jobqueue"), reason="needs the package dask-jobqueue"
)
MADE = ("trained/*.safetensors", "trained/*.csv", "scores/*.npz")

OF_NUMPY = ("MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def threads() -> dict[str, str]:
    """The variables that limit threads."""
    return {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")}


def command(address: str) -> subprocess.Popen:
    return subprocess.Popen(
        [*COMMAND, "--cluster", address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(HERE)},
    )


def made(folder: Path) -> dict[str, bytes]:
    results = folder / ".comparison"
    return {
        str(path.relative_to(results)): path.read_bytes()
        for pattern in MADE
        for path in results.glob(pattern)
    }


@pytest.mark.slow
def test_what_is_killed_costs_nothing_but_time(grid: Grid, tmp_path, monkeypatch):
    """A worker, then the process that wants the results; a worker has a clone of the project."""
    rows = {"cross_entropy": JOINT, "mixup": JOINT}
    grid.compare(rows, seeds=[0, 1, 2], settings={"train.epochs": 40})
    compute_here(monkeypatch)
    compute_all(grid)
    quiet = made(grid.folder)
    (grid.folder / ".comparison").rename(tmp_path / "quiet")
    clone = tmp_path / "clone"
    shutil.copytree(grid.folder, clone, symlinks=True)
    with scheduler(tmp_path) as (address, worker):
        for place in (grid.folder, grid.folder, clone):
            worker(place)
        first = command(address)
        with Client(address) as client:
            until(lambda: busy(client))
            until(lambda: list(grid.folder.glob(".comparison/unfinished/[!.]*.pt")))
            until(lambda: list(clone.glob(".comparison/unfinished/[!.]*.pt")))
            victim = busy(client)[0]
            (pid,) = client.run(os.getpid, workers=[victim]).values()
            os.kill(pid, signal.SIGKILL)
            until(lambda: victim not in client.scheduler_info(n_workers=-1)["workers"])
            until(lambda: busy(client))
            first.kill()
            first.communicate()
            until(lambda: not busy(client))
        second = command(address)
        output, errors = second.communicate(timeout=300)
    assert second.returncode == 0, errors
    assert "| cross_entropy | 3 |" in output
    assert made(grid.folder) == quiet
    assert not list(grid.folder.glob(".comparison/unfinished/[!.]*.pt"))
    assert list(clone.glob(".comparison/trained/*.safetensors"))


def busy(client: Client) -> list[str]:
    """The addresses of the workers that have a task."""
    return [worker for worker, tasks in client.processing().items() if tasks]


@pytest.fixture
def project(grid: Grid) -> Project:
    return Project.here()


def test_a_worker_that_computes_the_same_is_admitted(project):
    prove_same(project)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"code": "other"}, "other code in brl/: git pull, then start the worker again"),
        ({"store": "other"}, "data/store has other clips: git pull && dvc pull prepare subsample"),
        ({"subset": "other"}, "data/subset is another subset: git pull && dvc pull prepare"),
    ],
    ids=str,
)
def test_what_differs_is_said_with_the_remedy(project, change, said):
    with pytest.raises(UserError, match=re.escape(said)):
        prove_same(replace(project, **change))


def test_other_versions_are_named(project):
    wanted = project.versions | {"torch": "1.0"}
    with pytest.raises(UserError, match=r"torch is .* and must be 1\.0: make setup in "):
        prove_same(replace(project, versions=wanted))


def test_a_worker_without_clips_is_told_how_to_get_them(project, grid):
    shutil.rmtree(grid.folder / "data")
    with pytest.raises(
        UserError, match=r"data/store.* is missing in .*: dvc pull prepare subsample"
    ):
        prove_same(project)


def test_projects_that_differ_have_different_names(project):
    others = [replace(project, **{name: "x"}) for name in ("code", "store", "subset")]
    assert len({each.name for each in (project, *others)}) == 4


def test_files_travel_with_their_places(grid):
    source = grid.folder / ".comparison/trained/key.csv"
    source.parent.mkdir(parents=True)
    source.write_bytes(b"epoch\n1\n")
    files = packed([source, source.with_suffix(".none")])
    assert files == {".comparison/trained/key.csv": b"epoch\n1\n"}
    source.unlink()
    unpack(files)
    assert source.read_bytes() == b"epoch\n1\n"


class Full:
    """Stands for two workers: the first one has a full disk."""

    are_elsewhere = True

    def __init__(self) -> None:
        self.dismissed: list[str] = []

    def results(self, tasks, call):
        for task in list(tasks):
            if not self.dismissed:
                yield task, Outcome([], "no room", worker="tcp://full")
            else:
                made = call(task)
                yield task, made.function(*made.arguments)

    def dismiss(self, worker: str, lacks: str) -> None:
        self.dismissed.append(f"{worker}: {lacks}")


def test_a_full_disk_costs_a_worker_and_no_training(grid, monkeypatch):
    grid.compare({"cross_entropy": JOINT, "mixup": JOINT})
    full = Full()
    monkeypatch.setattr(sharing, "workers", lambda *_: nullcontext(full))
    monkeypatch.setattr(sharing, "carried", lambda _: nullcontext())
    compute(grid.runs(), Data.read(), "tiny", jobs=1, cluster="tcp://host:1")
    assert full.dismissed == ["tcp://full: no room"]
    assert len(made(grid.folder)) == 2 * len(MADE)


def test_a_training_that_dask_gives_up_is_named_and_the_others_finish(grid, monkeypatch):
    grid.compare({"cross_entropy": JOINT, "mixup": JOINT})

    class Killed(InThisProcess):
        def results(self, tasks, call):
            first, *others = tasks
            yield first, KilledWorker("key", "worker", 3)
            yield from super().results(others, call)

    monkeypatch.setattr(sharing, "workers", lambda *_: nullcontext(Killed()))
    with pytest.raises(
        UserError, match=r"1 of 2 .* seed 0: its process was killed again and again"
    ):
        compute(grid.runs(), Data.read(), "tiny", jobs=1)
    assert len(made(grid.folder)) == len(MADE)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("", ""),  # those of this machine are on their way
        ("tcp://box:8786", "no worker is there yet; waits for one at tcp://box:8786\n"),
    ],
)
def test_a_scheduler_without_workers_is_said_once(capsys, place, said):
    client = Mock()
    client.get_events.return_value = ()
    client.scheduler_info.side_effect = [{"workers": {}}, {"workers": {}}, KeyboardInterrupt]
    with pytest.raises(KeyboardInterrupt):
        list(Workers(client, "clips", place).results([1], Mock()))
    assert capsys.readouterr().err == said


def test_a_scheduler_that_ends_is_said_in_one_line(monkeypatch):
    client = MagicMock(status="closed")
    client.__enter__.return_value = client
    client.__exit__.return_value = None
    monkeypatch.setattr(start, "connected", lambda _: client)
    words = "^the Dask scheduler at tcp://box:8786 has ended: start it and its workers again"
    with (
        pytest.raises(UserError, match=words),
        start.workers(1, "tcp://box:8786", "clips", lambda: None),
    ):
        raise CommClosedError
    client.status = "running"
    with pytest.raises(OSError), start.workers(1, "tcp://box:8786", "clips", lambda: None):
        raise OSError(errno.ENOSPC, "full")


def test_a_worker_that_was_mended_gets_work_again():
    """The events of Dask tell of both proofs."""
    client = Mock()
    events = [
        {"worker": "tcp://box:1", "lacks": "other clips"},
        {"worker": "tcp://box:1", "lacks": ""},
    ]
    client.get_events.return_value = list(enumerate(events))
    client.scheduler_info.return_value = {"workers": {"tcp://box:1": {"resources": {"clips": 1}}}}
    client.submit.return_value = Mock(**{"exception.return_value": None, "result.return_value": 7})
    call = Mock(return_value=Call("key", print, ()))
    assert list(Workers(client, "clips", "tcp://box:8786").results(["task"], call)) == [("task", 7)]


def test_workers_have_the_threads_of_a_plain_run(monkeypatch):
    """By default Dask would limit those of NumPy, in the workers and in the process itself."""
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    for name in OF_NUMPY:
        monkeypatch.delenv(name, raising=False)
    with start.local_cluster(1) as cluster, Client(cluster) as client:
        assert client.submit(threads).result() == threads() == {"OMP_NUM_THREADS": "3"}


SAYS_SO = """import sys, time
print("ready", flush=True)
try:
    time.sleep(60)
except KeyboardInterrupt:
    open(sys.argv[1], "w").close()
"""


def run_a_program(place: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SAYS_SO, place / "interrupted"], stdout=subprocess.PIPE
    ) as program:
        assert program.stdout and program.stdout.readline()
        (place / "runs").touch()


def test_what_a_worker_runs_is_interrupted_before_it_is_killed(tmp_path):
    """So a stage can end the run that records it."""
    with pytest.raises(KeyboardInterrupt), start.workers(1, None, "clips", Mock) as admitted:
        client = admitted._client
        program = client.submit(run_a_program, tmp_path, resources={"clips": 1})
        until((tmp_path / "runs").exists)
        raise KeyboardInterrupt
    assert program and (tmp_path / "interrupted").exists()


def test_workers_do_not_ignore_ctrl_c_which_their_programs_would_inherit():
    with start.workers(1, None, "clips", Mock) as admitted:
        asked = admitted._client.submit(signal.getsignal, signal.SIGINT, resources={"clips": 1})
        assert asked.result() is not signal.SIG_IGN


def test_a_scheduler_that_is_not_there_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(start, "SECONDS_TO_ANSWER", 0.5)
    with pytest.raises(
        UserError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9: start"
    ):
        start.connected("tcp://127.0.0.1:9")
    with pytest.raises(UserError, match="no Dask scheduler answers at slrum"):
        start.connected("slrum")


@needs_jobqueue
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cluster.yaml does not describe the jobs of slurm; docs/cluster.md shows how"),
        ({"pbs": SITE["slurm"]}, "does not describe the jobs of slurm"),
        ({"slurm": SITE["slurm"] | {"quene": "gpu"}}, r"slurm.quene: unknown key.*queue"),
        ({"slurm": SITE["slurm"] | {"memory": "much"}}, r"slurm\.memory: "),
        ({"slurm": {"cores": 2}}, r"slurm\.(memory|walltime)"),
        (SITE, "this machine has no sbatch; run it where it is"),
    ],
    ids=str,
)
def test_mistakes_about_the_queue_are_one_line(tmp_path, monkeypatch, content, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    if content:
        Path("cluster.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=said) as caught:
        job_queue("slurm", 1)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_slurm_starts_workers_and_loses_them_with_the_command(grid: Grid, queue, monkeypatch):
    grid.compare({"cross_entropy": JOINT}, seeds=[0, 1, 2], settings={"train.epochs": 4})
    (grid.folder / "cluster.yaml").write_text(yaml.safe_dump(SITE))
    done = subprocess.run(
        [*COMMAND, "--cluster", "slurm", "--jobs", "2"],
        env=queue | {"PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "| cross_entropy | 3 |" in done.stdout
    until(lambda: not jobs(queue))
    made_there = made(grid.folder)
    (grid.folder / ".comparison").rename(grid.folder / "there")
    compute_here(monkeypatch)
    compute_all(grid)
    assert made(grid.folder) == made_there


@pytest.mark.slow
def test_a_job_that_slurm_refuses_is_said_in_one_line(grid: Grid, queue):
    grid.compare({"cross_entropy": JOINT}, seeds=[0])
    site = {"slurm": SITE["slurm"] | {"queue": "none"}}
    (grid.folder / "cluster.yaml").write_text(yaml.safe_dump(site))
    done = subprocess.run(
        [*COMMAND, "--cluster", "slurm"],
        env=queue | {"PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    first, last = done.stderr.splitlines()
    assert first == "tiny: 1 runs, 1 to do"
    assert re.match(r"error: --cluster slurm: sbatch refused the job: .*partition", last)


@needs_jobqueue
def test_a_folder_with_a_space_is_not_for_job_scripts(tmp_path, monkeypatch):
    folder = tmp_path / "my project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_ROOT", str(folder))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    Path("cluster.yaml").write_text(yaml.safe_dump(SITE))
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(UserError, match="my project/logs' has a space"):
        job_queue("slurm", 1)
    assert signal.getsignal(signal.SIGINT) is handler, "the package replaced it"
