"""Own data in the files of sensors: from the file to the clip in the store."""

import json

import numpy as np
import pytest

from brl.clips.normalize import normalize_ntu
from brl.clips.store import ClipStore
from brl.datasets.own import source as own
from brl.datasets.prepare import prepare
from tests.ntu_files import people, scene_of, skeleton_text
from tests.own_data import write_description


@pytest.fixture
def stored(tmp_path):
    def store_of(layout: str, **normalize: object) -> ClipStore:
        described = {"classes": ["sit", "stand"], "layout": layout} | normalize
        write_description(tmp_path, described)
        lines = ["name,label,split", "one,sit,train", "two,stand,test"]
        (tmp_path / "clips.csv").write_text("\n".join(lines))
        own.check(str(tmp_path))
        own.fetch(tmp_path / "raw", str(tmp_path))
        prepare("custom", own.open_own(tmp_path / "raw"), tmp_path / "store", 2)
        return ClipStore.open(tmp_path / "store")

    return store_of


def test_raw_files_of_ntu(tmp_path, stored):
    """Two people of whom one comes later, and a short glimpse of a third, which is dropped."""
    first, second = people(20, seed=0, motion=3.0), people(15, seed=1)
    scene = scene_of(20, (range(20), first), (range(5, 20), second), (range(3), people(3, seed=2)))
    (tmp_path / "one.skeleton").write_text(skeleton_text(scene))
    (tmp_path / "two.skeleton").write_text(skeleton_text(scene_of(20, (range(20), first))))
    store = stored("ntu25", normalize="ntu")
    both = np.zeros((2, 20, 25, 3), np.float32)
    both[0], both[1, 5:] = first, second
    np.testing.assert_allclose(store.joints(0), normalize_ntu(both), atol=1e-5)
    np.testing.assert_allclose(store.joints(1), normalize_ntu(both[:1]), atol=1e-5)


def test_json_files_of_nw_ucla(tmp_path, stored):
    draws = np.random.default_rng(0)
    recorded = {
        name: draws.normal(size=(frames, 20, 3)) for name, frames in (("one", 7), ("two", 1))
    }
    for name, joints in recorded.items():
        content = {"file_name": name, "skeletons": joints.tolist(), "label": 10}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    store = stored("nw_ucla20", normalize="center", center=1)
    for number, joints in enumerate(recorded.values()):
        np.testing.assert_allclose(store.joints(number)[0], joints - joints[0, 1], atol=1e-6)
