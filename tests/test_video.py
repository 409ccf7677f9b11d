"""Videos become clips of own data; the pose networks are stand-ins that find coloured spots."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.clips.layouts import LAYOUTS
from brl.commands.from_video import LAYOUT_NAMES
from brl.datasets.own.source import open_own
from brl.support.errors import UserError
from brl.video.clips import read_frames
from brl.video.estimators import open_estimator
from brl.video.videos import find_videos
from tests import pose_networks
from tests.command import brl, refused

RED, GREEN = 2, 1  # channels of a frame, which is in blue, green, red
SIZE = (96, 64)  # width and height of the videos
FRAMES = 6


def spots(
    places: dict[int, tuple[float, ...]], size: tuple[int, ...] = SIZE, radius: int = 1
) -> np.ndarray:
    """A black frame with a square spot per colour, by its centre."""
    frame = np.zeros((size[1], size[0], 3), np.uint8)
    for channel, (x, y) in places.items():
        rows, columns = (slice(round(at) - radius, round(at) + radius + 1) for at in (y, x))
        frame[rows, columns, channel] = 255
    return frame


def film(path: Path, frames: list[np.ndarray]) -> Path:
    """Writes a video without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FFV1"), 10, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def walk(frame: int) -> tuple[int, int]:
    return 20 + 4 * frame, 24 + 2 * frame


def walker(path: Path) -> Path:
    """A video of a red spot that walks."""
    return film(path, [spots({RED: walk(frame)}) for frame in range(FRAMES)])


@pytest.fixture
def networks(tmp_path) -> tuple[str, ...]:
    """The options that name an RTMPose and its detector."""
    pose = pose_networks.rtmpose(tmp_path / "networks/rtmpose-m.onnx")
    detector = pose_networks.detector(tmp_path / "networks/yolox_m.onnx")
    return "--pose", str(pose), "--detector", str(detector)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def from_video(*arguments: str):
    return brl("data", "from-video", *arguments)


def the_list(folder: str = "own") -> list[dict[str, str]]:
    return pd.read_csv(f"{folder}/clips.csv", dtype=str, keep_default_na=False).to_dict("records")


def test_folders_of_classes_become_clips_that_the_project_reads(project, networks):
    walker(project / "videos/wave/one.avi")
    walker(project / "videos/fall/second try/one.avi")
    done = from_video("videos", *networks)
    assert done.exit_code == 0
    assert "own/clips.csv: 2 new clips, 0 were there" in done.stdout
    assert "Without a split: line 2, 3 of own/clips.csv" in done.stdout
    assert "Without a label" not in done.stdout
    assert "own/dataset.yaml with the classes, `layout: coco17`" in done.stdout
    size = {"split": "", "width": "96", "height": "64"}
    assert the_list() == [
        {"name": "fall_second try_one", "label": "fall"} | size,
        {"name": "wave_one", "label": "wave"} | size,
    ]
    Path("own/dataset.yaml").write_text(
        "classes: [wave, fall]\nlayout: coco17\nnormalize: image\n", encoding="utf-8"
    )
    own = open_own(Path("nothing fetched"))
    (clip,) = own.read(own.items[1])
    assert (clip.name, clip.label) == ("wave_one", 0)
    assert clip.joints.shape == (1, FRAMES, 17, 3) and clip.image_size == (64, 96)
    assert clip.joints[0, 0, 0, :2] == pytest.approx(walk(0), abs=2)


def test_joints_lie_where_they_are_seen_and_are_zero_elsewhere(project, networks):
    """The stand-in's joint v sees colour v modulo 3, from red: those of green and blue are dark."""
    walker(project / "clip.avi")
    from_video("clip.avi", *networks)
    joints = np.load("own/clip.npy")
    assert joints.shape == (1, FRAMES, 17, 3) and joints.dtype == np.float32
    red = np.arange(17) % 3 == 0
    assert not joints[:, :, ~red].any()
    assert (joints[:, :, red, 2] > 2).all()  # 255, normalised
    walked = [walk(frame) for frame in range(FRAMES)]
    np.testing.assert_allclose(joints[0, :, 0, :2], walked, atol=2)


