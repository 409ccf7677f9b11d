"""The layout of an unknown file is guessed from the lengths of its bones."""

import io
import json
import zipfile
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.io import loadmat

from brl.clips.layouts import LAYOUTS
from brl.datasets.synthetic.source import generate
from brl.inspection.guess import Channels, confidence, guess
from tests.command import brl, refused
from tests.estimators import openpose
from tests.moving import moving_body
from tests.reference import shared

SEEDS = range(8)


def guessed(joints: np.ndarray) -> tuple[str, str]:
    """The layout that fits joints (M, T, V, K) best, and how sure it is."""
    fits = guess(joints, Channels.of(joints))
    return fits[0].layout.name, confidence(fits)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_moving_body_has_its_layout(name):
    found = [guessed(moving_body(LAYOUTS[name], seed)[None]) for seed in SEEDS]
    assert {layout for layout, _ in found} == {name}
    sure = [how for _, how in found]
    assert sure.count("surely") >= 6 and "hardly" not in sure


@pytest.mark.parametrize("name", LAYOUTS)
def test_joints_in_any_other_order_fit_hardly(name):
    for seed in SEEDS:
        joints = moving_body(LAYOUTS[name], seed)[None]
        order = np.random.default_rng(seed).permutation(joints.shape[2])
        assert guessed(joints[:, :, order])[1] == "hardly"


def test_clips_of_the_built_in_dataset_are_of_ntu25():
    for label in range(8):
        (clip,) = generate((label, 0))
        assert guessed(clip.joints) == ("ntu25", "surely")


@pytest.mark.parametrize("name", ["ntu25", "h36m17", "coco17", "mediapipe33"])
def test_neither_place_nor_size_nor_hidden_joints_matter(name):
    joints = moving_body(LAYOUTS[name], 0)[None]
    dimensions = LAYOUTS[name].dimensions
    hidden, moved = joints.copy(), joints.copy()
    hidden[:, :, 3] = 0
    hidden[:, ::2, 7] = np.nan
    moved[..., :dimensions] = 7 * moved[..., :dimensions] - 1
    absent = np.concatenate([np.zeros_like(joints), joints])
    for changed in (hidden, moved, absent):
        assert guessed(changed)[0] == name


def test_of_all_zeros_nothing_is_said():
    joints = np.zeros((1, 4, 17, 3))
    assert guess(joints, Channels.of(joints)) == []
    assert guess(np.ones((1, 4, 17, 3)), Channels(3, False)) == []


@pytest.mark.parametrize(
    ("joints", "expected"),
    [
        (np.full((3, 5, 2), 400.0), "x y"),
        (np.full((3, 5, 3), 0.5), "x y score"),
        (np.full((3, 5, 3), 2.5), "x y z"),
        (np.full((3, 5, 3), -0.5), "x y z"),
        (np.full((3, 5, 4), 0.5), "x y z score"),
    ],
)
def test_channels_are_told_by_number_and_range(joints, expected):
    assert str(Channels.of(joints)) == expected


# Real recordings


