"""The clip store and its batches: clips read back as written; a failed write leaves nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brl.clips.clip import Clip, Splits
from brl.clips.layout import Layout
from brl.clips.layouts import NW_UCLA20
from brl.clips.normalize import Normalization
from brl.clips.store import ClipStore, write_store
from brl.streams.batch import Clips
from brl.support.errors import UserError

CLASSES = ("a", "b", "c")


def some_clips(sizes: list[tuple[int, int]], seed: int = 0) -> list[Clip]:
    """Clips of the given (bodies, frames), with random joints, named by their number."""
    draws = np.random.default_rng(seed)
    return [
        Clip(
            name=f"clip{number:03d}",
            label=number % len(CLASSES),
            joints=draws.normal(size=(bodies, frames, 20, 3)).astype(np.float32),
        )
        for number, (bodies, frames) in enumerate(sizes)
    ]


def a_quarter_tests(names: list[str]) -> Splits:
    """One split: the third clip and every fourth one after it are test clips."""
    test = names[2::4]
    return {"half": {"train": [n for n in names if n not in test], "test": test}}


def stored(folder, clips, splits=a_quarter_tests, layout=NW_UCLA20) -> ClipStore:
    write_store(
        folder,
        clips,
        dataset="test",
        layout=layout,
        classes=CLASSES,
        splits=splits,
        normalization=Normalization("none"),
    )
    return ClipStore.open(folder)


sizes_strategy = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 9)), min_size=3, max_size=8)


@given(sizes_strategy, st.integers(0, 2**31))
def test_a_batch_equals_its_clips_read_one_by_one(tmp_path_factory, sizes, seed):
    """The vectorised gather returns the same joints; absent bodies are zero."""
    clips = some_clips(sizes, seed)
    store = stored(tmp_path_factory.mktemp("store") / "s", clips)
    chosen = np.random.default_rng(seed).permutation(len(clips))
    batch = Clips.of_store(store, chosen, torch.device("cpu"))
    indices = torch.arange(len(clips))
    frames = torch.tensor([[0, n // 2, n - 1] for n in batch.lengths.tolist()])
    joints, present = batch.joints(indices, frames), batch.present(indices)
    rows, owner = batch.all_rows(indices)
    for position, original in enumerate(clips[index] for index in chosen):
        bodies = len(original.joints)
        expected = original.joints[:, frames[position].numpy()]
        assert torch.equal(joints[position, :bodies], torch.from_numpy(expected))
        assert (joints[position, bodies:] == 0).all()
        assert present[position].tolist() == [m < bodies for m in range(store.max_bodies)]
        assert batch.labels[position] == original.label
        own = rows[owner == position].numpy()
        assert np.array_equal(own, original.joints.reshape(-1, 20, 3))


def test_index_and_splits(tmp_path):
    store = stored(tmp_path / "s", some_clips([(1, 4), (2, 3), (1, 1), (1, 5)]))
    assert store.names.tolist() == ["clip000", "clip001", "clip002", "clip003"]
    assert store.part("half", "train").tolist() == [0, 1, 3]
    assert store.part("half", "test").tolist() == [2]
    assert store.rows.shape == (4 + 6 + 1 + 5, 20, 3)
    with pytest.raises(UserError, match=r"no split 'other'; known: half"):
        store.part("other", "train")


def test_a_split_keeps_its_own_order(tmp_path):
    splits = {"s": {"train": ["clip003", "clip000"], "test": ["clip002"]}}
    store = stored(tmp_path / "s", some_clips([(1, 2)] * 4), lambda names: splits)
    assert store.part("s", "train").tolist() == [3, 0]
    assert store.meta["splits"] == ["s"]


def test_a_custom_layout_reads_back_and_counts_in_the_digest(tmp_path):
    layout = Layout("mine", (0, 0, 1), ((1, 2),), (0, 1), dimensions=2, scored=True)
    clip = Clip("a", 0, np.ones((1, 2, 3, 3), dtype=np.float32))
    splits = {"s": {"train": ["a"], "test": ["b"]}}
    clips = [clip, replace(clip, name="b")]
    write_store(
        tmp_path / "s",
        clips,
        dataset="t",
        layout=layout,
        classes=("x",),
        splits=lambda names: splits,
        normalization=Normalization("none"),
    )
    store = ClipStore.open(tmp_path / "s")
    assert store.layout == layout
    write_store(
        tmp_path / "t",
        clips,
        dataset="t",
        layout=replace(layout, mirror_pairs=()),
        classes=("x",),
        splits=lambda names: splits,
        normalization=Normalization("none"),
    )
    assert ClipStore.open(tmp_path / "t").digest != store.digest


def test_the_parts_of_a_known_layout_do_not_count_in_the_digest(tmp_path):
    """Kept results stay valid: their digests are older than the parts."""
    clips = some_clips([(1, 4)] * 3)
    with_parts = stored(tmp_path / "a", clips)
    without = stored(tmp_path / "b", clips, layout=replace(NW_UCLA20, parts={}))
    assert with_parts.layout.parts != without.layout.parts == {}
    assert with_parts.digest == without.digest


def test_equal_clips_give_equal_bytes_and_a_changed_coordinate_another_digest(tmp_path):
    clips = some_clips([(1, 4), (2, 3), (1, 1)])
    first, second = stored(tmp_path / "a", clips), stored(tmp_path / "b", clips)
    for file in ("rows.f32", "index.npz", "meta.json"):
        assert (first.folder / file).read_bytes() == (second.folder / file).read_bytes()
    clips[1].joints[0, 0, 0, 0] += 1
    assert stored(tmp_path / "c", clips).digest != first.digest


BAD_SPLITS = {
    "unknown clip": (["clip000", "x"], ["clip001"], "train: there is no clip 'x' .1 of 2"),
    "both parts": (["clip000"], ["clip001", "clip000"], "the clip 'clip000' occurs twice"),
    "one part twice": (["clip000"] * 2, ["clip001"], "the clip 'clip000' occurs twice"),
    "no test clip": (["clip000"], [], "split 's' has no test clip"),
}


@pytest.mark.parametrize("case", BAD_SPLITS)
def test_a_split_that_does_not_fit_is_refused_and_the_old_store_stays(tmp_path, case):
    train, test, message = BAD_SPLITS[case]
    clips = some_clips([(1, 4)] * 3)
    before = stored(tmp_path / "s", clips).digest
    with pytest.raises(UserError, match=message):
        stored(tmp_path / "s", clips, lambda names: {"s": {"train": train, "test": test}})
    assert ClipStore.open(tmp_path / "s").digest == before
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_no_clips_and_duplicate_names_are_refused(tmp_path):
    with pytest.raises(UserError, match="not a single clip"):
        stored(tmp_path / "s", [])
    with pytest.raises(UserError, match="two clips are named 'clip000'"):
        stored(tmp_path / "s", some_clips([(1, 4)]) * 2)
    assert list(tmp_path.iterdir()) == []
