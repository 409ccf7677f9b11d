"""Mixing of clips and labels, against formulas evaluated clip by clip."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brl.clips.layouts import NTU25, NW_UCLA20
from brl.config.presets import METHODS
from brl.models.common.build import build
from brl.training.mixing import MIXES, Batch, Pairs, Targets, draw_pairs, rarer_takes_all, unmixed
from tests.test_networks import model_params

# Body halves of BRL, arXiv 2308.14024.
UPPER = {
    NTU25: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20, 21, 22, 23, 24],
    NW_UCLA20: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
}
LOWER = {layout: [0, 12, 13, 14, 15, 16, 17, 18, 19] for layout in UPPER}
ALPHA = {NTU25: 0.64, NW_UCLA20: 0.55}
COUNTS = torch.tensor([90, 30, 29, 10, 9, 3])
PAIRS = Pairs(torch.tensor([0, 3, 1, 4]), torch.tensor([3, 2, 5, 0]))
BODIES = (1, 2, 2, 2, 1, 2, 1)
LABELS = (0, 5, 2, 4, 1, 3, 0)


def a_batch(layout=NTU25, seed: int = 0) -> Batch:
    """Seven clips of two frames; some lack the second body."""
    generator = torch.Generator().manual_seed(seed)
    clips = torch.randn(7, 2, 2, layout.num_joints, 3, generator=generator)
    present = torch.arange(2) < torch.tensor(BODIES)[:, None]
    return unmixed(clips * present[:, :, None, None, None], present, torch.tensor(LABELS))


def mixed_by(name: str, batch: Batch, pairs: Pairs = PAIRS, layout=NTU25, seed: int = 0) -> Batch:
    return MIXES[name](batch, pairs, COUNTS, layout, torch.Generator().manual_seed(seed))


def assert_equal(ours: Batch, theirs: Batch) -> None:
    assert torch.equal(ours.clips, theirs.clips) and torch.equal(ours.present, theirs.present)
    for one, other in zip(ours.targets, theirs.targets, strict=True):
        assert torch.equal(one, other)


def own_lambda(own: int, other: int, alpha: float) -> float:
    """Label share of rebalanced partial mixup, BRL, arXiv 2308.14024."""
    if own > 3 * other:
        return 0.0
    return 1.0 if other > 3 * own else alpha


@pytest.mark.parametrize("layout", UPPER)
def test_partial_mixup_puts_both_halves_at_their_own_joints(layout):
    before = a_batch(layout)
    after = mixed_by("partial", before, layout=layout)
    assert sorted(UPPER[layout] + LOWER[layout]) == list(range(layout.num_joints))
    for clip, partner in zip(*(places.tolist() for places in PAIRS), strict=True):
        for body in range(2):
            both = before.present[clip, body] and before.present[partner, body]
            lower_of = partner if both else clip
            new, upper, lower = after.clips[clip, body], UPPER[layout], LOWER[layout]
            assert torch.equal(new[:, upper], before.clips[clip, body][:, upper])
            assert torch.equal(new[:, lower], before.clips[lower_of, body][:, lower])
    assert torch.equal(after.present, before.present)
    assert (after.clips[~after.present] == 0).all()


@pytest.mark.parametrize("layout", UPPER)
@pytest.mark.parametrize("name", ["partial", "partial_published"])
def test_the_rarer_class_gets_the_label(layout, name):
    targets = mixed_by(name, a_batch(layout), layout=layout).targets
    alpha = ALPHA[layout if name == "partial" else NTU25]  # NTU's is published for all layouts
    shares = [
        own_lambda(int(COUNTS[LABELS[clip]]), int(COUNTS[LABELS[partner]]), alpha)
        for clip, partner in zip(*(places.tolist() for places in PAIRS), strict=True)
    ]
    assert shares == [0, 1, 1, alpha]  # 90 : 9, 9 : 29, 3 : 10, 30 : 90
    if name == "partial":
        np.testing.assert_allclose(targets.share[PAIRS.mixed], shares)
    else:
        np.testing.assert_allclose(targets.share, shares[-1])
    assert targets.labels.tolist() == list(LABELS)
    assert targets.partners.tolist() == [4, 3, 2, 2, 0, 3, 0]


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=20))
def test_a_class_is_the_rarer_one_where_the_other_has_more_than_three_times_its_clips(pairs):
    own, others = torch.tensor(pairs).T
    expected = [own_lambda(*pair, 0.25) for pair in pairs]
    assert rarer_takes_all(own, others, 0.25).tolist() == expected


@pytest.mark.parametrize(
    ("own", "other", "share"),
    [(30, 10, 0.5), (31, 10, 0.0), (10, 30, 0.5), (10, 31, 1.0), (7, 7, 0.5), (4, 1, 0.0)],
)
def test_exactly_three_times_as_many_clips_do_not_make_a_class_more_frequent(own, other, share):
    assert rarer_takes_all(torch.tensor([own]), torch.tensor([other]), 0.5).tolist() == [share]


@pytest.mark.parametrize("layout", UPPER)
def test_the_published_mixture_puts_the_halves_end_to_end(layout):
    before = a_batch(layout)
    after = mixed_by("partial_published", before, layout=layout)
    for clip, partner in zip(*(places.tolist() for places in PAIRS), strict=True):
        upper = before.clips[clip][:, :, UPPER[layout]]
        lower = before.clips[partner][:, :, LOWER[layout]]
        assert torch.equal(after.clips[clip], torch.cat([upper, lower], dim=2))
        assert not torch.equal(after.clips[clip][:, :, 0], before.clips[partner][:, :, 0])


def test_a_network_sees_the_second_lower_half_of_a_published_mixture():
    """Clip 0 has one body, its partner 3 two: the preset computes absent bodies, as published."""
    settings = METHODS.read("brl_published")
    assert settings["model"]["absent_bodies"] == "pad"
    mixed = mixed_by(settings["method"]["mix"], a_batch())
    assert not mixed.present[0, 1] and mixed.clips[0, 1].any()
    torch.manual_seed(0)
    network = build(model_params("stgcnpp", **settings["model"]), NTU25, 3, 5, max_bodies=2)
    alone = mixed.clips.clone()
    alone[0, 1] = 0
    seen, unseen = (network.features(clips, mixed.present) for clips in (mixed.clips, alone))
    assert not torch.allclose(seen[0, 1], unseen[0, 1])


def test_without_a_pair_the_published_mixture_has_a_lambda_of_zero_and_own_labels():
    none = Pairs(torch.tensor([], dtype=torch.long), torch.tensor([], dtype=torch.long))
    before = a_batch()
    after = mixed_by("partial_published", before, none)
    assert torch.equal(after.clips, before.clips)
    assert after.targets.share.tolist() == [0] * 7
    assert torch.equal(after.targets.partners, after.targets.labels)


@pytest.mark.parametrize("name", ["mixup", "remix"])
@pytest.mark.parametrize("seed", range(5))
def test_mixup_and_remix_blend_coordinates_and_join_bodies(name, seed):
    before, after = a_batch(), mixed_by(name, a_batch(), seed=seed)
    shares = torch.rand(4, generator=torch.Generator().manual_seed(seed))
    for share, clip, partner in zip(shares, *PAIRS, strict=True):
        blend = share * before.clips[clip] + (1 - share) * before.clips[partner]
        torch.testing.assert_close(after.clips[clip], blend)
        bodies = max(BODIES[clip], BODIES[partner])
        assert after.present[clip].tolist() == [True, bodies == 2]
        own, other = COUNTS[LABELS[clip]], COUNTS[LABELS[partner]]
        expected = float(share)
        if name == "remix" and own >= 3 * other and share < 0.5:
            expected = 0
        if name == "remix" and other >= 3 * own and 1 - share < 0.5:
            expected = 1
        assert float(after.targets.share[clip]) == pytest.approx(expected)
        assert after.targets.partners[clip] == LABELS[partner]


def test_remix_relabels_both_ways_and_only_where_the_rarer_makes_up_more():
    """Pairs of 90 : 9 clips, 9 : 29, 3 : 10 and 30 : 90 (three times are enough)."""
    for seed in range(30):
        shares = mixed_by("remix", a_batch(), seed=seed).targets.share[PAIRS.mixed].tolist()
        drawn = torch.rand(4, generator=torch.Generator().manual_seed(seed)).tolist()
        assert shares[0] == (0 if drawn[0] < 0.5 else pytest.approx(drawn[0]))
        for place in (1, 2, 3):
            assert shares[place] == (1 if drawn[place] > 0.5 else pytest.approx(drawn[place]))


def test_mixups_share_is_uniform():
    size = 4000
    present = torch.ones(size, 1, dtype=torch.bool)
    batch = unmixed(torch.zeros(size, 1, 1, 25, 3), present, torch.zeros(size, dtype=torch.long))
    pairs = Pairs(torch.arange(size), torch.arange(size).roll(1))
    shares = mixed_by("mixup", batch, pairs).targets.share
    quantiles = torch.linspace(0.1, 0.9, 9)
    torch.testing.assert_close(shares.quantile(quantiles), quantiles, atol=0.03, rtol=0)


@pytest.mark.parametrize("name", [n for n in MIXES if n != "partial_published"])
def test_clips_that_are_not_mixed_do_not_change(name):
    before, after = a_batch(), mixed_by(name, a_batch())
    rest = [2, 5, 6]
    assert torch.equal(after.clips[rest], before.clips[rest])
    assert torch.equal(after.present[rest], before.present[rest])
    labels = [LABELS[clip] for clip in rest]
    assert [values[rest].tolist() for values in after.targets] == [labels, labels, [1] * 3]


@pytest.mark.parametrize("name", MIXES)
def test_the_given_batch_does_not_change(name):
    given = a_batch()
    mixed_by(name, given)
    assert_equal(given, a_batch())


@pytest.mark.parametrize("name", [n for n in MIXES if n != "partial_published"])
def test_a_batch_is_mixed_like_its_single_clips(name):
    whole = mixed_by(name, a_batch(), seed=3)
    generator = torch.Generator().manual_seed(3)
    before, rows = a_batch(), a_batch()
    clips, present, (labels, partners, share) = rows
    for clip, partner in zip(*PAIRS, strict=True):
        alone = MIXES[name](before, Pairs(clip[None], partner[None]), COUNTS, NTU25, generator)
        clips[clip], present[clip] = alone.clips[clip], alone.present[clip]
        partners = partners.clone()
        partners[clip], share[clip] = alone.targets.partners[clip], alone.targets.share[clip]
    assert_equal(whole, Batch(clips, present, Targets(labels, partners, share)))


@given(st.integers(2, 40), st.floats(0, 1), st.integers(0, 2**31))
def test_the_share_of_a_batch_is_mixed_each_clip_with_another(size, share, seed):
    mixed, partners = draw_pairs(size, share, torch.Generator().manual_seed(seed))
    assert len(mixed) in (int(share * size), int(np.ceil(share * size - 1e-6)))
    assert len(set(mixed.tolist())) == len(mixed)
    assert (mixed != partners).all()
    assert ((partners >= 0) & (partners < size)).all()


@pytest.mark.parametrize(("size", "share"), [(16, 1 / 16), (5, 0.3), (7, 1 / 16), (3, 1.0)])
def test_on_average_it_is_the_share_and_every_clip_meets_every_other(size, share):
    generator = torch.Generator().manual_seed(0)
    times = 8000
    met = torch.zeros(size, size)
    for _ in range(times):
        met[draw_pairs(size, share, generator)] += 1
    assert float(met.sum()) / times == pytest.approx(share * size, rel=0.05)
    expected = (1 - torch.eye(size)) * share / (size - 1)
    torch.testing.assert_close(met / times, expected, atol=0.02, rtol=0.3)
    assert (met.fill_diagonal_(1) > 0).all()


@pytest.mark.parametrize(("size", "share"), [(1, 1.0), (1, 0.5), (8, 0.0)])
def test_no_pairs_without_partners_or_share(size, share):
    for seed in range(50):
        mixed, partners = draw_pairs(size, share, torch.Generator().manual_seed(seed))
        assert len(mixed) == len(partners) == 0


@pytest.mark.parametrize("name", MIXES)
def test_a_batch_of_one_clip_is_left_alone(name):
    clip = Batch(
        a_batch().clips[:1], a_batch().present[:1], Targets(*(t[:1] for t in a_batch().targets))
    )
    after = mixed_by(name, clip, draw_pairs(1, 1.0, torch.Generator().manual_seed(0)))
    assert torch.equal(after.clips, clip.clips)
    assert torch.equal(after.targets.partners, clip.targets.labels)
