"""UTD-MHAD: the real clips, their subjects and their bodies."""

import io
import zipfile

import numpy as np
import pytest
from scipy.io import loadmat

from brl.clips.store import ClipStore
from brl.datasets.data_report import findings
from brl.datasets.facts import Facts
from brl.datasets.subjects import odd_subjects_train
from tests.prepared import prepared
from tests.reference import shared

HEAD, SPINE, HIP_CENTRE, LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_FOOT = 0, 2, 3, 4, 8, 15
LEFT_WRIST, RIGHT_WRIST = 6, 10


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> tuple[ClipStore, list[Facts]]:
    return prepared("utd_mhad", tmp_path_factory.mktemp("utd_mhad"))


@pytest.fixture
def store(dataset) -> ClipStore:
    return dataset[0]


def test_odd_subjects_train():
    names = ["a1_s1_t1", "a1_s2_t1", "a27_s7_t4", "a9_s8_t3", "a01_s10_e02"]
    assert odd_subjects_train(names) == {
        "xsub": {"train": [names[0], names[2]], "test": [names[1], names[3], names[4]]}
    }


def test_published_numbers_of_clips(store):
    assert len(store.names) == 861 and (store.frames.min(), store.frames.max()) == (41, 125)
    for part, number in (("train", 431), ("test", 430)):
        labels = store.labels[store.part("xsub", part)]
        assert len(labels) == number and set(np.bincount(labels, minlength=27)) == {15, 16}


def test_nothing_in_the_clips_needs_attention(dataset):
    assert findings(*dataset, max_bodies=1).empty


def test_clips_equal_those_in_the_files(store):
    with zipfile.ZipFile(shared("data/utd_mhad_skeleton.zip")) as archive:
        content = archive.read("a10_s4_t2_skeleton.mat")
    expected = np.moveaxis(loadmat(io.BytesIO(content))["d_skel"], -1, 0)
    (clip,) = np.flatnonzero(store.names == "a10_s4_t2")
    assert store.classes[store.labels[clip]] == "draw circle counter-clockwise"
    (joints,) = store.joints(clip)
    np.testing.assert_allclose(joints, expected - expected[0, SPINE], atol=1e-6)


def test_people_are_upright_and_have_the_right_hand_on_the_right(store):
    """In metres, y up, x to their right."""
    for clip in range(len(store.names)):
        mean = store.joints(clip)[0].mean(axis=0)
        assert mean[HEAD, 1] > mean[HIP_CENTRE, 1] > mean[LEFT_FOOT, 1]
        assert mean[LEFT_SHOULDER, 0] < mean[RIGHT_SHOULDER, 0]
        assert 0.9 < mean[HEAD, 1] - mean[LEFT_FOOT, 1] < 1.9


@pytest.mark.parametrize("action", ["throw", "knock", "tennis swing"])
def test_people_act_with_the_right_hand(store, action):
    for clip in np.flatnonzero(store.labels == store.classes.index(action)):
        (joints,) = store.joints(clip)
        moved = np.linalg.norm(np.diff(joints, axis=0), axis=-1).sum(axis=0)
        assert moved[RIGHT_WRIST] > moved[LEFT_WRIST]


def test_standing_up_and_sitting_down_are_what_they_are_called(store):
    for action, sign in (("stand up", 1), ("sit down", -1)):
        for clip in np.flatnonzero(store.labels == store.classes.index(action)):
            head = store.joints(clip)[0, :, HEAD, 1]
            assert sign * (head[-1] - head[0]) > 0.1
