"""The attentions of `deformable3d`: what they see, what they cost, and that they search."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from brl.models.common.deformable import (
    Attention,
    JointStrideAttention,
    Layer,
    SearchedAttention,
    TimeStrideAttention,
    Tokens,
    TokenSearch,
    grouped,
    interleaved,
    sampled,
)

WIDTH, HEADS = 16, 4
FRAMES, ROWS, COLUMNS, JOINTS = 6, 3, 4, 5


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def some_tokens(joints: int = JOINTS) -> Tokens:
    return Tokens(
        torch.randn(2, FRAMES, ROWS, COLUMNS, WIDTH),
        torch.randn(2, FRAMES, joints, WIDTH),
        torch.randn(2, 2, WIDTH),
    )


def plain(layer: Layer, queries: Tensor, keys: Tensor) -> Tensor:
    """The layer's result for queries that attend to keys, by PyTorch's attention."""
    ours = layer.attention
    theirs = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    with torch.no_grad():
        parts = (ours.query, ours.key, ours.value)
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    theirs.out_proj = ours.out
    attended, _ = theirs(layer.norm(queries), layer.norm(keys), layer.norm(keys))
    seen = queries + attended
    return seen + layer.mlp(seen)


def led_to(search: TokenSearch, frames: float, of: int) -> None:
    """Makes every token of a map of `of` frames be searched so many frames later."""
    with torch.no_grad():
        search.norm.weight.zero_()
        search.norm.bias.zero_()
        search.norm.bias[0] = 1.0
        made = float(F.gelu(torch.tensor(1.0)))
        search.offset.weight[0, 0] = math.atanh(frames / (of / 4)) / made


# Sampling


@given(st.integers(0, 1000), st.tuples(*[st.integers(1, 5)] * 3))
def test_samples_are_trilinear_with_a_repeated_border(seed, sizes):
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn(2, *sizes, 3, generator=generator, dtype=torch.float64)
    limits = torch.tensor(sizes) - 1
    places = (torch.rand(2, 7, 3, generator=generator, dtype=torch.float64) * 2 - 0.5) * (
        limits + 1
    )
    scaled = torch.where(limits > 0, 2 * places / limits.clamp(min=1) - 1, 0.0)
    expected = F.grid_sample(
        tokens.movedim(-1, 1),
        scaled.flip(-1)[:, :, None, None],
        padding_mode="border",
        align_corners=True,
    )
    torch.testing.assert_close(sampled(tokens, places), expected[..., 0, 0].mT)


def test_a_map_of_one_row_gives_places_no_gradient_along_rows():
    places = torch.tensor([[[1.5, 0.0, 2.5]]], requires_grad=True)
    sampled(torch.randn(1, 4, 1, 5, 3), places).sum().backward()
    assert places.grad[0, 0, 1] == 0 and (places.grad[0, 0, [0, 2]] != 0).all()


# The search


def test_without_offsets_it_is_plain_attention():
    layer, tokens = SearchedAttention(WIDTH, HEADS, stride=1), some_tokens()
    every = torch.cat([tokens.map.flatten(1, 3), tokens.cross], dim=1)
    expected = plain(layer, every, every)
    found = layer(tokens)
    torch.testing.assert_close(found.map.flatten(1, 3), expected[:, :-2])
    torch.testing.assert_close(found.cross, expected[:, -2:])
    assert found.joints is tokens.joints


@pytest.mark.parametrize(
    ("frames", "expected"), [(1.0, [1, 2, 3, 4, 5, 5]), (-1, [0, 0, 1, 2, 3, 4])]
)
def test_an_offset_of_one_frame_reads_the_next_one(frames, expected):
    search, tokens = TokenSearch(WIDTH, stride=1), some_tokens().map
    led_to(search, frames, FRAMES)
    torch.testing.assert_close(
        search(tokens).unflatten(1, (FRAMES, ROWS, COLUMNS)), tokens[:, expected]
    )


def test_a_search_starts_from_every_second_cell_of_axes_that_are_longer_than_one():
    search = TokenSearch(WIDTH, stride=2)
    places = search.places(torch.randn(1, 5, 1, 4, WIDTH))
    assert places[0].tolist() == [[t, 0, x] for t in (0, 2, 4) for x in (0, 2)]


def test_offsets_go_no_farther_than_a_quarter_of_the_frames_and_half_of_a_picture():
    search, tokens = TokenSearch(WIDTH, stride=1), torch.randn(1, 40, 20, 16, WIDTH)
    nn.init.normal_(search.offset.weight, std=1e4)
    middle = search.places(tokens).unflatten(1, (40, 20, 16))[0, 20, 10, 8]
    reach = (middle - torch.tensor([20, 10, 8])).abs()
    assert (
        reach.tolist() == pytest.approx([10, 10, 8]) or (middle == torch.tensor([39, 19, 15])).any()
    )


def test_the_search_learns_at_once_and_what_leads_to_it_a_step_later():
    layer, tokens = SearchedAttention(WIDTH, HEADS, stride=2), some_tokens()
    layer(tokens).cross.square().sum().backward()
    search = layer.search
    assert (search.offset.weight.grad.abs().sum(dim=1) > 0).all()
    assert (search.near.weight.grad == 0).all()
    nn.init.normal_(search.offset.weight, std=0.1)
    layer(tokens).cross.square().sum().backward()
    assert search.near.weight.grad.abs().sum() > 0


def test_where_it_looks_is_what_it_reads():
    layer, tokens = SearchedAttention(WIDTH, 1, stride=2), some_tokens()
    nn.init.normal_(layer.search.offset.weight)
    places, weights = layer.looking(tokens)
    assert places.shape == (2, 3 * 2 * 2, 3) and weights.shape == (2, 3 * 2 * 2)
    limits = torch.tensor([FRAMES, ROWS, COLUMNS]) - 1
    assert (places >= 0).all() and (places <= limits).all()
    normed, cross = layer.norm(tokens.map), layer.norm(tokens.cross)
    keys = torch.cat([sampled(normed, places), cross], dim=1)
    of_cross = layer.attention.weights(cross[:, -1:], keys)[:, 0, :, -2:]
    torch.testing.assert_close(weights.sum(dim=1), 1 - of_cross.sum(dim=(1, 2)))
    every = torch.cat([weights[:, None], of_cross], dim=2)
    read = layer.attention.out(every @ layer.attention.value(keys))
    torch.testing.assert_close(layer(tokens).cross[:, -1:], layer.added(tokens.cross[:, -1:], read))


# Strides


@given(st.integers(0, 9), st.integers(1, 12))
def test_groups_are_put_together_again(number, stride):
    tokens = torch.randn(2, number, 3)
    groups = grouped(tokens, stride)
    assert torch.equal(interleaved(groups), tokens)
    assert len(groups) == max(1, min(stride, number))


def test_a_stride_of_one_over_joints_is_full_attention_in_each_frame():
    layer, tokens = JointStrideAttention(WIDTH, HEADS, stride=1), some_tokens()
    found = layer(tokens)
    for frame in range(FRAMES):
        seen = torch.cat([tokens.joints[:, frame], tokens.cross], dim=1)
        keys = torch.cat([seen, tokens.map[:, frame].flatten(1, 2)], dim=1)
        expected = plain(layer, seen, keys)
        torch.testing.assert_close(found.joints[:, frame], expected[:, :JOINTS])
    assert found.map is tokens.map


def test_a_stride_of_one_over_time_is_full_attention():
    layer, tokens = TimeStrideAttention(WIDTH, HEADS, stride=1), some_tokens()
    in_frames = torch.cat([tokens.map.flatten(2, 3), tokens.joints], dim=2)
    every = torch.cat([in_frames.flatten(1, 2), tokens.cross], dim=1)
    expected = plain(layer, every, every)
    in_frames = expected[:, :-2].unflatten(1, (FRAMES, ROWS * COLUMNS + JOINTS))
    found = layer(tokens)
    torch.testing.assert_close(found.map.flatten(2, 3), in_frames[:, :, : ROWS * COLUMNS])
    torch.testing.assert_close(found.joints, in_frames[:, :, ROWS * COLUMNS :])
    torch.testing.assert_close(found.cross, expected[:, -2:])


@pytest.mark.parametrize("stride", [2, 3, 9])
def test_a_joint_sees_those_of_its_group_and_frame_only(stride):
    layer, tokens = JointStrideAttention(WIDTH, HEADS, stride), some_tokens()
    before = layer(tokens)
    changed = tokens.joints.clone()
    changed[:, 2, 1] += torch.randn(WIDTH)  # a norm cancels what all channels have in common
    after = layer(tokens._replace(joints=changed))
    moved = (after.joints != before.joints).any(dim=(0, 3))
    group = [joint % min(stride, JOINTS) == 1 for joint in range(JOINTS)]
    assert moved[2].tolist() == group and not moved[[0, 1, 3, 4, 5]].any()
    assert (after.cross != before.cross).any()


@pytest.mark.parametrize("stride", [2, 4])
def test_a_frame_sees_those_of_its_group_only(stride):
    layer, tokens = TimeStrideAttention(WIDTH, HEADS, stride), some_tokens()
    before = layer(tokens)
    changed = tokens.map.clone()
    changed[:, 1] += torch.randn(WIDTH)
    after = layer(tokens._replace(map=changed))
    group = [frame % stride == 1 for frame in range(FRAMES)]
    assert (after.joints != before.joints).any(dim=(0, 2, 3)).tolist() == group
    assert (after.map != before.map).any(dim=(0, 2, 3, 4)).tolist() == group
    assert (after.cross != before.cross).any()


@pytest.mark.parametrize("layer", [JointStrideAttention, TimeStrideAttention])
def test_cross_modal_tokens_are_averaged_over_groups(layer):
    """Tokens that are all alike make groups that are all alike."""
    one = torch.randn(2, 1, WIDTH)
    alike = Tokens(
        one[:, :, None, None].expand(-1, 4, ROWS, COLUMNS, -1),
        one[:, :, None].expand(-1, 4, 4, -1),
        one.expand(-1, 2, -1),
    )
    whole, halves = layer(WIDTH, HEADS, stride=1), layer(WIDTH, HEADS, stride=2)
    halves.load_state_dict(whole.state_dict())
    torch.testing.assert_close(halves(alike).cross, whole(alike).cross)


def scores(layer: Layer, monkeypatch) -> int:
    """How many pairs of a query and a key the layer's attention has in two bodies."""
    pairs = []
    forward = Attention.forward

    def counting(self: Attention, queries: Tensor, keys: Tensor) -> Tensor:
        pairs.append(len(queries) * queries.shape[1] * keys.shape[1])
        return forward(self, queries, keys)

    with monkeypatch.context() as patched:
        patched.setattr(Attention, "forward", counting)
        joints = JOINTS + 1  # which two and three divide
        layer(some_tokens(joints))
    return sum(pairs)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_costs_fall_by_the_strides(stride, monkeypatch):
    cells, joints, cross = ROWS * COLUMNS, JOINTS + 1, 2
    by_joints = scores(JointStrideAttention(WIDTH, HEADS, stride), monkeypatch)
    group = joints // stride
    assert by_joints == 2 * FRAMES * stride * (group + cross) * (group + cross + cells)
    by_time = scores(TimeStrideAttention(WIDTH, HEADS, stride), monkeypatch)
    assert by_time == 2 * stride * (FRAMES // stride * (cells + joints) + cross) ** 2
    searched = scores(SearchedAttention(WIDTH, HEADS, stride), monkeypatch)
    found = math.prod(-(-size // stride) for size in (FRAMES, ROWS, COLUMNS))
    assert searched == 2 * (FRAMES * cells + cross) * (found + cross)
