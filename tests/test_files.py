"""Files are written completely or not at all; errors end a program in one line."""

import errno
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from brl.support.errors import NotWritten, UserError, one_line_errors
from brl.support.files import is_unfinished, sha256, written_whole
from brl.support.locks import Lock


def test_a_file_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "made" / "result.npz"
    with written_whole(target) as unfinished:
        unfinished.write_text("half")
        assert not target.exists()
        assert unfinished.suffix == ".npz"
    assert target.read_text() == "half"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("folder", [False, True])
def test_an_existing_file_survives_an_error(tmp_path, folder):
    target = tmp_path / "result"
    target.write_text("old")
    with pytest.raises(RuntimeError), written_whole(target) as unfinished:
        if folder:
            unfinished.mkdir()
            (unfinished / "part").write_text("new")
        else:
            unfinished.write_text("new")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_bytes_are_on_disk_before_a_file_gets_its_name_and_the_name_after(tmp_path, monkeypatch):
    target, synced = tmp_path / "store", []

    def noted(descriptor: int) -> None:
        synced.append((Path(os.readlink(f"/proc/self/fd/{descriptor}")).name, target.exists()))

    monkeypatch.setattr("os.fsync", noted)
    with written_whole(target) as unfinished:
        unfinished.mkdir()
        (unfinished / "rows").write_text("1")
    assert synced == [("rows", False), ("store", False), (tmp_path.name, True)]


def test_a_folder_replaces_the_old_one(tmp_path):
    for content in ("old", "new"):
        with written_whole(tmp_path / "store") as unfinished:
            unfinished.mkdir()
            (unfinished / content).touch()
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["new"]


def test_a_file_does_not_replace_a_folder_nor_a_folder_a_file(tmp_path):
    folder, file = tmp_path / "keep.onnx", tmp_path / "file"
    (folder / "mine").mkdir(parents=True)
    file.write_text("mine")
    stays = "Is a directory; it is a folder and stays"
    with pytest.raises(NotWritten, match=stays), written_whole(folder) as unfinished:
        unfinished.write_text("graph")
    with pytest.raises(NotWritten, match="not written: Not a"), written_whole(file) as unfinished:
        unfinished.mkdir()
    assert sorted(tmp_path.rglob("*")) == [file, folder, folder / "mine"]


def test_a_folder_that_cannot_be_replaced_is_still_there(tmp_path, monkeypatch):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "old").touch()
    replace = os.replace

    def fails_at_the_end(source: Path, target: Path) -> None:
        if Path(source).name == "store" and Path(target) == tmp_path / "store":
            monkeypatch.undo()
            raise OSError(errno.EIO, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails_at_the_end)
    with pytest.raises(NotWritten), written_whole(tmp_path / "store") as unfinished:
        unfinished.mkdir()
    assert [file.name for file in tmp_path.rglob("*")] == ["store", "old"]


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; free some"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error; the disk, or the way to"),
        (OSError(errno.EFBIG, "File too large"), "File too large; raise the limit of a file's"),
    ],
)
def test_an_error_of_the_disk_names_the_file_and_the_remedy(tmp_path, raised, told):
    with pytest.raises(NotWritten) as refused, written_whole(tmp_path / "a.npz"):
        raise raised
    for error in (refused.value, pickle.loads(pickle.dumps(refused.value))):
        assert str(error).startswith(f"{tmp_path / 'a.npz'}: not written: {told}")


def test_an_error_within_a_folder_names_the_file_in_it(tmp_path):
    place = "folds/joint/1: not written: No space"
    with pytest.raises(NotWritten, match=place), written_whole(tmp_path / "folds/joint") as outer:
        outer.mkdir()
        with written_whole(outer / "1"):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert list((tmp_path / "folds").iterdir()) == []


def test_an_error_of_what_is_read_stays_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError, match="source"), written_whole(tmp_path / "a"):
        (tmp_path / "source").read_bytes()


KILLED = """
import os, sys
from pathlib import Path
from brl.support.files import written_whole
for name in sys.argv[1:]:
    write = written_whole(Path(name))
    write.__enter__().write_text("half")
    globals()[name] = write  # or it would be closed
print(flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_left_is_removed_and_what_a_live_one_writes_is_not(tmp_path):
    names = [str(tmp_path / name) for name in ("a.csv", "b.csv")]
    command = [sys.executable, "-c", KILLED]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([*command, *names], **pipes) as killed:
        killed.stdout.readline()
        killed.kill()
    left = set(tmp_path.rglob("*"))
    assert len(left) == 6 and sum(map(is_unfinished, left)) == 4  # and two locks
    with subprocess.Popen([*command, names[0]], **pipes) as live:
        live.stdout.readline()
        others = set(tmp_path.rglob("*"))
        assert len(others) == 3 and not others & left
        with written_whole(tmp_path / "a.csv") as unfinished:
            unfinished.write_text("whole")
        assert set(tmp_path.rglob("*")) == others | {tmp_path / "a.csv"}
        live.kill()
    assert (tmp_path / "a.csv").read_text() == "whole"


def test_a_folder_of_the_user_is_no_leftover(tmp_path):
    for name in (".my.partial", ".my.0123456789abcdef.partial2"):
        (tmp_path / name).mkdir()
    with written_whole(tmp_path / "a") as unfinished:
        unfinished.touch()
    assert len(list(tmp_path.iterdir())) == 3


def test_a_lock_holds_on_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    lock = Lock(tmp_path / "work")
    assert lock.take() and not Lock(tmp_path / "work").take()
    lock.give_back()
    assert list(tmp_path.iterdir()) == []


def test_sha256_of_known_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("params.yaml: wrong"), 1, "error: params.yaml: wrong\n"),
        (UserError("clip \x1b[31m\nred"), 1, "error: clip \\x1b[31m\\nred\n"),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "error: No space left on device; free some space",
        ),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to resume\n"),
    ],
)
def test_an_error_that_is_no_bug_ends_in_one_line(capsys, error, code, line):
    with pytest.raises(SystemExit) as ended, one_line_errors():
        raise error
    assert ended.value.code == code
    printed = capsys.readouterr().err
    assert printed.startswith(line) and printed.count("\n") == 1


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError), one_line_errors():
        print(1 / 0)
