"""Motion capture: BVH and C3D files become joints in metres, selected by their names."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.clips.layout import Layout
from brl.clips.layouts import NTU25
from brl.clips.store import ClipStore
from brl.datasets.own import source as own
from brl.datasets.prepare import prepare
from brl.datasets.recordings import c3d_file
from brl.datasets.recordings.read import read_recording
from brl.datasets.recordings.recording import Recording
from brl.serving.predict import classify
from brl.serving.recognizer import Recognizer
from brl.support import packages
from brl.support.errors import UserError
from tests.motion_files import BVH_CHANNELS, BVH_HIERARCHY, bvh_text, write_c3d
from tests.own_data import write_description
from tests.recognizers import untrained

NAMES = ("Chest", "Hips", "RightHand", "Left Hand")
LAYOUT = Layout("own", (1, 1, 0, 0), ((3, 2),), (0, 2, 3), names=NAMES)
MARKERS = np.random.default_rng(0).normal(size=(6, 5, 3))
LABELS = ["C7", "Hips", "Left Hand", "RightHand", "Chest"]


def layout_of(*names: str) -> Layout:
    return Layout("own", (0,) * len(names), (), (0,), names=names)


@pytest.fixture
def bvh(tmp_path):
    def read(values, layout=LAYOUT):
        path = tmp_path / "walk.bvh"
        path.write_text(bvh_text(np.array(values, dtype=float)))
        return read_recording(path, layout, "walk")

    return read


def turn(axis: str, degrees: float) -> np.ndarray:
    """The matrix of a rotation about an axis, written out."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    rows = {
        "X": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "Y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "Z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }
    return np.array(rows[axis])


# BVH


def test_a_skeleton_at_rest_is_where_its_offsets_add_up(bvh):
    rest = [0.0] * 9 + [0.5, 0.0]  # the last joint's y is a channel, which replaces its offset
    np.testing.assert_allclose(
        bvh([rest, rest])[0], [[[0, 2, 0], [0, 0, 0], [-1, 2.5, 0], [1, 2.5, 0]]] * 2
    )


def test_joints_turn_with_their_parents(bvh):
    """Hips at (1, 2, 3), turned by 90 degrees about z; chest by 90 about x in their frame."""
    values = [1, 2, 3, 90, 0, 0, 0, 90, 0, 0.5, 0]
    chest, hips, right, left = bvh([values])[0, 0]
    np.testing.assert_allclose(hips, [1, 2, 3])
    np.testing.assert_allclose(chest, [-1, 2, 3], atol=1e-12)  # y of the hips shows along -x
    np.testing.assert_allclose(left, [-1, 3, 3.5], atol=1e-12)  # x along y, y of the chest along z
    np.testing.assert_allclose(right, [-1, 1, 3.5], atol=1e-12)


