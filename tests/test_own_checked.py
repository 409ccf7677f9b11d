"""Recordings that were right are not read again until they change; that hides no fault."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brl.datasets.own import checked, source
from brl.support.errors import UserError
from tests.estimators import openpose, write_json
from tests.own_data import STICK, write_description

JOINTS = np.random.default_rng(0).uniform(1, 9, (3, 5, 3)).round(3)
SCORED = {"dimensions": 2, "scored": True}
FRAME = "d/clip_000000000001_keypoints.json"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Own data of an array, two JSON files, and a folder of frames; the record is beside them."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    folder = tmp_path / "own"
    folder.mkdir()
    write_description(folder, STICK | SCORED)
    np.save(folder / "a.npy", JOINTS)
    for name in "bc":
        write_json(folder / f"{name}.json", JOINTS.tolist())
    openpose(folder / "d", [[pose] for pose in JOINTS])
    table = pd.DataFrame({"name": [*"abcd"], "label": 0, "split": "train"})
    table.to_csv(folder / "clips.csv", index=False)
    return folder


@pytest.fixture
def read(folder, monkeypatch):
    """Checks the folder; the names of what was read for it, and where it failed why."""
    names: list[str] = []

    def noted(path: Path, *more) -> np.ndarray:
        names.append(path.name)
        return read_recording(path, *more)

    read_recording = source.read_recording
    monkeypatch.setattr(source, "read_recording", noted)

    def check(fault: str = "") -> str:
        names.clear()
        if fault:
            with pytest.raises(UserError, match=fault):
                source.check(str(folder))
        else:
            source.check(str(folder))
        return " ".join(names)

    assert check() == "a.npy b.json c.json d"
    return check


def change(path: Path, content: bytes) -> None:
    """Writes another content in the same second; the time tells, where the size does not."""
    path.write_bytes(content)
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def test_what_was_right_is_not_read_again(folder, read):
    assert read() == ""
    (folder / ".notes").write_text("none of the recordings")
    assert read() == ""


def test_what_changes_is_read_again_once(folder, read):
    change(folder / "a.npy", (folder / "a.npy").read_bytes())
    change(folder / FRAME, (folder / FRAME).read_bytes())
    assert read() == "a.npy d"
    assert read() == ""
    shutil.copy(folder / FRAME, folder / FRAME.replace("1_key", "5_key"))
    assert read() == "d"
    (folder / FRAME).unlink()
    assert read() == "d"
    with (folder / "clips.csv").open("a") as file:
        file.write("e,0,test\n")
    shutil.copy(folder / "b.json", folder / "e.json")
    assert read() == "e.json"


def test_a_fault_is_told_every_time(folder, read):
    good = (folder / "c.json").read_bytes()
    change(folder / "c.json", b"{" + good[1:])
    assert read("clip c: c.json: not valid JSON") == "c.json"
    assert read("clip c: c.json: not valid JSON") == "c.json"
    change(folder / "c.json", good)
    assert read() == "c.json"
    change(folder / FRAME, b'{"people": [')
    assert read(f"clip d: d: {FRAME[2:]}: not valid JSON") == "d"
    (folder / "b.json").unlink()
    assert read("line 3: there is no file b.npy") == ""


def test_what_was_right_before_a_fault_is_remembered(folder, read):
    good = {name: (folder / name).read_bytes() for name in ("b.json", "c.json")}
    change(folder / "b.json", good["b.json"])
    change(folder / "c.json", b"[")
    assert read("clip c: ") == "b.json c.json"
    assert read("clip c: ") == "c.json"


def test_another_layout_another_folder_and_other_code_forget_all(folder, read, monkeypatch):
    everything = "a.npy b.json c.json d"
    write_description(folder, STICK | SCORED | {"center": "neck", "left_right": []})
    assert read() == everything
    monkeypatch.setattr(checked, "PACKAGES", ("numpy",))
    assert read() == everything
    shutil.copytree(folder, folder.parent / "copy")  # sizes and times are those of the first
    source.check(str(folder.parent / "copy"))
    assert read() == everything


def test_a_record_that_is_no_record_is_written_anew(folder, read):
    record = folder.parent / checked.RECORD
    whole = record.read_bytes()
    record.write_bytes(whole[:20])
    assert read() == "a.npy b.json c.json d"
    assert record.read_bytes() == whole
