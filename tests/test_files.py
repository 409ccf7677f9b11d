"""Files are written completely or not at all; errors end a program in one line."""

import errno
import os
from pathlib import Path

import pytest

from brl.support.errors import UserError, one_line_errors
from brl.support.files import sha256, written_whole


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
    assert synced == [("rows", False), (unfinished.name, False), (tmp_path.name, True)]


def test_a_folder_replaces_the_old_one(tmp_path):
    for content in ("old", "new"):
        with written_whole(tmp_path / "store") as unfinished:
            unfinished.mkdir()
            (unfinished / content).touch()
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["new"]


def test_sha256_of_known_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("params.yaml: wrong"), 1, "error: params.yaml: wrong\n"),
        (UserError("clip \x1b[31m\nred"), 1, "error: clip \\x1b[31m\\nred\n"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "error: [Errno 28] No space left"),
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
