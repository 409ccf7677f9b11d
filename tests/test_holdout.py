"""The validation part held out of a training subset."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.balance.holdout import hold_out
from brl.subset.subset import Subset

counts_strategy = st.lists(st.integers(0, 30), min_size=1, max_size=8).filter(any)


def subset_of(counts: list[int], seed: int = 0) -> tuple[SimpleNamespace, Subset]:
    """A subset of these counts, its clips scattered over a store of twice as many."""
    labels = np.repeat(np.arange(len(counts)), 2 * np.array(counts))
    labels = np.random.default_rng(seed).permutation(labels)
    chosen = [np.flatnonzero(labels == label)[::2] for label in range(len(counts))]
    clips = np.random.default_rng(seed + 1).permutation(np.concatenate(chosen))
    return SimpleNamespace(labels=labels), Subset(clips, np.array(counts))


@given(counts_strategy, st.floats(0, 0.5), st.integers(0, 2**31))
def test_every_clip_is_in_one_part_and_the_parts_keep_the_order(counts, share, seed):
    store, subset = subset_of(counts)
    trained, held = hold_out(store, subset, share, seed)
    both = np.concatenate([trained.clips, held.clips])
    assert sorted(both.tolist()) == sorted(subset.clips.tolist())
    for part in (trained, held):
        inside = [clip for clip in subset.clips.tolist() if clip in part.clips]
        assert part.clips.tolist() == inside
        by_class = np.bincount(store.labels[part.clips], minlength=len(counts))
        assert part.counts.tolist() == by_class.tolist()


@given(counts_strategy, st.floats(0.001, 0.5), st.integers(0, 2**31))
def test_of_every_class_its_share_is_held_out_but_at_least_one_clip_and_never_all(
    counts, share, seed
):
    _, held = hold_out(*subset_of(counts), share, seed)
    for count, number in zip(counts, held.counts.tolist(), strict=True):
        if count < 2:
            assert number == 0
        else:
            assert 1 <= number < count
            assert number == 1 or abs(number - share * count) <= 0.5


@given(counts_strategy, st.integers(0, 2**31))
def test_without_a_share_nothing_is_held_out(counts, seed):
    store, subset = subset_of(counts)
    trained, held = hold_out(store, subset, 0.0, seed)
    assert trained.clips.tolist() == subset.clips.tolist()
    assert trained.counts.tolist() == counts
    assert len(held.clips) == 0 and held.counts.tolist() == [0] * len(counts)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_seed_decides_which_clips_are_held_out(share):
    store, subset = subset_of([40, 20, 10])
    first, again, other = (hold_out(store, subset, share, seed)[1] for seed in (0, 0, 1))
    assert first.clips.tolist() == again.clips.tolist()
    assert set(first.clips) != set(other.clips)
    assert first.counts.tolist() == other.counts.tolist() == [40 * share, 20 * share, 10 * share]


def test_every_clip_may_be_held_out():
    store, subset = subset_of([10, 4])
    held = set()
    for seed in range(60):
        held |= set(hold_out(store, subset, 0.2, seed)[1].clips.tolist())
    assert held == set(subset.clips.tolist())
