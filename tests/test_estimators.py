"""What pose estimators write: each format gives the joints that it holds, or a one-line error."""

import io
import json
import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from brl.clips.layout import Layout
from brl.clips.layouts import COCO17, LAYOUTS, OPENPOSE18
from brl.clips.normalize import to_image_frame
from brl.clips.store import ClipStore
from brl.datasets.own import source as own
from brl.datasets.prepare import prepare
from brl.datasets.recordings import numpy_files
from brl.datasets.recordings.read import find_recordings, read_recording
from brl.serving.predict import Request
from brl.support.errors import UserError
from tests import estimators
from tests.command import brl
from tests.estimators import openpose, results, write_json
from tests.own_data import write_description
from tests.recognizers import untrained
from tests.reference import shared

FRAMES = 6
NAMES = ("nose", "left inner eye", "right mouth", "index 1", "thumb 2")


def star(count: int, name: str = "own", names: tuple[str, ...] = (), **more) -> Layout:
    """A layout whose joints all hang on the first."""
    return Layout(name, (0,) * count, (), (0,), names=names, **more)


def walker(joints: int, left: float = 100, seed: int = 0, frames: int = FRAMES) -> np.ndarray:
    """A person (T, V, 3) about 100 pixels tall who walks to the right; x, y and score."""
    draws = np.random.default_rng(seed)
    pose = draws.uniform(0, 100, (joints, 2)) + np.array([left, 50])
    moved = pose + np.arange(frames)[:, None, None] * [4, 0] + draws.normal(size=(joints, 2))
    return np.concatenate([moved, draws.uniform(0.5, 1, (frames, joints, 1))], axis=2).round(2)


def alone(person: np.ndarray) -> list[list[np.ndarray]]:
    return [[pose] for pose in person]


def read(path, layout: Layout) -> np.ndarray:
    return read_recording(path, layout, "it")


def written(tmp_path, content):
    return write_json(tmp_path / "recording.json", content)


VIDEOS = {
    "AlphaPose": partial(results, tracked=True),
    "COCO results": results,
    "MMPose": estimators.predictions,
    "MMPose, frames alone": lambda scene: estimators.predictions(scene)["instance_info"],
    "Kinetics": estimators.kinetics,
}


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_of_two_people_gives_two_bodies(tmp_path, name):
    """The one who leaves early comes second, whoever is named first."""
    first, second = walker(17), walker(17, left=600, seed=1)
    order = [0, 1] if name == "AlphaPose" else [1, 0]  # its tracks are numbered
    scene = [[(a, b)[n] for n in order] for a, b in zip(first, second, strict=True)]
    scene[4:] = alone(first[4:])
    joints = read(written(tmp_path, VIDEOS[name](scene)), COCO17)
    assert joints.shape == (2, FRAMES, 17, 3)
    np.testing.assert_allclose(joints[0], first, rtol=1e-6)
    np.testing.assert_allclose(joints[1, :4], second[:4], rtol=1e-6)
    assert not joints[1, 4:].any()


def test_a_folder_of_frames_is_one_recording(tmp_path):
    person = walker(18)
    folder = openpose(tmp_path / "videos" / "one", alone(person))
    other = written(tmp_path / "videos", results(alone(person)))
    assert find_recordings([tmp_path]) == [folder, other]
    assert find_recordings([folder]) == [folder]
    for path in (folder, other):
        np.testing.assert_allclose(read(path, OPENPOSE18)[0], person, rtol=1e-6)
    frame = folder / "clip_000000000003_keypoints.json"
    np.testing.assert_allclose(read(frame, OPENPOSE18)[0], person[3:4], rtol=1e-6)


