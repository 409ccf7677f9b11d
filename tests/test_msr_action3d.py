"""MSR Action3D: the real clips, their subjects and their bodies."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from brl.clips.store import ClipStore
from brl.datasets.data_report import findings
from brl.datasets.facts import Facts
from brl.datasets.msr_action3d import NOISY
from tests.prepared import prepared
from tests.reference import shared

HEAD, SPINE, HIP_CENTRE, LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_ANKLE = 19, 3, 6, 0, 1, 15
LEFT_WRIST, RIGHT_WRIST = 9, 10


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> tuple[ClipStore, list[Facts]]:
    return prepared("msr_action3d", tmp_path_factory.mktemp("msr_action3d"))


@pytest.fixture
def store(dataset) -> ClipStore:
    return dataset[0]


def test_the_fields_numbers_of_clips(store):
    assert len(store.names) == 557 and len(NOISY) == 10 and not NOISY & {*store.names}
    train, test = (store.part("xsub", part) for part in ("train", "test"))
    assert (len(train), len(test)) == (284, 273)
    assert {name[4:7] for name in store.names[train]} == {"s01", "s03", "s05", "s07", "s09"}
    assert np.bincount(store.labels[train]).tolist() == [
        15, 14, 15, 13, 15, 15, 14, 15, 15, 15, 15, 15, 12, 14, 9, 15, 15, 15, 15, 13,
    ]  # fmt: skip


def test_nothing_in_the_clips_needs_attention(dataset):
    assert findings(*dataset, max_bodies=1).empty


@pytest.fixture(scope="module")
def files() -> dict[str, np.ndarray]:
    """The joints of all clips in the archive, by name."""
    with zipfile.ZipFile(shared("data/msr_action3d.zip")) as archive:
        numbers = {
            Path(member).stem.removesuffix("_skeleton3D"): np.array(archive.read(member).split())
            for member in archive.namelist()
        }
    return {name: row.astype(float).reshape(-1, 20, 4)[..., :3] for name, row in numbers.items()}


def test_clips_equal_those_in_the_files(store, files):
    (clip,) = np.flatnonzero(store.names == "a09_s05_e02")
    assert store.classes[store.labels[clip]] == "draw circle"
    joints = files["a09_s05_e02"]
    np.testing.assert_allclose(store.joints(clip)[0], joints - joints[0, SPINE], atol=1e-6)


def test_frames_without_a_body_are_dropped(store, files):
    """The sensor lost people who bend down: in 13 clips, all of test subjects."""
    lost = [name for name in store.names if not files[name].any(axis=(1, 2)).all()]
    assert len(lost) == 13 and {*lost} <= {*store.names[store.part("xsub", "test")]}
    assert {name[:3] for name in lost} == {"a13", "a20"}  # bend, pick up and throw
    for name in lost:
        (clip,) = np.flatnonzero(store.names == name)
        seen = files[name][files[name].any(axis=(1, 2))]
        np.testing.assert_allclose(store.joints(clip)[0], seen - seen[0, SPINE], atol=1e-6)


def test_people_are_upright_and_have_the_right_hand_on_the_right(store):
    """In metres, y up, x to their right, except in one clip."""
    mirrored = []
    for clip in range(len(store.names)):
        mean = store.joints(clip)[0].mean(axis=0)
        assert mean[HEAD, 1] > mean[HIP_CENTRE, 1] > mean[LEFT_ANKLE, 1]
        assert 0.9 < mean[HEAD, 1] - mean[LEFT_ANKLE, 1] < 2.2
        if mean[LEFT_SHOULDER, 0] > mean[RIGHT_SHOULDER, 0]:
            mirrored.append(store.names[clip])
    assert mirrored == ["a01_s02_e02"]


@pytest.mark.parametrize("action", ["high arm wave", "hammer", "forward punch", "draw x"])
def test_people_act_with_the_right_hand(store, action):
    for clip in np.flatnonzero(store.labels == store.classes.index(action)):
        (joints,) = store.joints(clip)
        moved = np.linalg.norm(np.diff(joints, axis=0), axis=-1).sum(axis=0)
        assert moved[RIGHT_WRIST] > moved[LEFT_WRIST]
