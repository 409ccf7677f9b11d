"""Locks: one process at a time, freed by its end, and a word to those that wait."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from brl.commands import pipeline
from brl.support.locks import Lock, alone
from tests.test_jobs import until

HOLD = """
import sys, time
from pathlib import Path
from brl.support.locks import Lock
print(Lock(Path(sys.argv[1])).take(), flush=True)
time.sleep(60)
"""
COUNT = """
import sys
from pathlib import Path
from brl.support.locks import alone
file = Path(sys.argv[1])
for _ in range(100):
    with alone("count", file):
        file.write_text(str(int(file.read_text()) + 1))
"""


@pytest.fixture
def holder(tmp_path) -> "Iterator[subprocess.Popen[str]]":
    """Another process that has the lock of the file `work`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "work")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "True\n"
    yield process
    process.kill()
    process.communicate()


def test_one_at_a_time_has_a_lock_and_leaves_nothing(tmp_path):
    file = tmp_path / "a" / "joint-1.pt"
    first, second = Lock(file), Lock(file)
    assert first.holder() is None and first.take()
    assert not second.take() and second.holder() is not None
    first.give_back()
    assert second.holder() is None and list(file.parent.iterdir()) == []
    assert second.take()
    second.give_back()


def test_a_killed_process_has_no_lock(tmp_path, holder):
    lock = Lock(tmp_path / "work")
    words = lock.holder()
    assert words is not None and words.startswith(f"process {holder.pid} on ")
    assert not lock.take()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert lock.holder() is None and lock.take()
    lock.give_back()


def test_who_waits_says_for_whom_in_one_line_and_goes_on(tmp_path, holder, capsys):
    done = threading.Event()

    def wait() -> None:
        with alone("train joint", tmp_path / "work"):
            done.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not done.wait(0.5)
    holder.kill()
    thread.join(10)
    assert done.is_set()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"train joint: process {holder.pid} on ")
    assert line.endswith(" is at it; waits for it")


def test_processes_that_take_a_lock_in_turn_do_not_overlap(tmp_path):
    """Its file is removed each time; who waits for a removed one must not think that it has it."""
    file = tmp_path / "number"
    file.write_text("0")
    command = [sys.executable, "-c", COUNT, str(file)]
    counting = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in counting] == [0, 0]
    assert file.read_text() == "200"


def test_dvc_waits_for_another_dvc_and_says_so(tmp_path, monkeypatch, capsys, holder):
    monkeypatch.chdir(tmp_path)
    Path(".dvc/tmp").mkdir(parents=True)
    user = f'{{"pid": {holder.pid}, "cmd": "dvc repro"}}'
    Path(".dvc/tmp/rwlock").write_text(f'{{"write": {{"/a": {user}}}, "read": {{"/b": [{user}]}}}}')
    looks = []

    def end_it(_seconds: float) -> None:
        looks.append(pipeline.dvc_processes())
        holder.kill()
        holder.wait()

    monkeypatch.setattr(pipeline.time, "sleep", end_it)
    with pipeline.only_dvc():
        assert looks == [{holder.pid: "dvc repro"}]
    assert capsys.readouterr().err == (
        f"DVC: process {holder.pid} (dvc repro) is at it; waits for it\n"
    )
    until(lambda: not Lock(Path(".checkpoints/dvc")).holder())