@pytest.mark.parametrize("form", ["open", "cmu"])
def test_alphapose_in_the_forms_of_openpose(tmp_path, form):
    """Both forms exist as one file, and as a folder with a file for each image."""
    first, second = walker(18), walker(18, left=600, seed=1)
    scene = [[*pair] for pair in zip(first, second, strict=True)]
    scene[4:] = [[], [first[5]]]
    frames = estimators.alphapose_frames(scene, form)
    one = write_json(tmp_path / "clip/alphapose-results.json", frames)
    for name, frame in frames.items():
        write_json(tmp_path / f"clip/sep-json/{name.removesuffix('.jpg')}.json", frame)
    for path in (one, tmp_path / "clip/sep-json"):
        joints = read(path, OPENPOSE18)
        assert joints.shape == (2, FRAMES, 18, 3)
        np.testing.assert_allclose(joints[0, [0, 1, 2, 3, 5]], first[[0, 1, 2, 3, 5]], rtol=1e-6)
        np.testing.assert_allclose(joints[1, :4], second[:4], rtol=1e-6)
        assert not joints[:, 4].any()
    assert find_recordings([tmp_path]) == [one]  # the same frames are no second recording
    one.unlink()
    assert find_recordings([tmp_path]) == [tmp_path / "clip/sep-json"]


def test_frames_that_show_nobody_count(tmp_path):
    """Those of OpenPose have a file each; from other files, numbers are missing."""
    person = walker(18)
    scene = [[], [], *alone(person), []]
    joints = read(openpose(tmp_path / "clip", scene, first=7), OPENPOSE18)
    assert joints.shape[1] == FRAMES + 3
    np.testing.assert_allclose(joints[0, 2:-1], person, rtol=1e-6)
    assert not joints[0, [0, 1, -1]].any()
    (tmp_path / "clip/clip_000000000010_keypoints.json").unlink()
    assert not read(tmp_path / "clip", OPENPOSE18)[0, 3].any()
    scene = [*alone(person[:2]), [], [], [], *alone(person[2:]), []]
    joints = read(written(tmp_path, results(scene)), OPENPOSE18)
    np.testing.assert_allclose(joints[0, [0, 1, 5, 6, 7, 8]], person, rtol=1e-6)
    assert joints.shape[1] == FRAMES + 3 and not joints[0, 2:5].any()


def test_every_fifth_image_is_a_frame(tmp_path):
    content = results(alone(walker(18)))
    for number, each in enumerate(content):
        each["image_id"] = f"camera2_{5 * number:06d}.png"
    assert read(written(tmp_path, content), OPENPOSE18).shape[1] == FRAMES


def test_a_joint_without_a_score_or_a_number_was_not_seen(tmp_path):
    person = walker(18)
    person[0, 3], person[1, 4, 2], person[2, 5] = 0, 0, np.nan
    joints = read(openpose(tmp_path / "clip", alone(person)), OPENPOSE18)
    assert not joints[0, [0, 1, 2], [3, 4, 5]].any()
    assert joints.any(axis=-1).sum() == FRAMES * 18 - 3


def test_openpose_with_25_joints_has_the_18_of_its_earlier_model(tmp_path):
    person = walker(25)
    folder = openpose(tmp_path / "clip", alone(person))
    np.testing.assert_allclose(read(folder, star(25, dimensions=2, scored=True))[0], person)
    joints = read(folder, OPENPOSE18)
    np.testing.assert_allclose(joints[0, :, :8], person[:, :8])
    np.testing.assert_allclose(joints[0, :, 8:], person[:, 9:19])


def test_the_first_17_of_larger_skeletons_are_coco17(tmp_path):
    person = walker(133)
    joints = read(written(tmp_path, estimators.predictions(alone(person))), COCO17)
    np.testing.assert_allclose(joints[0], person[:, :17])


def test_a_layout_of_21_joints_reads_hands_and_one_of_67_all(tmp_path):
    """Left and right hand stay two bodies where they touch."""
    body, left, right = walker(25), walker(21, seed=1), walker(21, left=101, seed=2)
    folder = openpose(tmp_path / "clip", alone(body))
    for file, *hands in zip(sorted(folder.iterdir()), left, right, strict=True):
        found = {"pose_keypoints_2d": estimators.flat(body[int(file.name[5:17])])}
        for side, joints in zip(("left", "right"), hands, strict=True):
            found[f"hand_{side}_keypoints_2d"] = estimators.flat(joints)
        write_json(file, {"people": [found]})
    hands = read(folder, star(21, dimensions=2, scored=True))
    assert sorted(hands[:, 0, 0, 0].tolist()) == pytest.approx(
        sorted([left[0, 0, 0], right[0, 0, 0]])
    )
    for hand in (left, right):
        assert np.isclose(hands, hand).all(axis=(1, 2, 3)).any()
    whole = read(folder, star(67, dimensions=2, scored=True))
    np.testing.assert_allclose(whole[0], np.concatenate([body, left, right], axis=1))


