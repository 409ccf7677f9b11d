"""The clip store and its batches: what goes in comes out, whole or not at all."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brl.data.batch import Clips
from brl.data.clip import Clip
from brl.data.store import ClipStore, write_store
from brl.errors import UserError
from brl.skeleton import NW_UCLA20

CLASSES = ("a", "b", "c")


def some_clips(sizes: list[tuple[int, int]], seed: int = 0) -> list[Clip]:
    """Clips of (bodies, frames) each, a quarter of them test clips."""
    draws = np.random.default_rng(seed)
    return [
        Clip(
            name=f"clip{number:03d}",
            label=number % len(CLASSES),
            joints=draws.normal(size=(bodies, frames, 20, 3)).astype(np.float32),
            parts={"half": "test" if number % 4 == 2 else "train"},
        )
        for number, (bodies, frames) in enumerate(sizes)
    ]


def stored(folder, clips) -> ClipStore:
    write_store(
        folder, clips, dataset="test", layout=NW_UCLA20, classes=CLASSES, splits=("half", "none")
    )
    return ClipStore.open(folder)


sizes_strategy = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 9)), min_size=1, max_size=8)


@given(sizes_strategy, st.integers(0, 2**31))
def test_a_batch_holds_what_each_clip_holds(tmp_path_factory, sizes, seed):
    """The vectorised gather equals reading clip by clip, absent bodies zero."""
    clips = some_clips(sizes, seed)
    store = stored(tmp_path_factory.mktemp("store") / "s", clips)
    chosen = np.random.default_rng(seed).permutation(len(clips))
    batch = Clips(store, chosen, torch.device("cpu"))
    which = torch.arange(len(clips))
    frames = torch.tensor([[0, n // 2, n - 1] for n in batch.lengths.tolist()])
    joints, present = batch.joints(which, frames), batch.present(which)
    rows, owner = batch.all_rows(which)
    for place, original in enumerate(clips[index] for index in chosen):
        bodies = len(original.joints)
        expected = original.joints[:, frames[place].numpy()]
        assert torch.equal(joints[place, :bodies], torch.from_numpy(expected))
        assert (joints[place, bodies:] == 0).all()
        assert present[place].tolist() == [m < bodies for m in range(store.max_bodies)]
        assert batch.labels[place] == original.label
        own = rows[owner == place].numpy()
        assert np.array_equal(own, original.joints.reshape(-1, 20, 3))


def test_index_and_splits(tmp_path):
    store = stored(tmp_path / "s", some_clips([(1, 4), (2, 3), (1, 1), (1, 5)]))
    assert store.names.tolist() == ["clip000", "clip001", "clip002", "clip003"]
    assert store.part("half", "train").tolist() == [0, 1, 3]
    assert store.part("half", "test").tolist() == [2]
    assert len(store.part("none", "train")) == 0
    assert store.rows.shape == (4 + 6 + 1 + 5, 20, 3)
    with pytest.raises(UserError, match=r"no split 'other'; known: half, none"):
        store.part("other", "train")


def test_equal_clips_make_equal_bytes_and_another_number_another_digest(tmp_path):
    clips = some_clips([(1, 4), (2, 3)])
    first, second = stored(tmp_path / "a", clips), stored(tmp_path / "b", clips)
    for file in ("rows.f32", "index.npz", "meta.json"):
        assert (first.folder / file).read_bytes() == (second.folder / file).read_bytes()
    clips[1].joints[0, 0, 0, 0] += 1
    assert stored(tmp_path / "c", clips).digest != first.digest


BAD = {
    "wrong joints": (np.zeros((1, 4, 25, 3)), 0, "clip bad: joints of shape"),
    "no frames": (np.zeros((1, 0, 20, 3)), 0, "clip bad: joints of shape"),
    "not 4 axes": (np.zeros((4, 20, 3)), 0, "clip bad: joints of shape"),
    "label too high": (np.zeros((1, 4, 20, 3)), 3, "clip bad: label 3; must be 0 to 2"),
    "label below zero": (np.zeros((1, 4, 20, 3)), -1, "clip bad: label -1"),
    "NaN": (np.full((1, 4, 20, 3), np.nan), 0, "clip bad: a coordinate is not a finite"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_clip_is_named_and_the_old_store_stays(tmp_path, case):
    joints, label, message = BAD[case]
    before = stored(tmp_path / "s", some_clips([(1, 4)])).digest
    with pytest.raises(UserError, match=message):
        stored(tmp_path / "s", [*some_clips([(1, 4)]), Clip("bad", label, joints, {})])
    assert ClipStore.open(tmp_path / "s").digest == before
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_no_clip_and_two_of_one_name(tmp_path):
    with pytest.raises(UserError, match="not a single clip"):
        stored(tmp_path / "s", [])
    with pytest.raises(UserError, match="two clips are named 'clip000'"):
        stored(tmp_path / "s", some_clips([(1, 4)]) * 2)
    assert list(tmp_path.iterdir()) == []