def clips_in(archive: str, suffix: str) -> Iterator[bytes]:
    """Thirty clips of an archive, evenly spaced."""
    with zipfile.ZipFile(shared(f"data/{archive}")) as opened:
        names = sorted(name for name in opened.namelist() if name.endswith(suffix))
        for name in names[:: len(names) // 30]:
            yield opened.read(name)


def real_clips(name: str) -> Iterator[np.ndarray]:
    """Recordings (T, V, K) as they are in the files of their authors."""
    if name == "nw_ucla20":
        for content in clips_in("all_sqe.zip", ".json"):
            yield np.array(json.loads(content)["skeletons"])
    elif name == "utd_mhad20":
        for content in clips_in("utd_mhad_skeleton.zip", ".mat"):
            yield np.moveaxis(loadmat(io.BytesIO(content))["d_skel"], -1, 0)
    elif name == "msr_action3d20":
        for content in clips_in("msr_action3d.zip", "skeleton3D.txt"):
            yield np.array(content.split(), dtype=float).reshape(-1, 20, 4)[..., :3]
    else:
        for content in clips_in("penn_action_labels.zip", ".mat"):
            clip = loadmat(io.BytesIO(content))
            yield np.stack([clip["x"], clip["y"], clip["visibility"] != 0], axis=-1)


@pytest.mark.parametrize("name", ["nw_ucla20", "utd_mhad20", "msr_action3d20", "penn_action13"])
def test_real_recordings_have_their_layout(name):
    found = [guessed(clip[None]) for clip in real_clips(name) if clip.any()]
    assert len(found) >= 30
    assert {layout for layout, _ in found} == {name}
    assert np.mean([how == "surely" for _, how in found]) > 0.9


# The command


def test_the_command_says_what_to_write(tmp_path):
    file = tmp_path / "clip.npy"
    np.save(file, moving_body(LAYOUTS["h36m17"], 0)[..., :2])
    said = brl("data", "layout", str(file)).stdout
    assert said.startswith(f"{file}: bodies: 1, frames: 12, joints: 17, channels: x y\n")
    assert "coco17" in said
    assert said.endswith("In dataset.yaml:\n\nlayout: h36m17\ndimensions: 2\n")


def test_the_command_reads_json_with_joints_that_were_not_seen(tmp_path):
    joints = moving_body(LAYOUTS["ntu25"], 0).tolist()
    joints[0][3] = [None, None, None]
    file = tmp_path / "clip.json"
    for content in (joints, {"skeletons": joints}):
        file.write_text(json.dumps(content))
        assert brl("data", "layout", str(file)).stdout.endswith("\nlayout: ntu25\n")


@pytest.mark.parametrize("name", ["openpose18", "openpose25"])
def test_the_command_reads_what_pose_estimators_write(tmp_path, name):
    folder = openpose(tmp_path / "clip", [[body] for body in moving_body(LAYOUTS[name], 0)])
    assert brl("data", "layout", str(folder)).stdout.endswith(f"\nlayout: {name}\n")


def test_the_command_does_not_pretend_to_know(tmp_path):
    file = tmp_path / "clip.npy"
    np.save(file, moving_body(LAYOUTS["coco17"], 0)[:, np.random.default_rng(0).permutation(17)])
    said = brl("data", "layout", str(file)).stdout
    assert "No known layout fits" in said and "layout: " not in said


def test_more_bodies_than_frames_look_suspicious(tmp_path):
    """As in an array of frames x bodies x joints x channels."""
    body = moving_body(LAYOUTS["coco17"], 0)
    for axes, suspicious in ((body[None], False), (body[:, None], True)):
        np.save(tmp_path / "clip.npy", axes)
        said = brl("data", "layout", str(tmp_path / "clip.npy")).stdout
        assert ("Suspicious: more bodies than frames (the axes are bodies x" in said) == suspicious


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (np.ones((4, 19, 3)), "no known layout has 19 joints, but 13, 17, 18, 20, 21, 24, 25,"),
        (np.zeros((4, 17, 3)), "fewer than half of the 17 joints are ever seen"),
        (
            np.ones((4, 17)),
            "an array of shape (4, 17); must be frames x joints x channels (2",
        ),
        (np.ones((0, 17, 3)), "an array of shape (1, 0, 17, 3); must be frames x joints"),
        (np.array({}), "holds Python objects, not numbers; must be one array of numbers"),
    ],
    ids=["joints", "unseen", "axes", "empty", "objects"],
)
def test_a_file_that_is_no_clip_is_refused(tmp_path, content, said):
    file = tmp_path / "clip.npy"
    np.save(file, content, allow_pickle=True)
    done = brl("data", "layout", str(file))
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {file}: {said}")


def test_a_missing_file_is_one_line(tmp_path):
    said = refused("data", "layout", str(tmp_path / "x.npy"))
    assert said.endswith("x.npy: no such file or folder")
