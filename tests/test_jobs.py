"""Streams in parallel: environments, refusals, failures and end of their processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import psutil
import pytest
import torch

from brl.commands import repro as jobs
from brl.support import process_groups
from brl.support.errors import UserError
from brl.support.process_groups import Processes
from tests.command import brl

LOCKED = (
    "ERROR: Unable to acquire lock. Most likely another DVC process is running or was terminated "
    "abruptly. Check the page <https://dvc.org> for other possible reasons.\n"
)
IN_USE = (
    "ERROR: failed to reproduce 'train@joint': '/p/curves/joint.csv' is busy, it is being "
    "blocked by:\n  (PID 29280): dvc repro -s train@joint\n\n"
    "If there are no processes with such PIDs, you can manually remove '/p/.dvc/tmp/rwlock'.\n"
)
DIVERGED = (
    "error: joint: the loss is not finite in epoch 1; lower train.lr\n"
    "ERROR: failed to reproduce 'train@joint': failed to run: "
    "python3 -m stages.train joint, exited with 1\n"
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
    """Runs streams, two at a time, whose DVC is Python code that knows `stream`."""
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


def test_a_stream_runs_the_stages_that_dvc_yaml_has_for_each_stream():
    command = jobs.stream_command("joint")
    names = ("pretrain", "train", "folds", "classify", "unseen", "predict")
    assert command[-7:] == ["-s", *(f"{name}@joint" for name in names)]


@pytest.mark.parametrize("command", ["repro", "compare"])
@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "", "2 3"])
def test_a_wrong_number_of_jobs_is_refused(command, text):
    done = brl(command, f"--jobs={text}")
    assert done.exit_code == 2
    assert f"'--jobs': {text!r}; must be a whole number of 1 or more" in done.stderr


def test_workers_train_with_one_process_each(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setenv("BRL_PROCESSES", "4")
    environments = jobs.worker_environments(3)
    assert [each["BRL_PROCESSES"] for each in environments] == ["1"] * 3


@pytest.mark.parametrize(
    ("gpus", "cores", "processes", "expected"),
    [(0, 8, None, 8), (1, 8, None, 1), (3, 8, None, 3), (0, 8, "2", 1)],
)
def test_streams_at_a_time_by_default(monkeypatch, gpus, cores, processes, expected):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(joblib, "cpu_count", lambda: cores)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("BRL_PROCESSES", raising=False)
    if processes:
        monkeypatch.setenv("BRL_PROCESSES", processes)
    assert jobs.default_jobs() == expected


@pytest.mark.parametrize(("given", "threads"), [(None, "1"), ("3", "3")])
def test_a_stage_has_one_thread_unless_the_user_says_otherwise(monkeypatch, given, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    program = "import os, stages; print(os.environ['OMP_NUM_THREADS'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == threads, done.stderr


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
def test_a_blocking_dvc_process_is_not_a_failure(output):
    assert jobs.was_refused(output)


@pytest.mark.parametrize("output", ["", DIVERGED, LOCKED + DIVERGED, QUOTED])
def test_a_failure_is_not_a_blocking_dvc_process(output):
    assert not jobs.was_refused(output)


def test_the_reason_is_the_stages_error_or_the_last_lines():
    assert jobs.reason(DIVERGED) == DIVERGED.splitlines()[0]
    crashed = DIVERGED.replace("error: ", "OutOfMemoryError: ")
    assert jobs.reason(f"Traceback\n{crashed}\n") == crashed.strip()


def test_a_refused_process_is_started_again_and_a_failed_one_is_not(quick, capsys):
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


def test_refusals_end_the_run_after_a_time(quick, monkeypatch):
    monkeypatch.setattr(jobs, "PATIENCE_SECONDS", 0.5)
    with pytest.raises(UserError, match=r"^joint: .*another DVC .* \(PID 29280\): dvc repro -s"):
        quick(f"import sys; sys.exit({IN_USE!r})", "joint")


def test_refusals_do_not_end_the_run_while_a_stream_is_at_work(quick, monkeypatch):
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