def test_tracks_of_the_estimator_count(tmp_path):
    """Two people change places from one frame to the next: AlphaPose knows."""
    first, second = walker(17), walker(17, left=600, seed=1)
    first[3:], second[3:] = second[3:].copy(), first[3:].copy()
    scene = [list(pair) for pair in zip(first, second, strict=True)]
    joints = read(written(tmp_path, results(scene, tracked=True)), COCO17)
    followed = read(written(tmp_path, results(scene)), COCO17)
    assert any(np.allclose(body, first) for body in joints)
    assert not any(np.allclose(body, first) for body in followed)


def test_detections_that_are_most_likely_nobody_are_left_out(tmp_path):
    likely, unlikely = alone(walker(17)), alone(walker(17, left=600, seed=1))
    content = results(likely) + results(unlikely, score=0.01)
    assert len(read(written(tmp_path, content), COCO17)) == 1


def test_layouts_without_a_score_get_the_coordinates(tmp_path):
    person = walker(17)
    joints = read(written(tmp_path, results(alone(person))), star(17, dimensions=2))
    np.testing.assert_allclose(joints[0], person[..., :2], rtol=1e-6)


def test_mmpose_lifted_to_3d(tmp_path):
    pose = np.random.default_rng(0).normal(size=(17, 3))
    one = {"keypoints": pose.tolist(), "keypoint_scores": [1.0] * 17}
    joints = read(written(tmp_path, [{"instances": [one]}]), star(17))
    np.testing.assert_allclose(joints[0, 0], pose, rtol=1e-6)
    image = written(tmp_path, [one])
    np.testing.assert_allclose(read(image, star(17)), joints)


LANDMARKS = np.random.default_rng(0).uniform(0.1, 1, (FRAMES, 5, 4)).round(4)
NAMED = star(5, names=NAMES)
SPELLED = ["nose", "LEFT_EYE_INNER", "MouthRight", "INDEX_FINGER_MCP", "THUMB_MCP"]


def tables():
    numbers = [f"landmark_{number}" for number in range(5)]
    swapped = LANDMARKS[:, ::-1], SPELLED[::-1]
    wide = estimators.table(LANDMARKS, numbers)
    short = wide.set_axis([f"{axis}{joint}" for joint in range(1, 6) for axis in "xyzv"], axis=1)
    yield "short names", short.assign(**{"class": "wave"}), ","
    yield "numbers", wide, ","
    yield "semicolons", wide, ";"
    yield "names in another order", estimators.table(*swapped), "\t"
    yield "a line per joint", estimators.long_table(LANDMARKS, [*range(5)]), ","
    yield "a line per named joint", estimators.long_table(*swapped), ","


TABLES = {name: (table, separator) for name, table, separator in tables()}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_landmarks(tmp_path, name):
    table, separator = TABLES[name]
    table.to_csv(tmp_path / "a.csv", index=False, sep=separator)
    np.testing.assert_allclose(read(tmp_path / "a.csv", NAMED)[0], LANDMARKS[..., :3], rtol=1e-6)
    scored = read(tmp_path / "a.csv", star(5, names=NAMES, dimensions=2, scored=True))
    np.testing.assert_allclose(scored[0], LANDMARKS[..., [0, 1, 3]], rtol=1e-6)


def test_joints_of_a_layout_without_names_are_in_the_order_of_the_table(tmp_path):
    for form in (estimators.table, estimators.long_table):
        form(LANDMARKS, SPELLED).to_csv(tmp_path / "a.csv", index=False)
        joints = read(tmp_path / "a.csv", star(5))
        np.testing.assert_allclose(joints[0], LANDMARKS[..., :3], rtol=1e-6)


