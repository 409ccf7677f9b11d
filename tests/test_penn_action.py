"""Penn Action: the real clips, their official split and their bodies."""

import io
import zipfile

import numpy as np
import pytest
from scipy.io import loadmat

from brl.clips.layouts import PENN_ACTION13
from brl.clips.store import ClipStore
from brl.datasets.data_report import findings
from brl.datasets.doubts import OUTSIDE, SWAPPED
from brl.datasets.facts import Facts
from brl.datasets.penn_action import FILES, open_archive
from tests.prepared import prepared
from tests.reference import shared
from tests.worlds import penn_clip

HEAD, RIGHT_SHOULDER, LEFT_SHOULDER, RIGHT_WRIST, LEFT_WRIST = 0, 1, 2, 5, 6


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> tuple[ClipStore, list[Facts]]:
    return prepared("penn_action", tmp_path_factory.mktemp("penn_action"))


@pytest.fixture
def store(dataset) -> ClipStore:
    return dataset[0]


def test_published_numbers_of_clips(store):
    assert len(store.names) == 2326
    train, test = (store.labels[store.part("default", part)] for part in ("train", "test"))
    assert (len(train), len(test)) == (1258, 1068)
    counts = dict(zip(store.classes, np.bincount(train).tolist(), strict=True))
    assert counts["bowl"] == max(counts.values()) == 135
    assert counts["jump rope"] == min(counts.values()) == 40


def test_what_needs_attention_in_the_clips(dataset):
    """A third have joints that nobody could place; in two, one frame shows none at all.

    Three files state the size of a narrower image than that in which the joints were marked.
    """
    found = findings(*dataset, max_bodies=1).set_index("finding")["count"].to_dict()
    assert found == {
        "clips with frames without a body": 2,
        "clips with missing joints": 769,
        f"clips with {OUTSIDE}": 2,
        f"clips with {SWAPPED}": 1,
    }


def test_clips_equal_those_in_the_files(store):
    """x, y and whether the joint is visible; joints in the corner of the image are missing."""
    with zipfile.ZipFile(shared("data/penn_action_labels.zip")) as archive:
        content = loadmat(io.BytesIO(archive.read("labels/1604.mat")))
    (clip,) = np.flatnonzero(store.names == "1604")
    (joints,) = store.joints(clip)
    assert store.classes[store.labels[clip]] == content["action"][0] == "situp"
    height, width, frames = content["dimensions"][0].tolist()
    assert (height, width, frames) == (360, 480, len(joints))
    cornered = (content["x"] == 0.75) & (content["y"] == 0.75)
    assert cornered.any() and (joints[cornered] == 0).all()
    expected = np.stack([content["x"] / 240 - 1, content["y"] / 180 - 1, content["visibility"]], -1)
    np.testing.assert_allclose(joints[~cornered], expected[~cornered], atol=1e-6)


def joints_of(tmp_path, **content: object) -> np.ndarray:
    """The joints of the only clip of a zip."""
    with zipfile.ZipFile(tmp_path / FILES.name, "w") as archive:
        archive.writestr("labels/0001.mat", penn_clip(**content))
    dataset = open_archive(tmp_path)
    (clip,) = dataset.read(dataset.items[0])
    assert clip.image_size == (270, 480)
    return clip.joints[0, 0]


def test_a_hidden_joint_keeps_its_place_unless_that_is_the_corner(tmp_path):
    x, y = np.full((2, 1, 13), 135.0)
    visible = np.ones((1, 13))
    x[0, :3], y[0, :3] = [1.5, 1.5, 1.0], [1.5, 1.5, 200.0]
    visible[0, [0, 2, 3]] = 0
    joints = joints_of(tmp_path, x=x, y=y, visibility=visible)
    assert (joints[0] == 0).all()  # hidden, in the corner: missing
    assert joints[1].tolist() == [1.5, 1.5, 1]  # seen in the corner
    assert joints[2].tolist() == [1, 200, 0]  # hidden at the left edge
    assert joints[3:5].tolist() == [[135, 135, 0], [135, 135, 1]]


def test_what_the_files_call_left_is_on_the_right_of_the_body(store):
    """Guitars are played towards the camera, and nearly all are strummed with the right hand.

    y is down in images, and the right side of who faces the camera is on the left.
    """
    facing, strumming = [], []
    for clip in np.flatnonzero(store.labels == store.classes.index("strum guitar")):
        (joints,) = store.joints(clip)
        shown = joints[joints[:, [HEAD, RIGHT_SHOULDER, LEFT_SHOULDER], 2].all(axis=1)]
        if len(shown):
            head, right, left = shown.mean(axis=0)[[HEAD, RIGHT_SHOULDER, LEFT_SHOULDER]]
            assert head[1] < min(left[1], right[1])
            facing.append(right[0] < left[0])
        if joints[:, [RIGHT_WRIST, LEFT_WRIST], 2].mean() > 0.8:
            moved = np.abs(np.diff(joints[..., :2], axis=0)).sum(axis=(0, 2))
            strumming.append(moved[RIGHT_WRIST] > moved[LEFT_WRIST])
    assert len(facing) > 80 and np.mean(facing) > 0.95
    assert len(strumming) > 70 and np.mean(strumming) > 0.9
    assert (LEFT_SHOULDER, RIGHT_SHOULDER) in PENN_ACTION13.mirror_pairs
    assert (LEFT_WRIST, RIGHT_WRIST) in PENN_ACTION13.mirror_pairs