@given(
    size=st.tuples(st.integers(40, 200), st.integers(40, 200)),
    place=st.tuples(st.floats(0.2, 0.8), st.floats(0.2, 0.8)),
)
def test_frames_of_any_shape_give_pixels_of_the_frame(tmp_path_factory, size, place):
    folder = tmp_path_factory.mktemp("networks")
    where = np.array(place) * size
    radius = max(size) // 32
    frame = spots({GREEN: tuple(where)}, size, radius)
    near = 2 * radius + max(size) / 64 + 1  # networks point to a corner of the spot
    rtmo = open_estimator(pose_networks.rtmo(folder / "rtmo.onnx"), None, 1)
    (person,) = rtmo.people(frame)
    np.testing.assert_allclose(person[0, :2], where, atol=near)
    detector = pose_networks.detector(folder / "yolox.onnx")
    rtmpose = open_estimator(pose_networks.rtmpose(folder / "pose.onnx"), detector, 1)
    (person,) = rtmpose.people(frame)
    np.testing.assert_allclose(person[1, :2], where, atol=near)


def test_people_are_followed(project, networks):
    """Two walk towards each other on different heights; one leaves."""
    frames = [
        spots({RED: (20 + 5 * step, 16)} | ({GREEN: (80 - 5 * step, 46)} if step < 4 else {}))
        for step in range(FRAMES)
    ]
    film(project / "clip.avi", frames)
    from_video("clip.avi", *networks)
    red, green = np.load("own/clip.npy")
    assert [body[:, :, 2].any(axis=1).sum() for body in (red, green)] == [6, 4]
    assert red[:, 0, 0] == pytest.approx([20 + 5 * step for step in range(6)], abs=2)
    assert green[:4, 1, 0] == pytest.approx([80 - 5 * step for step in range(4)], abs=2)


def test_rtmo_needs_no_detector(project):
    network = pose_networks.rtmo(project / "rtmo-s.onnx", SIZE)
    walker(project / "clip.avi")
    assert from_video("clip.avi", "--pose", str(network), "--to", "mine").exit_code == 0
    joints = np.load("mine/clip.npy")
    corners = [np.array(walk(frame)) - 1 for frame in range(FRAMES)]
    np.testing.assert_array_equal(joints[0, :, 0, :2], corners)
    np.testing.assert_array_equal(joints[0, :, 16, :2], np.add(corners, 8))


def test_networks_in_the_zip_of_the_model_zoo_are_read(project):
    network = pose_networks.rtmo(project / "end2end.onnx")
    with zipfile.ZipFile("rtmo-s.zip", "w") as archive:
        archive.write(network, "20230831/rtmo/end2end.onnx")
        archive.writestr("20230831/rtmo/pipeline.json", "{}")
    walker(project / "clip.avi")
    assert from_video("clip.avi", "--pose", "rtmo-s.zip").exit_code == 0


def test_detectors_see_people_only_and_rtmdet_sees_normalised_colours(tmp_path):
    """Of the stand-in, blue is no person; normalised, no colour is bright."""
    frame = spots({RED: (20, 20), GREEN: (60, 20), 0: (40, 40)})
    pose = pose_networks.rtmpose(tmp_path / "pose.onnx")
    yolox = pose_networks.detector(tmp_path / "yolox.onnx", labels=(1, 0, 0))
    assert len(open_estimator(pose, yolox, 1).people(frame)) == 2
    rtmdet = pose_networks.detector(tmp_path / "rtmdet/end2end.onnx")
    assert len(open_estimator(pose, rtmdet, 1).people(frame)) == 0


def test_a_second_run_makes_only_what_is_missing(project, networks):
    walker(project / "videos/one.avi")
    from_video("videos", *networks)
    rows = the_list()
    rows[0] |= {"label": "wave", "split": "train", "place": "Kitchen, left"}
    pd.DataFrame(rows).to_csv("own/clips.csv", index=False)
    before = Path("own/one.npy").stat().st_mtime_ns
    walker(project / "videos/two.avi")
    done = from_video("videos", *networks)
    assert "1 new clips, 1 were there" in done.stdout
    assert "Without a label: line 3 of own/clips.csv" in done.stdout
    assert Path("own/one.npy").stat().st_mtime_ns == before
    assert the_list()[0] == rows[0]
    assert the_list()[1] == dict.fromkeys(rows[0], "") | {
        "name": "two", "width": "96", "height": "64",
    }  # fmt: skip


def test_a_clip_that_an_interrupted_run_left_is_listed(project, networks):
    walker(project / "one.avi")
    from_video("one.avi", *networks)
    rows = the_list()
    Path("own/clips.csv").unlink()
    from_video("one.avi", *networks)
    assert the_list() == rows


