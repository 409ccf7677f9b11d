"""Recordings: each file format gives the same joints, or a one-line error."""

import json

import numpy as np
import pytest

from brl.clips.layouts import NTU25, NW_UCLA20
from brl.datasets.recordings.read import find_recordings, read_recording
from brl.support.errors import UserError
from tests.ntu_files import people, scene_of, skeleton_text

JOINTS = np.random.default_rng(0).normal(size=(7, 20, 3)).astype(np.float32)


def as_json(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def as_array(path, joints):
    np.save(path, joints)
    return path


def test_arrays_and_json_with_and_without_bodies_are_the_same_recording(tmp_path):
    files = [
        as_array(tmp_path / "a.npy", JOINTS),
        as_array(tmp_path / "b.npy", JOINTS[None]),
        as_json(tmp_path / "c.json", JOINTS.tolist()),
        as_json(tmp_path / "d.json", JOINTS[None].tolist()),
        as_json(tmp_path / "e.json", {"label": 3, "skeletons": JOINTS.tolist()}),
    ]
    assert find_recordings([tmp_path]) == files
    for file in files:
        np.testing.assert_allclose(read_recording(file, NW_UCLA20, ""), JOINTS[None])


def test_a_folder_gives_its_recordings_at_any_depth_by_name(tmp_path):
    (tmp_path / "deeper").mkdir()
    inner = as_array(tmp_path / "deeper" / "a.npy", JOINTS)
    outer = as_array(tmp_path / "z.npy", JOINTS)
    (tmp_path / "notes.txt").write_text("no recording")
    (tmp_path / "._z.npy").write_text("as archives made on a Mac hold it")
    assert find_recordings([tmp_path]) == [inner, outer]
    assert find_recordings([outer, inner]) == [outer, inner]


def test_the_bodies_of_a_skeleton_file_are_selected(tmp_path):
    person = people(20, seed=0)
    glimpse = people(3, seed=1, motion=5.0)
    path = tmp_path / "S001.skeleton"
    path.write_text(skeleton_text(scene_of(20, (range(20), person), (range(3), glimpse))))
    np.testing.assert_allclose(read_recording(path, NTU25, str(path)), person[None], rtol=1e-6)
    with pytest.raises(UserError, match="must be frames x 20 joints"):
        read_recording(path, NW_UCLA20, str(path))
    path.write_text(skeleton_text([{}, {}]))
    with pytest.raises(UserError, match="no frame shows a body"):
        read_recording(path, NTU25, str(path))


WRONG = {
    "of another skeleton": ("a.npy", JOINTS[:, :19], "must be frames x 20 joints x 3 channels"),
    "no frames axis": ("a.npy", JOINTS[0], "must be frames x 20 joints x 3 channels"),
    "words": ("a.npy", np.array(["a"]), "must hold one array of numbers"),
    "lists of another skeleton": ("a.json", [[1, 2], [3]], "must be frames x 20 joints"),
    "ragged": ("a.json", [*JOINTS.tolist(), [[1, 2]]], "not a recording"),
    "without joints": ("a.json", {"label": 1}, "JSON with the keys 'label'; can be read: an array"),
    "no JSON": ("a.json", None, "not valid JSON"),
    "no frame": ("a.npy", JOINTS[:0], "must have at least one frame"),
    "objects": ("a.npy", np.array([{}]), "holds Python objects, not numbers; must be one array"),
}


@pytest.mark.parametrize("case", WRONG)
def test_other_files_are_refused_in_one_line(tmp_path, case):
    name, content, complaint = WRONG[case]
    path = tmp_path / name
    if isinstance(content, np.ndarray):
        as_array(path, content)
    elif content is None:
        path.write_text("{")
    else:
        as_json(path, content)
    with pytest.raises(UserError, match=complaint) as raised:
        read_recording(path, NW_UCLA20, str(path))
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)


def test_missing_files_and_unknown_types_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no recording")
    with pytest.raises(UserError, match=r"gone\.npy: no such file or folder"):
        find_recordings([tmp_path / "gone.npy"])
    with pytest.raises(UserError, match=r"notes.txt: text that begins with no recording; can be"):
        read_recording(tmp_path / "notes.txt", NTU25, str(tmp_path / "notes.txt"))
    with pytest.raises(UserError, match="contains no recording"):
        find_recordings([tmp_path])
