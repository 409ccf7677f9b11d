"""A mirror folder that is edited after it was fetched is noticed, and one command takes it anew."""

import os
from pathlib import Path

import numpy as np
import pytest

from brl.fetching import mirror
from brl.fetching.mirror import changed_files
from tests.own_data import write_stick_figures
from tests.project import Project


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two equal folders, raw and mirror, of which every file is younger than it was."""
    for folder in ("raw", "mirror"):
        (tmp_path / folder / "arrays").mkdir(parents=True)
        for name in ("list.csv", "arrays/a.npy", "arrays/b.npy"):
            (tmp_path / folder / name).write_text(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def changed(complete: bool = True) -> list[str]:
    return changed_files(Path("raw"), Path("mirror"), Path("data/m.json"), complete=complete)


def touch(path: str) -> None:
    status = os.stat(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def test_another_content_is_a_change_and_another_time_is_none(folders):
    assert changed() == []
    touch("mirror/arrays/a.npy")
    assert changed() == []
    Path("mirror/arrays/a.npy").write_text("arrays/A.npy")  # of the same size
    Path("mirror/list.csv").write_text("longer than before")
    assert changed() == changed() == ["arrays/a.npy", "list.csv"]
    Path("raw/arrays/a.npy").write_text("arrays/A.npy")
    assert changed() == ["list.csv"]


def test_contents_are_read_once(folders, monkeypatch):
    assert changed() == []
    read = []
    monkeypatch.setattr(mirror.filecmp, "cmp", lambda *files, shallow: read.append(files) or True)
    assert changed() == [] and read == []
    touch("mirror/arrays/b.npy")  # or in raw, where DVC restores files
    touch("raw/list.csv")
    assert changed() == [] and len(read) == 2
    assert changed() == [] and len(read) == 2


def test_a_missing_file_is_a_change_where_all_came_from_the_mirror(folders):
    Path("mirror/list.csv").unlink()
    Path("mirror/more.txt").write_text("never fetched")
    assert changed() == ["list.csv"]
    assert changed(complete=False) == []


def test_data_and_repro_say_so_and_again_takes_it_anew(tmp_path, warm):
    project, folder = Project(tmp_path / "project"), tmp_path / "mine"
    write_stick_figures(folder, clips=6)
    project.edit({"dataset.name": "custom", "dataset.split": "default"})
    project.edit({"dataset.mirror": str(folder), "prepare.max_bodies": 1})
    first = project.brl("data")
    assert first.returncode == 0 and "warning" not in first.stderr
    np.save(folder / "clip00.npy", np.ones((9, 5, 3)))
    said = (
        f"warning: {folder} is not as it was fetched (changed: clip00.npy); take it anew: brl data"
    )
    stale = project.brl("data")
    assert said in stale.stderr
    assert stale.stdout and first.stdout.endswith(stale.stdout)  # without what `prepare` said
    anew = project.brl("data", "--again", PATH="/usr/bin:/bin")
    assert anew.returncode == 0 and "warning" not in anew.stderr
    assert "5 to 9" in anew.stdout and "5 to 9" not in first.stdout