def test_a_known_layout_has_its_names_where_a_file_of_weights_lost_them(tmp_path):
    known = LAYOUTS["mediapipe33"]
    points = np.random.default_rng(0).uniform(0.1, 1, (FRAMES, 33, 4)).round(4)
    backwards = points[:, ::-1], [*known.names[::-1]]
    estimators.long_table(*backwards).to_csv(tmp_path / "a.csv", index=False)
    for layout in (known, replace(known, names=())):
        np.testing.assert_allclose(read(tmp_path / "a.csv", layout)[0], points, rtol=1e-6)


def test_empty_values_and_missing_frames_of_a_table_were_not_seen(tmp_path):
    table = estimators.table(LANDMARKS, SPELLED).assign(frame=[1, 2, 3, 6, 7, 8])
    table.iloc[1, :20] = np.nan
    table.to_csv(tmp_path / "a.csv", index=False)
    joints = read(tmp_path / "a.csv", NAMED)
    assert joints.shape[1] == 8
    assert joints[0].any(axis=(1, 2)).tolist() == [True, False, True, False, False, *[True] * 3]


@pytest.mark.parametrize("joints", [33, 21])
def test_arrays_of_mediapipe_may_be_flat_and_have_visibility(tmp_path, joints):
    points = np.random.default_rng(0).normal(size=(FRAMES, joints, 4))
    forms = {"whole": points, "flat": points.reshape(FRAMES, -1), "xyz": points[..., :3]}
    forms["flat xyz"] = points[..., :3].reshape(FRAMES, -1)
    for name, array in forms.items():
        np.save(tmp_path / f"{name}.npy", array)
        np.testing.assert_array_equal(
            read(tmp_path / f"{name}.npy", star(joints))[0], points[..., :3]
        )
    with_score = read(tmp_path / "flat xyz.npy", star(joints, scored=True))
    assert (with_score[..., 3] == 1).all()
    np.savetxt(tmp_path / "flat.csv", forms["flat"], delimiter=",")
    np.testing.assert_allclose(read(tmp_path / "flat.csv", star(joints))[0], points[..., :3])


def test_a_zip_of_arrays_may_hold_one_that_fits(tmp_path):
    joints = walker(17)
    np.savez_compressed(tmp_path / "one.npz", joints)
    np.savez(tmp_path / "two.npz", keypoints=joints, boxes=np.ones((FRAMES, 4)))
    for name in ("one", "two"):
        np.testing.assert_array_equal(read(tmp_path / f"{name}.npz", COCO17)[0], joints)


def test_null_is_a_number_a_joint_or_a_frame_that_is_not_known(tmp_path):
    person = walker(5).tolist()
    person[0][1][0] = person[1][2] = person[2] = None
    joints = read(written(tmp_path, [person]), star(5))
    missing = np.isnan(joints[0]).any(axis=-1)
    assert missing.sum() == 7 and missing[0, 1] and missing[1, 2] and missing[2].all()


def renamed(content, *names):
    return [each | {"image_id": name} for each, name in zip(content, names, strict=False)]


