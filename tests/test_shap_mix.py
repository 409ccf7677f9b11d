"""Shap-Mix: what it does, and what it leaves alone."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from brl.clips.layout import Layout
from brl.clips.layouts import LAYOUTS, NTU25
from brl.clips.store import ClipStore
from brl.config.presets import METHODS
from brl.streams.weights import Recipe
from brl.support.errors import UserError
from brl.training.checkpoint_file import read_checkpoint
from brl.training.job import Job
from brl.training.loop import Training, train_stream
from brl.training.mixing import Batch, unmixed
from brl.training.prototypes import label_shares
from brl.training.shap_mix import (
    INITIAL,
    SUBSETS,
    ShapMix,
    blended,
    body_parts,
    draw_windows,
    drawn,
    mean_clip,
    moved,
    pasted,
)
from tests.methods import method
from tests.tiny import Interrupted, interrupting, job


@pytest.mark.parametrize(
    "layout", [each for each in LAYOUTS.values() if each.parts], ids=lambda layout: layout.name
)
def test_every_joint_of_a_known_layout_is_in_one_of_five_parts(layout):
    """Limbs are mirror images of each other, and the trunk is its own."""
    parts = body_parts(layout, range(layout.num_joints))
    assert (parts.sum(dim=0) == 1).all() and parts.any(dim=1).all()
    assert torch.equal(parts[:, layout.mirrored()], parts[[0, 2, 1, 4, 3]])


def test_a_part_of_the_body_has_what_it_shows_of_them():
    hand = body_parts(NTU25, NTU25.part_joints("hand"))
    assert hand.sum(dim=1).tolist() == [1, 6, 6, 0, 0]
    assert NTU25.part_joints("hand")[int(hand[0].nonzero())] == 20


SMALL = Layout(
    name="small",
    parents=(0, 0, 0, 0, 0, 1),
    mirror_pairs=((1, 2), (3, 4)),
    upper_body=(0, 1, 2, 5),
    parts={"hand": (0, 1, 2), "leg": (3, 4)},
)


def some_clips(bodies: tuple[int, ...], labels: tuple[int, ...], frames: int = 16) -> Batch:
    present = torch.arange(2) < torch.tensor(bodies)[:, None]
    clips = torch.randn(len(bodies), 2, frames, 6, 3, generator=torch.Generator().manual_seed(0))
    return unmixed(clips * present[:, :, None, None, None], present, torch.tensor(labels))


def a_state(counts: tuple[int, ...] = (30, 10, 10), frames: int = 16) -> ShapMix:
    mean = torch.full((2, frames, 6, 3), 0.5)
    return ShapMix(mean, body_parts(SMALL, range(6)), torch.tensor(counts), "float32")


class Uncertain(nn.Module):
    """All classes are equally likely."""

    def forward(self, clips: torch.Tensor, _present: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(clips), 3)


BATCHES = st.lists(st.tuples(st.integers(1, 2), st.integers(0, 2)), min_size=1, max_size=6)


@given(BATCHES, st.integers(0, 40), st.sampled_from([4, 16, 50, 100]), st.integers(0, 2**31))
def test_a_batch_is_followed_by_its_mixture(clips, passes, frames, seed):
    """Clean clips come first, labels share one clip, absent bodies stay absent."""
    batch = some_clips(*zip(*clips, strict=True), frames)
    count, state = len(clips), a_state(frames=frames)
    both = state(batch, Uncertain(), passes, torch.Generator().manual_seed(seed))
    assert torch.equal(both.clips[:count], batch.clips) and len(both.clips) == 2 * count
    assert torch.equal(both.present, batch.present.repeat(2, 1))
    assert (both.clips[~both.present] == 0).all()
    labels, partners, share = (rows.chunk(2) for rows in both.targets)
    assert torch.equal(labels[0], labels[1]) and torch.equal(labels[0], partners[0])
    assert (share[0] == 1).all() and ((share[1] >= 0) & (share[1] <= 1)).all()
    torch.testing.assert_close(label_shares(both.targets, 3).sum(dim=1), torch.ones(2 * count))


@given(st.integers(0, len(SUBSETS) - 1), st.integers(0, 1), st.integers(0, 2**31))
def test_the_rarer_class_keeps_the_drawn_parts(subset, rarer, seed):
    """Both mixtures of two clips show them; nothing but the window changes."""
    batch, state = some_clips((2, 2), (0, 1) if rarer else (1, 0)), a_state()
    partners, (target, source) = torch.tensor([1, 0]), draw_windows(16, torch.Generator())
    labels = batch.targets.labels
    chosen = torch.full((2,), subset)
    joints = state.joints_of_partners(labels, labels[partners], chosen)
    mixed = pasted(batch, partners, joints, target, source)
    kept = state.joints[subset]
    frequent = 1 - rarer
    steps = source.start + torch.arange(len(target)) * len(source) // len(target)
    inside = slice(target.start, target.stop)
    assert torch.equal(mixed.clips[rarer][..., kept, :], batch.clips[rarer][..., kept, :])
    assert torch.equal(
        mixed.clips[frequent][:, inside][..., kept, :], batch.clips[rarer][:, steps][..., kept, :]
    )
    outside = [frame for frame in range(16) if frame not in target]
    assert torch.equal(mixed.clips[:, :, outside], batch.clips[:, :, outside])


@pytest.mark.parametrize("salient", [0, 7, 19])
def test_late_mixtures_keep_what_the_table_finds_salient(salient):
    """In early ones any parts may be replaced."""
    batch = some_clips((2, 2, 2), (1, 2, 1))
    replaced: dict[int, list[torch.Tensor]] = {0: [], 6: []}
    for seed, passes in product(range(30), replaced):
        state = a_state()
        state.table[:, salient] = 50.0
        generator = torch.Generator().manual_seed(seed)
        both = state(batch, Uncertain(), passes, generator).clips.chunk(2)
        changed = (both[0] != both[1]).any(dim=-1).flatten(0, 2).any(dim=0)
        if not changed.all():  # else the clips were blended
            replaced[passes].append(changed)
    assert len(replaced[6]) > 10
    assert all(torch.equal(each, ~state.joints[salient]) for each in replaced[6])
    assert not all(torch.equal(each, ~state.joints[salient]) for each in replaced[0])


def test_of_equally_frequent_classes_the_clips_own_parts_stay():
    state, labels = a_state(), torch.tensor([1, 2])
    joints = state.joints_of_partners(labels, labels.flip(0), torch.tensor([0, 0]))
    assert torch.equal(joints, ~state.joints[[0, 0]])


@pytest.mark.parametrize("mix", ["paste", "blend"])
def test_a_body_that_the_partner_lacks_stays(mix):
    batch, partners = some_clips((1, 2), (0, 1)), torch.tensor([1, 0])
    everything = torch.ones(2, 6, dtype=torch.bool)
    mixed = (
        blended(batch, partners, 0.3)
        if mix == "blend"
        else pasted(batch, partners, everything, range(16), range(16))
    )
    assert torch.equal(mixed.clips[:, 1], batch.clips[:, 1])
    assert not torch.equal(mixed.clips[:, 0], batch.clips[:, 0])


@pytest.mark.parametrize("frames", [4, 16, 50, 64, 100])
def test_windows_are_within_the_clip_and_no_shorter_than_their_source(frames):
    drawn = set()
    for seed in range(200):
        target, source = draw_windows(frames, torch.Generator().manual_seed(seed))
        for each in (target, source):
            assert 0 <= each.start < each.stop <= frames
        assert 7 / 16 * frames - 1 < len(target) < 11 / 16 * frames + 1
        assert len(source) > len(target) - 1.01
        drawn.add((len(target), len(source)))
    assert len(drawn) > 3


@given(
    st.lists(st.tuples(st.integers(0, 2), st.floats(0, 5)), max_size=9), st.sampled_from([0, 0.9])
)
def test_the_table_moves_clip_by_clip(clips, decay):
    entries = torch.tensor([1.0, 2.0, 3.0])
    labels = torch.tensor([label for label, _ in clips], dtype=torch.long)
    values = torch.tensor([value for _, value in clips])
    expected = entries.clone()
    for label, value in zip(labels, values, strict=True):
        expected[label] = decay * expected[label] + (1 - decay) * value
    torch.testing.assert_close(moved(entries, values, labels, decay), expected)


def test_absent_bodies_are_absent_in_the_estimate_too():
    batch, state = some_clips((1, 2), (0, 1)), a_state()
    shown = state.showing(
        batch.clips, batch.present, torch.tensor([True, False, True, False, False])
    )
    assert (shown[0, 1] == 0).all()
    assert torch.equal(shown[1][..., [0, 2, 5], :], batch.clips[1][..., [0, 2, 5], :])
    assert (shown[1][..., [1, 3, 4], :] == 0.5).all()


def settings(**changes: Any) -> Job:
    return job(method=method("shap_mix"), blocks=[1, 1], **changes)


def test_the_mean_clip_is_what_the_network_sees_of_the_clips_with_a_body(store, subset):
    inputs = Training(settings(), store, subset).objective.inputs
    clips, present = inputs.test_batch(torch.arange(len(inputs)), 1)
    mean = mean_clip(inputs, batch_size=5)
    for body in range(2):
        torch.testing.assert_close(mean[body], clips[present[:, body], body].mean(dim=0))


def test_an_interrupted_training_ends_in_the_same_bytes(store, subset, tmp_path):
    """Checkpoints hold the table; it moves, and after five passes it guides the mixing."""
    whole, curve = train_stream(settings(), store, subset, tmp_path / "whole.pt")

    with pytest.raises(Interrupted):
        train_stream(settings(), store, subset, tmp_path / "cut.pt", interrupting(3))
    before = read_checkpoint(tmp_path / "cut.pt")["objective"]
    resumed, curve_again = train_stream(settings(), store, subset, tmp_path / "cut.pt")
    assert curve_again == curve
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
    ends = [read_checkpoint(tmp_path / name)["objective"] for name in ("whole.pt", "cut.pt")]
    assert [list(end) for end in ends] == [["shap_mix.table"]] * 2
    assert torch.equal(*(end["shap_mix.table"] for end in ends))
    assert not torch.equal(before["shap_mix.table"], ends[0]["shap_mix.table"])
    assert (ends[0]["shap_mix.table"] != INITIAL).any()


def test_the_curve_counts_a_clip_and_its_mixture_as_one(store, subset, tmp_path):
    _, curve = train_stream(settings(epochs=2), store, subset, tmp_path / "c.pt")
    assert all(0 <= row["accuracy"] <= 100 for row in curve)
    # Before the first step every class is as likely as its clips: two losses of log 3 at most.
    assert curve[0]["loss"] < 2.5 * np.log(3)


def test_clips_played_backwards_have_values_of_their_own(store, subset):
    reversing = method("shap_mix", reverse="aware")
    training = Training(replace(settings(), method=reversing), store, subset)
    training._step(torch.arange(24))
    assert training.objective.shap_mix.table.shape == (6, len(SUBSETS))


@pytest.mark.parametrize("name", ["shap_mix", "shap_mix_retrained"])
def test_the_presets_differ_in_the_classifier_only(name):
    preset = METHODS.read(name)
    assert preset["method"] == METHODS.read("shap_mix")["method"]
    assert preset["classifier"]["kind"] == ("none" if name == "shap_mix" else "retrained")


def of_part(store: ClipStore, part: str) -> Job:
    return replace(settings(epochs=1), stream=replace(settings().stream, name="some", part=part))


def test_a_stream_of_the_arms_mixes_arms_and_trunk(store, subset, tmp_path):
    train_stream(of_part(store, "hand"), store, subset, tmp_path / "c.pt")


def test_a_stream_of_one_arm_has_nothing_to_mix(store, subset):
    layout = replace(store.layout, parts=store.layout.parts | {"arm": (4, 5, 6, 7)})
    one = of_part(store, "arm")
    recipe = Recipe.on(store, stream=settings().stream, model=one.model, train=one.train)
    recipe = recipe.model_copy(update={"layout": layout, "stream": one.stream})
    inputs = recipe.inputs(store, subset.clips, torch.device("cpu"))
    with pytest.raises(UserError, match="the stream some sees one of them, must see two or more"):
        ShapMix.of(recipe, inputs, torch.tensor(subset.counts))


def test_subsets_are_drawn_as_pytorch_draws_them():
    """Byte for byte, so that trainings stay what they were."""
    probabilities = torch.rand(200, 20, generator=torch.Generator().manual_seed(0)).softmax(dim=1)
    ours, theirs = (torch.Generator().manual_seed(1) for _ in range(2))
    expected = torch.multinomial(probabilities, 1, generator=theirs)[:, 0]
    assert torch.equal(drawn(probabilities, ours), expected)
    assert torch.equal(ours.get_state(), theirs.get_state())