@given(st.lists(st.floats(-360, 360), min_size=BVH_CHANNELS, max_size=BVH_CHANNELS))
def test_rotations_multiply_in_the_order_of_the_channels(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("bvh") / "a"  # known by its content, not its name
    path.write_text(bvh_text(np.array([values])))
    chest, hips, right, left = read_recording(path, LAYOUT, "a")[0, 0]
    x, y, z, *angles = np.round(values, 6)
    of_hips = turn("Z", angles[0]) @ turn("X", angles[1]) @ turn("Y", angles[2])
    of_chest = of_hips @ turn("Z", angles[3]) @ turn("X", angles[4]) @ turn("Y", angles[5])
    np.testing.assert_allclose(hips, [x, y, z])
    np.testing.assert_allclose(chest - hips, of_hips @ [0, 2, 0], atol=1e-9)
    np.testing.assert_allclose(left - chest, of_chest @ [1, 0.5, 0], atol=1e-9)
    np.testing.assert_allclose(right - chest, of_chest @ [-1, angles[6], 0], atol=1e-6)


WRONG_BVH = {
    "cut in its frames": (bvh_text(np.zeros((3, 11)))[:-40], "not a whole BVH file"),
    "a frame too few": (
        BVH_HIERARCHY.replace("{frames}", "2") + " ".join(["0"] * 11),
        "shape .1, 11. for 2 frames of 11 channels",
    ),
    "cut in its hierarchy": (BVH_HIERARCHY[:200], "not a whole BVH file"),
    "without frames": (BVH_HIERARCHY.replace("{frames}", "0"), "not a whole BVH file"),
    "words for numbers": (bvh_text(np.zeros((1, 11))).replace("0.0000", "x"), "could not convert"),
    "a channel unnamed": (
        bvh_text(np.zeros((1, 11))).replace("2 Yposition Zr", "2 Zr"),
        "2 channels, 1 of them named",
    ),
    "nothing else": ("HIERARCHY", "not a whole BVH file"),
}


@pytest.mark.parametrize("case", WRONG_BVH)
def test_a_damaged_bvh_file_is_refused_in_one_line(tmp_path, case):
    content, complaint = WRONG_BVH[case]
    (tmp_path / "a.bvh").write_text(content)
    with pytest.raises(UserError, match=complaint) as caught:
        read_recording(tmp_path / "a.bvh", LAYOUT, "clip a")
    assert str(caught.value).startswith("clip a: ") and str(caught.value).isprintable()


# C3D


@pytest.mark.parametrize(("unit", "metres"), [("mm", 0.001), ("m", 1.0), ("cm", 0.01)])
def test_markers_are_selected_and_in_metres(tmp_path, unit, metres):
    path = tmp_path / "walk"  # known by its content, not its name
    write_c3d(path, MARKERS / metres, LABELS, unit)
    joints = read_recording(path, LAYOUT, "")
    np.testing.assert_allclose(joints[0], MARKERS[:, [4, 1, 3, 2]], rtol=1e-6)


def test_a_marker_that_was_not_seen_is_missing(tmp_path):
    markers = MARKERS.copy()
    markers[2:4, 1] = np.nan
    write_c3d(tmp_path / "a.c3d", markers, LABELS)
    missing = np.isnan(read_recording(tmp_path / "a.c3d", LAYOUT, "")[0])
    assert missing[2:4, 1].all() and missing.sum() == 6


@pytest.mark.parametrize("size", [1, 30, 300, 600, 1030, 1500])
def test_a_c3d_file_that_is_cut_off_is_refused_in_one_line(tmp_path, size):
    write_c3d(tmp_path / "a.c3d", np.tile(MARKERS, (9, 1, 1)), LABELS)
    cut = (tmp_path / "a.c3d").read_bytes()[:size]
    (tmp_path / "a.c3d").write_bytes(cut)
    with pytest.raises(UserError, match=r"^clip a: not a whole C3D file") as caught:
        read_recording(tmp_path / "a.c3d", LAYOUT, "clip a")
    assert str(caught.value).isprintable()


def test_other_units_are_refused(tmp_path):
    write_c3d(tmp_path / "a.c3d", MARKERS, LABELS, "inch")
    with pytest.raises(UserError, match=r"a: POINT:UNITS is 'inch'; must be mm, cm, m$"):
        read_recording(tmp_path / "a.c3d", LAYOUT, "a")


def test_text_with_the_letter_of_c3d_is_not_taken_for_it(tmp_path):
    (tmp_path / "a.txt").write_text("IP, a table of addresses" + "T" * 600)
    assert not c3d_file.matches(Recording(tmp_path / "a.txt", ""))


# Names


def test_the_name_of_the_actor_may_be_left_out(tmp_path):
    write_c3d(tmp_path / "a.c3d", MARKERS, [f"Anna:{label}" for label in LABELS])
    short = read_recording(tmp_path / "a.c3d", LAYOUT, "")
    whole = read_recording(tmp_path / "a.c3d", layout_of("Anna:Chest", "Anna:Hips"), "")
    np.testing.assert_array_equal(short[:, :, :2], whole)


def test_unknown_names_are_refused_with_those_that_there_are(tmp_path, bvh):
    with pytest.raises(UserError, match=r"no joint 'Knee'; the file has Hips, Chest, Left Hand, R"):
        bvh([[0] * 11], layout_of("Hips", "Knee"))
    with pytest.raises(UserError, match=r"layout own have no names; `joints` in dataset.yaml must"):
        bvh([[0] * 11], Layout("own", (0, 0), (), (0,)))
    with pytest.raises(UserError, match="no joint 'spine base'; the file has Hips"):
        bvh([[0] * 11], NTU25)
    write_c3d(tmp_path / "a.c3d", MARKERS[:, :2], ["Anna:Hips", "Ben:Hips"])
    with pytest.raises(UserError, match="more than one joint 'Hips'; the file has Anna:Hips, Ben"):
        read_recording(tmp_path / "a.c3d", layout_of("Hips"), "")


def test_joints_of_another_dimension_are_refused(bvh):
    flat = Layout("own", (1, 1, 0, 0), (), (0,), dimensions=2, names=NAMES)
    with pytest.raises(UserError, match=r"must be frames x 4 joints x 2 channels \(x y\)"):
        bvh([[0] * 11], flat)


def test_the_order_in_the_file_does_not_matter(tmp_path):
    order = [4, 2, 0, 1, 3]
    write_c3d(tmp_path / "a.c3d", MARKERS, LABELS)
    write_c3d(tmp_path / "b.c3d", MARKERS[:, order], [LABELS[place] for place in order])
    first, second = (read_recording(tmp_path / name, LAYOUT, "") for name in ("a.c3d", "b.c3d"))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("package", ["bvh", "c3d"])
def test_a_missing_package_is_named_with_the_command(tmp_path, monkeypatch, package):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(packages, "import_module", missing)
    (tmp_path / f"a.{package}").write_bytes(b"")
    with pytest.raises(UserError, match=f"^a: needs the package {package}.*pip install {package}$"):
        read_recording(tmp_path / f"a.{package}", LAYOUT, "a")


def test_a_saved_recognizer_takes_motion_capture_of_own_joints(tmp_path):
    """It is trained on joints of a user's own, and finds them by the names that the user gave."""
    layout = replace(LAYOUT, parts={"hand": (0, 2, 3)})
    untrained(layout).save(tmp_path / "recognizer")
    recognizer = Recognizer.load(tmp_path / "recognizer")
    write_c3d(tmp_path / "a.c3d", MARKERS, LABELS)
    recording = read_recording(tmp_path / "a.c3d", recognizer.recipe.layout, "")
    likely = classify(tmp_path / "a.c3d", recording, recognizer, top=3)
    assert likely.frames == len(MARKERS)
    assert sum(each.probability for each in likely.classes) == pytest.approx(1, abs=1e-3)


def test_motion_capture_is_own_data(tmp_path):
    """Joints are named in dataset.yaml; both formats may be in one list."""
    folder = tmp_path / "own"
    folder.mkdir()
    described = {
        "classes": ["bend", "rest"],
        "joints": list(NAMES),
        "parents": ["Hips", "Hips", "Chest", "Chest"],
        "upper_body": list(NAMES),
        "normalize": "center",
        "center": "Hips",
    }
    write_description(folder, described)
    lines = ["name,label,split", "a,bend,train", "b,rest,test"]
    (folder / "clips.csv").write_text("\n".join(lines))
    (folder / "a.bvh").write_text(bvh_text(np.eye(3, BVH_CHANNELS)))
    write_c3d(folder / "b.c3d", MARKERS, LABELS)
    own.check(str(folder))
    own.fetch(tmp_path / "raw", str(folder))
    prepare("custom", own.open_own(tmp_path / "raw"), tmp_path / "store", 2)
    store = ClipStore.open(tmp_path / "store")
    assert store.layout.names == NAMES
    assert store.frames.tolist() == [3, len(MARKERS)]
    np.testing.assert_allclose(
        store.joints(1)[0, :, 0], (MARKERS[:, 4] - MARKERS[0, 1]) / 1000, rtol=1e-5
    )
