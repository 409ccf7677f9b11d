"""The samplers: which clips a pass shows, and how often."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brl.balance.samplers import SAMPLERS, instance, rebalanced


def of_counts(counts: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)), torch.tensor(
        counts
    )


counts_strategy = st.lists(st.integers(1, 60), min_size=1, max_size=12)


@given(counts_strategy, st.integers(0, 2**31))
def test_instance_shows_every_clip_once(counts, seed):
    labels, counts = of_counts(counts)
    order = instance(labels, counts, torch.Generator().manual_seed(seed), 0.5)
    assert sorted(order.tolist()) == list(range(len(labels)))


@given(counts_strategy, st.integers(0, 2**31))
def test_rebalanced_repeats_the_rare_third_to_the_largest(counts, seed):
    labels, counts = of_counts(counts)
    order = rebalanced(labels, counts, torch.Generator().manual_seed(seed), 0.5)
    shown = torch.bincount(order, minlength=len(labels))
    ranks = torch.argsort(counts, descending=True, stable=True).tolist()
    for label, count in enumerate(counts.tolist()):
        times = shown[labels == label]
        if ranks.index(label) < 2 * (len(counts) // 3):
            assert (times == 1).all()
        else:
            exact = int(counts.max()) / count
            assert (times >= int(exact)).all() and (times <= int(exact) + 1).all()


def test_nw_ucla_profile_shows_about_744_clips_a_pass():
    """Classes 6 to 9 of the factor-10 profile (21 16 12 10 clips) appear about 100 times each."""
    labels, counts = of_counts([100, 77, 59, 46, 35, 27, 21, 16, 12, 10])
    shown = torch.zeros(10)
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        shown += (
            torch.bincount(labels[rebalanced(labels, counts, generator, 0.5)], minlength=10) / 50
        )
    torch.testing.assert_close(shown[:6], counts[:6].float())
    torch.testing.assert_close(shown[6:], torch.full((4,), 100.0), atol=2, rtol=0)


def test_a_frequent_last_class_is_not_rare():
    """Rare is decided by the counts, not by the position in the label order."""
    labels, counts = of_counts([5, 50, 90])
    order = rebalanced(labels, counts, torch.Generator().manual_seed(0), 0.5)
    assert torch.bincount(labels[order]).tolist() == [90, 50, 90]


COUNTS = [81, 9, 25, 1]
SHARES = {
    ("square_root", 0.0): [9 / 18, 3 / 18, 5 / 18, 1 / 18],
    ("square_root", 1.0): [9 / 18, 3 / 18, 5 / 18, 1 / 18],
    ("class_balanced", 0.0): [1 / 4] * 4,
    ("class_balanced", 1.0): [1 / 4] * 4,
    ("progressive", 0.0): [81 / 116, 9 / 116, 25 / 116, 1 / 116],
    ("progressive", 0.5): [(n / 116 + 1 / 4) / 2 for n in COUNTS],
    ("progressive", 1.0): [1 / 4] * 4,
}


@pytest.mark.parametrize(("name", "progress"), SHARES)
def test_classes_are_drawn_in_their_proportions_and_their_clips_equally(name, progress):
    labels, counts = of_counts(COUNTS)
    generator = torch.Generator().manual_seed(0)
    passes = 1500
    shown = torch.zeros(len(labels))
    for _ in range(passes):
        indices = SAMPLERS[name](labels, counts, generator, progress)
        assert len(indices) == len(labels)
        shown += torch.bincount(indices, minlength=len(labels))
    shown /= passes * len(labels)
    expected = torch.tensor(SHARES[name, progress])
    by_class = torch.zeros(4).index_add(0, labels, shown)
    torch.testing.assert_close(by_class, expected, rtol=0.05, atol=0)
    torch.testing.assert_close(shown, (expected / counts)[labels], rtol=0.25, atol=0)


@given(counts_strategy, st.sampled_from(sorted(SAMPLERS)), st.floats(0, 1), st.integers(0, 2**31))
def test_the_generator_decides_and_indices_are_clips(counts, name, progress, seed):
    labels, counts = of_counts(counts)
    first, again = (
        SAMPLERS[name](labels, counts, torch.Generator().manual_seed(seed), progress)
        for _ in range(2)
    )
    assert torch.equal(first, again)
    assert ((first >= 0) & (first < len(labels))).all()