def test_damaged_videos_are_named_and_the_others_go_on(project, networks):
    walker(project / "videos/a.avi")
    (project / "videos/b.mp4").write_bytes(b"no video")
    film(project / "videos/c.avi", [spots({}), spots({})])
    walker(project / "videos/d.avi")
    done = from_video("videos", *networks)
    assert done.exit_code == 1
    broken, empty, last = done.stderr.splitlines()
    videos = project / "videos"
    assert broken == f"{videos}/b.mp4: no frame can be read; must be a video that OpenCV can read"
    assert empty == f"{videos}/c.avi: no frame shows a body"
    assert last == "error: 2 of 4 videos gave no clip; named above"
    assert [row["name"] for row in the_list()] == ["a", "d"]


@pytest.mark.parametrize("content", [b"", b"no array", b"PK\x03\x04"])
def test_a_damaged_clip_that_is_there_is_named(project, networks, content):
    walker(project / "one.avi")
    Path("own").mkdir(exist_ok=True)
    Path("own/one.npy").write_bytes(content)
    done = from_video("one.avi", *networks)
    first, _ = done.stderr.splitlines()
    assert first.endswith("own/one.npy: not an array file; remove it to make it anew")


def test_wrong_networks_and_files_are_refused(project, networks):
    walker(project / "one.avi")
    _, pose, _, detector = networks
    hints = "https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/onnx_sdk/"
    walk_in = ("data", "from-video", "one.avi")
    assert refused(*walk_in).startswith(
        f"--pose: needs a file of OpenMMLab's model zoo, such as {hints}rtmpose-m_"
    )
    assert f"--detector: RTMPose needs one, a file such as {hints}yolox_m_" in refused(
        *walk_in, "--pose", pose
    )
    assert "such as" in refused(*walk_in, "--pose", pose, "--detector", pose)
    assert "must be simcc_x, simcc_y (RTMPose)" in refused(*walk_in, "--pose", detector)
    other_name = pose_networks.detector(project / "other/end2end.onnx")
    assert "must contain yolox or rtmdet" in refused(
        *walk_in, "--pose", pose, "--detector", str(other_name)
    )
    rtmo = pose_networks.rtmo(project / "rtmo.onnx")
    assert "is RTMO, which needs none" in refused(
        *walk_in, "--pose", str(rtmo), "--detector", detector
    )
    faces = pose_networks.rtmo(project / "faces.onnx", joints=106)
    assert "a network of 106 joints; can be 17 (coco17)" in refused(*walk_in, "--pose", str(faces))
    Path("text.onnx").write_text("no network")
    assert "not an ONNX network" in refused(*walk_in, "--pose", "text.onnx")
    assert "No such file" in refused(*walk_in, "--pose", "gone.onnx")
    with zipfile.ZipFile("empty.zip", "w"):
        pass
    assert "holds 0 .onnx files; must hold one" in refused(*walk_in, "--pose", "empty.zip")
    assert not Path("own").exists()


def test_clips_of_another_network_are_not_mixed_in(project, networks):
    walker(project / "one.avi")
    from_video("one.avi", *networks)
    feet = pose_networks.rtmo(project / "feet.onnx", joints=26)
    done = from_video("one.avi", "--pose", str(feet))
    assert "has the shape (1, 6, 17, 3), but the network gives 26 joints; remove it" in done.stderr


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "must be CSV with a header"),
        ("name;label;split\none;wave;train\n", "no column 'name'; the list needs name, label"),
    ],
)
def test_a_list_that_is_none_is_refused(project, networks, text, message):
    walker(project / "one.avi")
    Path("own").mkdir()
    Path("own/clips.csv").write_text(text)
    assert message in refused("data", "from-video", "one.avi", *networks)


def test_videos_are_named_after_their_folders(tmp_path):
    for name in ("b.mp4", "a/x.MOV", "a/notes.txt", "c/d/y.mkv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_videos([tmp_path, tmp_path / "b.mp4"])
    assert [(video.name, video.label) for video in found] == [
        ("a_x", "a"), ("b", ""), ("c_d_y", "c"),
    ]  # fmt: skip
    (tmp_path / "a_x.avi").touch()
    with pytest.raises(UserError, match=r"its clip would be named a_x, as that of .*a/x\.MOV"):
        find_videos([tmp_path])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: contains no video \(.mp4"):
        find_videos([tmp_path / "empty"])
    with pytest.raises(UserError, match="gone: no such file or folder"):
        find_videos([tmp_path / "gone"])


def test_frames_are_those_that_were_filmed(tmp_path):
    path = walker(tmp_path / "clip.avi")
    for number, frame in enumerate(read_frames(path)):
        np.testing.assert_array_equal(frame, spots({RED: walk(number)}))
    assert number == FRAMES - 1


def test_the_layouts_have_the_joints_of_their_networks():
    for number, name in LAYOUT_NAMES.items():
        assert LAYOUTS[name].num_joints == number
