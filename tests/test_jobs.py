"""Streams side by side: the same results as one after the other, whatever gets in the way."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import joblib
import psutil
import pytest
import torch
import zc.lockfile

from brl import jobs, process_groups
from brl.errors import UserError
from brl.process_groups import Processes
from tests.project import HERE, SMALL, Project

STREAMS = ("joint", "bone", "skip", "joint_motion", "bone_motion", "skip_motion")
LOCKED = (
    "ERROR: Unable to acquire lock. Most likely another DVC process is running or was terminated "
    "abruptly. Check the page <https://dvc.org> for other possible reasons.\n"
)
IN_USE = (
    "ERROR: failed to reproduce 'train@joint': '/p/reports/curves/joint.csv' is busy, it is being "
    "blocked by:\n  (PID 29280): dvc repro -s train@joint\n\n"
    "If there are no processes with such PIDs, you can manually remove '/p/.dvc/tmp/rwlock'.\n"
)
DIVERGED = (
    "error: joint: the loss is no finite number in epoch 1; lower train.lr\n"
    "ERROR: failed to reproduce 'train@joint': failed to run: python -m stages.train joint, "
    "exited with 1\n"
)
LOCKED_AT_THE_END = LOCKED.replace("ERROR: ", "ERROR: failed to reproduce 'train@joint': ")
# A stage that quotes DVC, or a database's complaint, has failed all the same.
QUOTED = f"note: {LOCKED}{DIVERGED}"


def until(condition: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """Runs streams whose DVC is a line of Python; `{log}` in it is the stream's log."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jobs, "worker_environments", lambda n: [dict(os.environ)] * n)
    monkeypatch.setattr(jobs.random, "uniform", lambda *_: 0.05)

    def run(code: str, *streams: str) -> list[str]:
        monkeypatch.setattr(
            jobs, "stream_command", lambda stream: python(f"stream={stream!r}\n{code}")
        )
        with Processes() as processes:
            return jobs.run_streams(streams, 2, processes)

    return run


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "", "2 3"])
def test_a_number_of_jobs_that_is_none(text):
    with pytest.raises(UserError, match=r"JOBS: must be a whole number of 1 or more, is '"):
        jobs.checked_jobs(text)


