"""Which clips an epoch shows. Method: section 4, rebalanced exploration."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from brl.samplers import instance, rebalanced


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


def test_a_frequent_last_class_is_not_taken_for_rare():
    """Rare is decided by the counts, not by the place in the label order."""
    labels, counts = of_counts([5, 50, 90])
    order = rebalanced(labels, counts, torch.Generator().manual_seed(0), 0.5)
    assert torch.bincount(labels[order]).tolist() == [90, 50, 90]