ONE = alone(walker(17))
WRONG = {
    "nobody": (estimators.kinetics([[], []]), "no frame shows a body"),
    "no result": ([], r"an array of shape \(0,\)"),
    "two recordings": (
        renamed(results(ONE), "a_1.jpg", "b_1.jpg"),
        "images 'a_1.jpg' and 'b_1.jpg'; must be the frames of one recording",
    ),
    "numbers that count no frames": (
        renamed(results(ONE), "1.jpg", "2.jpg", "987654321098.jpg"),
        "3 frames with the numbers 1 to 987654321098; must be numbered in their order",
    ),
    "numbers of 30 digits": (renamed(results(ONE), "1" * 30, "2" * 30), "must be the frames of"),
    "another layout": (results(alone(walker(16))), "result 0: a skeleton of 16 joints in 2D; must"),
    "words": (
        [{"image_id": 1, "keypoints": ["left"]}],
        "result 0: keypoints: .'left'.; must be a list of numbers in groups of 3",
    ),
    "pairs": ([{"image_id": 1, "keypoints": [1, 2]}], "in groups of 3"),
    "numbers without end": ([{"image_id": 1, "keypoints": [10**400] * 51}], "must be a list of"),
    "a broken result": ([*results(ONE), 7], "must be a list of dictionaries with image_id and key"),
    "scores too few": (
        [{"instances": [{"keypoints": [[1, 2]] * 17, "keypoint_scores": [1]}]}],
        "frame 0: 1 scores of 17 joints; must be as many",
    ),
    "a frame's number": (
        [{"frame_id": "x", "instances": []}],
        "frame 0: frame_id: x; must be a whole number",
    ),
    "people": ({"people": [3]}, "people: must be a list of dictionaries"),
    "bodies": ({"bodies": [{}]}, "bodies: must be a list of dictionaries with joints"),
    "a frame among frames": (
        {"0.jpg": {"people": []}, "1.jpg": 7}, "1.jpg: not a frame of OpenPose; must be JSON with",
    ),
    "a skeleton": (
        {"data": [{"skeleton": [{"pose": []}]}]},
        "data 0: skeleton: must be a list of dictionaries with pose and score",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_a_recording_is_refused_in_one_line(tmp_path, case):
    content, complaint = WRONG[case]
    with pytest.raises(UserError, match=complaint) as raised:
        read(written(tmp_path, content), COCO17)
    assert str(raised.value).startswith("it: ") and "\n" not in str(raised.value)


TEXTS = {
    "a list of clips": ("name,label,split\na,b,train\n", "text that begins with name,label"),
    "a table of other joints": ("knee_x,knee_y,foot_x,foot_y\n1,2,3,4\n", "columns of 2 joints"),
    "a joint without z": ("a1_x,a1_y,a2_x,a2_y,a3_x,a3_y,a4_x,a4_y,a5_x,a5_y\n" + "1," * 9 + "1\n",
                          "no column z of the joint a1"),
    "a line per joint without its name": ("frame,x,y,z\n1,2,3,4\n", "must have the columns"),
    "a line too long": ("0_x,0_y,1_x,1_y\n1,2,3,4\n1,2,3,4,5,6\n", "not valid CSV"),
    "numbers of other joints": ("1,2,3\n4,5,6\n", r"an array of shape \(2, 3\)"),
    "nothing": ("", "an empty file"),
}  # fmt: skip


@pytest.mark.parametrize("case", TEXTS)
def test_tables_that_are_none_of_landmarks_are_refused_in_one_line(tmp_path, case):
    text, complaint = TEXTS[case]
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=complaint) as raised:
        read(tmp_path / "a.csv", NAMED)
    assert str(raised.value).startswith("it: ") and "\n" not in str(raised.value)


# From a file to a store, and to a class


def described(folder, names):
    """Own data of these clips, in pixels, with the OpenPose joints; the last one is for testing."""
    description = {"classes": ["wave", "point"], "layout": "openpose18", "normalize": "image"}
    write_description(folder, description)
    parts = ["train"] * (len(names) - 1) + ["test"]
    rows = [
        (name, n % 2, part, 640, 480)
        for n, (name, part) in enumerate(zip(names, parts, strict=True))
    ]
    table = pd.DataFrame(rows, columns=["name", "label", "split", "width", "height"])
    table.to_csv(folder / "clips.csv", index=False)


def test_own_data_of_all_kinds_become_a_store(tmp_path):
    """A clip's file has its name: a folder of frames, or one with the suffix of any format."""
    folder, person = tmp_path / "own", walker(18)
    openpose(folder / "a", alone(person))
    write_json(folder / "b.json", results(alone(person + 1)))
    np.savez(folder / "c.npz", person + 2)
    np.save(folder / "d.npy", person + 3)
    estimators.scored_table(person + 4).to_csv(folder / "e.csv", index=False)
    described(folder, "abcde")
    own.check(str(folder))
    own.SOURCE.fetch(tmp_path / "raw", str(folder))
    prepare("custom", own.SOURCE.open(tmp_path / "raw"), tmp_path / "store", 2)
    store = ClipStore.open(tmp_path / "store")
    assert store.names.tolist() == [*"abcde"]
    for clip in range(5):
        expected = to_image_frame(person[None] + clip, height=480, width=640)
        np.testing.assert_allclose(store.joints(clip), expected, rtol=1e-5, atol=1e-6)


def test_a_recording_that_cannot_be_read_is_named_before_any_stage(tmp_path):
    folder = tmp_path / "own"
    for name in "ab":
        openpose(folder / name, alone(walker(18)))
    described(folder, "ab")
    (folder / "b/clip_000000000002_keypoints.json").write_text('{"people": [')
    with pytest.raises(UserError, match=r"^clip b: b: clip_000000000002_.*: not valid JSON"):
        own.check(str(folder))


def test_a_folder_of_frames_is_recognised(tmp_path, monkeypatch):
    monkeypatch.setattr(Request, "recognizer", lambda _: untrained(OPENPOSE18, max_bodies=2))
    monkeypatch.chdir(tmp_path)
    openpose(tmp_path / "videos/a", [[pose, pose + 300] for pose in walker(18)])
    write_json(tmp_path / "videos/b.json", {"points": []})
    done = brl("predict", "videos", "--json")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: videos/b.json: JSON with the keys 'points'; can be read:")
    first, second = json.loads(done.stdout)
    assert (first["file"], first["frames"], len(first["classes"])) == ("videos/a", FRAMES, 3)
    assert second["file"] == "videos/b.json" and "error" in second


# Files that ask for much


def nested(depth):
    return "[" * depth + "]" * depth


def without_its_start() -> bytes:
    """A zip that tells of a file before its own start."""
    file = io.BytesIO()
    np.savez(file, first=np.ones(2), second=np.ones(2))
    return file.getvalue()[file.getvalue().index(b"PK\x03\x04", 1) :]


HOSTILE = {
    "lists in lists": ("a.json", nested(100_000).encode(), "not valid JSON"),
    "many absent bodies": (
        "a.json", json.dumps([[[[1.0] * 3] * 17] * 100] + [None] * 100).encode(), "not a recording",
    ),
    "a number without end": ("a.json", b"[[[" + b"9" * 10_000 + b"]]]", "not valid JSON"),
    "a pickle": ("a.pkl", pickle.dumps(print), r"a pickle \(a whole dataset .*\); can be read"),
    "a pickle called an array": ("a.npy", pickle.dumps(print), "not a whole array file"),
    "half a zip": ("a.npz", b"PK\x03\x04", "not a whole array file"),
    "a zip without its start": ("a.npz", without_its_start(), "not a whole array file"),
    "text with a wrong name": ("a.skeleton", b"hello", "line 1: 'hello'; must be the number of"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_in_one_line(tmp_path, case):
    name, content, complaint = HOSTILE[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=complaint) as raised:
        read(tmp_path / name, COCO17)
    assert str(raised.value).startswith("it: ") and "\n" not in str(raised.value)


def test_a_small_zip_of_a_huge_array_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(numpy_files, "LARGEST", 1000)
    np.savez_compressed(tmp_path / "a.npz", np.zeros((100, 17, 3)))
    with pytest.raises(UserError, match="it: arrays of 40928 bytes; must be 1000 or fewer"):
        read(tmp_path / "a.npz", COCO17)


@pytest.mark.parametrize("count", [17, 21])
def test_a_zip_is_known_by_its_content(tmp_path, count):
    joints = walker(count)
    np.savez(tmp_path / "a.npz", joints)
    zipped = (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    layout = star(count, dimensions=2, scored=True)
    np.testing.assert_array_equal(read(zipped, layout)[0], joints)


def test_zipped_objects_are_not_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", np.array([print]))
    with pytest.raises(UserError, match="it: holds Python objects, not numbers"):
        read(tmp_path / "a.npz", COCO17)


CASES = {
    "openpose": (1, 8), "alphapose-results.json": (1, 8), "kinetics_skeleton.json": (1, 8),
    "nulls.json": (1, 8),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_files_that_people_had(name):
    joints = read(shared(f"cases/{name}"), OPENPOSE18)
    assert joints.shape[:2] == CASES[name]
    assert (joints != 0).any()
