"""Streams side by side: refusals, failures, and the end of their processes."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import joblib
import psutil
import pytest
import torch
from distributed import KilledWorker

from brl.cluster.versions import versions
from brl.commands import repro, stream
from brl.support import programs
from brl.support.errors import UserError
from brl.support.gpus import one_gpu_each
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
    """Runs a stream whose DVC is Python code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stream.random, "uniform", lambda *_: 0.05)
    Path("logs").mkdir()

    def run(code: str) -> tuple[bool, str]:
        monkeypatch.setattr(stream, "stream_command", lambda _: python(code))
        return stream.run_stream("joint")

    return run


def test_a_stream_runs_the_stages_that_dvc_yaml_has_for_each_stream():
    command = stream.stream_command("joint")
    names = ("pretrain", "train", "folds", "classify", "unseen", "predict")
    assert command[-7:] == ["-s", *(f"{name}@joint" for name in names)]


@pytest.mark.parametrize("command", ["repro", "compare"])
@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "", "2 3"])
def test_a_wrong_number_of_jobs_is_refused(command, text):
    done = brl(command, f"--jobs={text}")
    assert done.exit_code == 2
    assert f"'--jobs': {text!r}; must be a whole number of 1 or more" in done.stderr


def test_a_stream_is_trained_with_one_process(quick, monkeypatch):
    monkeypatch.setenv("BRL_PROCESSES", "4")
    assert quick("import os, sys; sys.exit(os.environ['BRL_PROCESSES'] != '1')")[0]


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
    assert repro.default_jobs() == expected


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
        ("", 0, [None, None, None]),
        (None, 0, [None, None, None]),
    ],
)
def test_each_worker_has_a_gpu_in_turn(named, count, given, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    if named is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    environments = one_gpu_each(3)
    assert [each.get("CUDA_VISIBLE_DEVICES") for each in environments] == given


@pytest.mark.parametrize("output", [LOCKED, IN_USE, LOCKED_AT_THE_END, DIVERGED + IN_USE])
def test_a_blocking_dvc_process_is_not_a_failure(output):
    assert stream.was_refused(output)


@pytest.mark.parametrize("output", ["", DIVERGED, LOCKED + DIVERGED, QUOTED])
def test_a_failure_is_not_a_blocking_dvc_process(output):
    assert not stream.was_refused(output)


def test_the_reason_is_the_stages_error_or_the_last_lines():
    assert stream.reason(DIVERGED) == DIVERGED.splitlines()[0]
    crashed = DIVERGED.replace("error: ", "OutOfMemoryError: ")
    assert stream.reason(f"Traceback\n{crashed}\n") == crashed.strip()


@pytest.mark.parametrize(("last", "done"), [("", True), (DIVERGED, False)])
def test_a_refused_process_is_started_again_and_a_failed_one_is_not(quick, last, done):
    once = (
        "from pathlib import Path; import sys\n"
        "tries = len(list(Path('.').glob('joint.*')))\n"
        "Path(f'joint.{tries}').touch()\n"
        f"sys.exit({LOCKED!r} if tries < 3 else {last!r} or 0)\n"
    )
    succeeded, said = quick(once)
    assert succeeded == done
    assert {path.suffix for path in Path().glob("*.*")} == {".0", ".1", ".2", ".3"}
    assert Path("logs/joint.log").read_text().count("Unable") == 3
    if done:
        assert said.startswith("joint: done in 0:00:")
    else:
        first, second = said.splitlines()
        assert first == DIVERGED.splitlines()[0]
        assert second.startswith("joint: failed after 0:00:") and second.endswith("logs/joint.log")


def test_refusals_end_the_run_after_a_time(quick, monkeypatch):
    monkeypatch.setattr(stream, "PATIENCE_SECONDS", 0.5)
    done, said = quick(f"import sys; sys.exit({IN_USE!r})")
    assert not done
    assert re.match(r"joint: .*another DVC .* \(PID 29280\): dvc repro -s", said)


def test_a_process_that_was_at_work_has_the_whole_patience_again(quick, monkeypatch):
    monkeypatch.setattr(stream, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(stream, "AT_WORK_SECONDS", 0.3)
    code = (
        "from pathlib import Path; import sys, time\n"
        "if Path('again').exists(): sys.exit(0)\n"
        "time.sleep(0.5)\n"
        "Path('again').touch()\n"
        f"sys.exit({LOCKED_AT_THE_END!r})\n"
    )
    assert quick(code)[0]


def run_with(monkeypatch, streams: list[str], outcomes: list[object]) -> list[str]:
    """Runs streams on a worker with given outcomes."""
    given = iter(outcomes)

    class Fake:
        def results(self, tasks, call):
            for task in tasks:
                call(task)
                yield task, next(given)

    monkeypatch.setattr(repro, "workers", lambda *_: nullcontext(Fake()))
    return repro.run_streams(streams, 2, None)


def test_each_stream_is_reported_when_it_ends(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    outcomes = [(True, "joint: done"), (False, "bone: failed"), KilledWorker("skip", Mock(), 3)]
    assert run_with(monkeypatch, ["joint", "bone", "skip"], outcomes) == ["bone", "skip"]
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines == [
        "joint: started", "joint: done", "bone: started", "bone: failed", "skip: started",
    ]  # fmt: skip
    assert last.startswith("skip: its process was killed again and again")


def test_a_worker_in_another_folder_gets_no_stream(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("logs").mkdir()
    with pytest.raises(UserError, match=f"^{tmp_path} is not the folder of the pipeline"):
        stream.prove_folder("there.mark", versions())
    Path("logs/there.mark").touch()
    stream.prove_folder("there.mark", versions())
    with pytest.raises(UserError, match=r"^torch is .* and must be 0\.1: make setup in"):
        stream.prove_folder("there.mark", versions() | {"torch": "0.1"})


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
def test_no_process_outlives_an_interrupted_program(number, ignored, tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "GRACE_SECONDS", 0.5)
    monkeypatch.chdir(tmp_path)
    handler = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as `brl` has it

    def interrupt() -> None:
        until(lambda: Path("on").exists() and len(pids_in(tmp_path)) == 3)
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            programs.run_program(["sh", "-c", f"trap '' {ignored}; sleep 60 & touch on; sleep 60"])
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert pids_in(tmp_path) == set()


def test_what_a_program_leaves_running_ends_with_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert programs.run_program(["sh", "-c", "sleep 60 & exit 3"]) == 3
    assert pids_in(tmp_path) == set()