def test_the_cores_are_shared_unless_the_user_said_otherwise(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(joblib, "cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("BRL_PROCESSES", "4")
    for count, threads in [(1, "8"), (3, "2"), (20, "1")]:
        environments = jobs.worker_environments(count)
        assert [each["OMP_NUM_THREADS"] for each in environments] == [threads] * count
        assert {each["BRL_PROCESSES"] for each in environments} == {"1"}
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert jobs.worker_environments(2)[1]["OMP_NUM_THREADS"] == "5"


@pytest.mark.parametrize(
    ("named", "count", "given"),
    [
        (None, 2, ["0", "1", "0"]),
        (None, 4, ["0", "1", "2"]),
        ("3, 1", 2, ["3", "1", "3"]),
        ("GPU-a,GPU-b,-1,GPU-c", 2, ["GPU-a", "GPU-b", "GPU-a"]),  # CUDA stops at -1
        ("", 0, ["", "", ""]),
        (None, 0, [None, None, None]),
    ],
)
def test_each_worker_has_a_gpu_in_turn(named, count, given, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    if named is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    environments = jobs.worker_environments(3)
    assert [each.get("CUDA_VISIBLE_DEVICES") for each in environments] == given


@pytest.mark.parametrize("output", [LOCKED, IN_USE, LOCKED_AT_THE_END, DIVERGED + IN_USE])
def test_a_dvc_in_the_way_is_no_failure(output):
    assert jobs.was_refused(output)


@pytest.mark.parametrize("output", ["", DIVERGED, LOCKED + DIVERGED, QUOTED])
def test_a_failure_is_no_dvc_in_the_way(output):
    assert not jobs.was_refused(output)


def test_the_reason_is_the_stages_own_line_or_what_stands_last():
    assert jobs.reason(DIVERGED) == DIVERGED.splitlines()[0]
    crashed = DIVERGED.replace("error: ", "OutOfMemoryError: ")
    assert jobs.reason(f"Traceback\n{crashed}\n") == crashed.strip()


def test_what_is_refused_is_tried_again_and_a_failure_is_not(quick, capsys):
    once = (
        "from pathlib import Path; import sys\n"
        "tries = len(list(Path('.').glob(stream + '.*')))\n"
        "Path(f'{stream}.{tries}').touch()\n"
        f"if tries < 3: sys.exit({LOCKED!r})\n"
        f"if stream == 'bone': sys.exit({DIVERGED!r})\n"
    )
    assert quick(once, "joint", "bone", "skip") == ["bone"]
    assert {path.suffix for path in Path().glob("*.*")} == {".0", ".1", ".2", ".3"}
    assert Path("logs/joint.log").read_text().count("Unable") == 3
    said = capsys.readouterr().out
    for words in ("joint: done in 0:00:", "skip: started", DIVERGED.splitlines()[0]):
        assert words in said
    assert "bone: failed after 0:00:" in said and "logs/bone.log" in said


def test_refusals_without_end_are_borne_for_a_time(quick, monkeypatch):
    monkeypatch.setattr(jobs, "PATIENCE_SECONDS", 0.5)
    with pytest.raises(UserError, match=r"^joint: .*another DVC .* \(PID 29280\): dvc repro -s"):
        quick(f"import sys; sys.exit({IN_USE!r})", "joint")


def test_refusals_are_borne_as_long_as_a_stream_is_at_work(quick, monkeypatch):
    monkeypatch.setattr(jobs, "PATIENCE_SECONDS", 0.3)
    monkeypatch.setattr(jobs, "AT_WORK_SECONDS", 0.2)
    code = (
        "from pathlib import Path; import sys, time\n"
        "if stream == 'bone': time.sleep(1.5); Path('free').touch()\n"
        f"elif not Path('free').exists(): sys.exit({IN_USE!r})\n"
    )
    assert quick(code, "bone", "joint") == []


def pids_in(folder: Path) -> set[int]:
    """Processes that run in a folder, without this one."""
    found: set[int] = set()
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(folder):
                found.add(process.pid)
        except psutil.Error:
            continue
    return found - {os.getpid()}


@pytest.mark.parametrize(
    ("number", "ignored"),
    [(signal.SIGINT, "USR1"), (signal.SIGTERM, "INT"), (signal.SIGTERM, "INT TERM")],
)
def test_no_process_outlives_the_block(number, ignored, tmp_path, monkeypatch):
    monkeypatch.setattr(process_groups, "GRACE_SECONDS", 0.5)
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), Processes() as processes:
        processes.start(["sh", "-c", f"trap '' {ignored}; sleep 60 & touch on; sleep 60"])
        until(lambda: Path("on").exists() and len(pids_in(tmp_path)) == 3)
        os.kill(os.getpid(), number)
        processes.pause()
    assert pids_in(tmp_path) == set()
    assert signal.getsignal(number) is handler


def test_what_a_program_leaves_running_ends_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(process_groups, "GRACE_SECONDS", 0.5)
    monkeypatch.chdir(tmp_path)
    with Processes() as processes:
        left = processes.start(["sh", "-c", "sleep 60 & exit 3"])
        until(lambda: processes.exit_code(left) is not None)
        assert processes.exit_code(left) == 3
        assert pids_in(tmp_path) == set()
        with pytest.raises(SystemExit):
            processes.run(["sh", "-c", "exit 255"])


ENVIRONMENT = {"BRL_TRACKING": "off", "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}


def new_project(folder: Path) -> Project:
    folder.mkdir(exist_ok=True)
    project = Project(folder)
    shutil.copy(HERE / ".dvc/config", folder / ".dvc/config")
    (folder / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    project.edit(SMALL)
    return project


@pytest.fixture(scope="module", autouse=True)
def environment():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """Two streams are enough to see one without the other."""
    project = new_project(tmp_path_factory.mktemp("jobs"))
    project.keep_streams("joint", "skip")
    return project


def trainings(project: Project, stream: str) -> int:
    """How often DVC ran a stream's training in the last run."""
    log = (project.folder / f"logs/{stream}.log").read_text(encoding="utf-8")
    return log.count(f"> python -m stages.train {stream}\n")


def results(project: Project) -> dict[str, bytes]:
    return {
        str(path.relative_to(project.folder)): path.read_bytes()
        for folder in ("models", "scores", "fused", "reports")
        for path in sorted((project.folder / folder).rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_three_at_a_time_give_what_one_after_the_other_gives(tmp_path):
    project = new_project(tmp_path / "side by side")
    run = project.run("brl.jobs", "3")
    assert run.returncode == 0, run.stdout + run.stderr
    assert project.reproduce() == set()
    for stream in STREAMS:
        assert f"{stream}: done in " in run.stdout
        assert trainings(project, stream) == 1
    plain = new_project(tmp_path / "plain")
    plain.reproduce()
    assert results(project) == results(plain)


@contextmanager
def launched(project: Project) -> "Iterator[subprocess.Popen[str]]":
    """Two jobs, which end with the block whatever happens in it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "brl.jobs", "2"],
        cwd=project.folder,
        env=os.environ | {"DVC_ROOT": str(project.folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


def lock_of(project: Project) -> zc.lockfile.LockFile:
    """DVC's lock, as another DVC would hold it."""
    while True:
        try:
            return zc.lockfile.LockFile(str(project.folder / ".dvc/tmp/lock"))
        except zc.lockfile.LockError:
            time.sleep(0.005)


@pytest.mark.slow
def test_a_lock_held_when_a_training_ends_costs_no_training(project):
    """Ten seconds: DVC left alone gives up after three, and what it trained is lost."""
    log = project.folder / "logs/joint.log"
    with launched(project) as run:
        until(lambda: log.exists() and trainings(project, "joint"))
        lock = lock_of(project)
        time.sleep(10)
        lock.close()
        output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output
    assert trainings(project, "joint") == 1
    assert project.reproduce() == set()


@pytest.mark.slow
def test_a_stream_that_fails_stops_not_the_others_but_the_fusion(project):
    before = results(project)
    project.edit({"streams.joint.lr": 10**30, "streams.skip.lr": 0.03})
    run = project.run("brl.jobs", "2")
    assert run.returncode == 1
    assert "error: joint: the loss is no finite number in epoch 1" in run.stdout
    assert "joint: failed after" in run.stdout and "logs/joint.log" in run.stdout
    assert "skip: done in" in run.stdout
    assert run.stderr.splitlines()[-1].startswith("error: failed: joint; nothing was fused")
    after = results(project)
    assert after["scores/skip.npz"] != before.get("scores/skip.npz")
    assert after.get("fused/scores.npz") == before.get("fused/scores.npz")
    project.edit({"streams.joint.lr": 0.02})
    ran = project.reproduce()
    assert "train@joint" in ran and "train@skip" not in ran and "ensemble" in ran


@pytest.mark.slow
def test_an_interruption_leaves_no_process_and_the_next_run_goes_on(project):
    project.edit({"streams.joint.lr": 0.04, "streams.skip.lr": 0.04, "train.epochs": 20})
    checkpoints = project.folder / ".checkpoints"
    with launched(project) as run:
        until(lambda: list(checkpoints.glob("[!.]*.pt")))
        run.terminate()
        output, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert output.splitlines()[-1].startswith("interrupted;")
    assert pids_in(project.folder) == set()
    kept = list(checkpoints.glob("[!.]*.pt"))
    for path in kept:  # to be recognised in the curve of a training that goes on
        content = torch.load(path, weights_only=True)
        content["curve"][0]["loss"] = 123.0
        torch.save(content, path)
    assert project.run("brl.jobs", "2").returncode == 0
    assert kept and not list(checkpoints.glob("[!.]*.pt"))
    for path in kept:
        curve = project.folder / f"reports/curves/{path.name.split('-')[0]}.csv"
        assert ",123.0," in curve.read_text(encoding="utf-8")
