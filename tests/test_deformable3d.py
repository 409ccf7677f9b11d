"""The network `deformable3d`: its tokens, what it learns, and where it looks."""

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional as F

from brl.clips.layouts import COCO17, LAYOUTS, NTU25
from brl.models.common.build import build
from brl.models.common.network import Network, Shape
from brl.models.common.seen import DEVIATION, MEAN, PictureNorm, SeenShape
from brl.models.deformable3d import Backbone, PatchMap, patches, tree_order
from brl.training.loop import train_stream
from tests.test_networks import model_params
from tests.tiny import job, stored, swinging_arms, training_part, with_lr

PICTURE = (8, 12)


def network_of(**changes: object) -> Network:
    torch.manual_seed(0)
    params = model_params("deformable3d", base_channels=8, **changes)
    return build(params, NTU25, 3, 5, 2).eval()


def backbone_of(seen: SeenShape | None) -> Backbone:
    torch.manual_seed(0)
    return Backbone(Shape(NTU25, 3, 1, 8, (1,), {"patch": 4}, seen)).eval()


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_a_joint_comes_after_its_parent_and_a_limb_stays_together(layout):
    order = tree_order(layout).tolist()
    assert sorted(order) == list(range(layout.num_joints))
    place = {joint: number for number, joint in enumerate(order)}
    for joint, parent in enumerate(layout.parents):
        below = [v for v in order if joint in ancestors(layout, v)]
        assert place[parent] <= place[joint]
        assert [place[v] for v in below] == [*range(place[joint], place[joint] + len(below))]


def ancestors(layout, joint: int) -> set[int]:
    """The joint and all joints on its way to the centre."""
    found = {joint}
    while layout.parents[joint] not in found:
        joint = layout.parents[joint]
        found.add(joint)
    return found


def test_the_map_of_joints_is_in_the_order_of_the_tree():
    backbone = backbone_of(None)
    joints = torch.randn(1, 4, 25, 3)
    cells = backbone.map(joints)
    assert cells.shape == (1, 4, 1, 25, 8)
    for cell, joint in enumerate(tree_order(NTU25)):
        torch.testing.assert_close(cells[:, :, 0, cell], backbone.map.linear(joints[:, :, joint]))


def test_settings_reach_the_network():
    settings = {"heads": 2, "search_stride": 3, "joint_stride": 4, "time_stride": 5}
    (block,) = network_of(blocks=[1], settings=settings).backbone.blocks
    assert block.by_time.attention.heads == 2
    strides = (block.searched.search.stride, block.by_joints.stride, block.by_time.stride)
    assert strides == (3, 4, 5)
    assert len(network_of().backbone.blocks) == 2
    with pytest.raises(ValidationError, match="deformable3d has no setting stride; known: heads"):
        network_of(settings={"stride": 2})


def test_the_same_seed_is_the_same_network():
    clips, present = torch.randn(2, 2, 8, 25, 3), torch.ones(2, 2, dtype=torch.bool)
    first, second = network_of(), network_of()
    assert torch.equal(first(clips, present), second(clips, present))
    state = {name: each.clone() for name, each in first.state_dict().items()}
    torch.manual_seed(1)
    other = build(model_params("deformable3d", base_channels=8), NTU25, 3, 5, 2).eval()
    assert not torch.equal(first(clips, present), other(clips, present))
    other.load_state_dict(state)
    assert torch.equal(first(clips, present), other(clips, present))


def test_the_place_of_a_joint_and_of_a_frame_matters():
    backbone = backbone_of(None)
    nn.init.normal_(backbone.time)
    joints = torch.randn(1, 8, 25, 3)
    reordered = joints[:, :, torch.randperm(25)]
    assert not torch.allclose(backbone(joints), backbone(reordered))
    assert not torch.allclose(backbone(joints), backbone(joints.flip(1)))
    alike = backbone.tokens(joints[:, :1, :1].expand(-1, 8, 25, -1))
    for tokens in (alike.map[0, :, 0], alike.joints[0]):
        assert len(tokens.flatten(0, 1).detach().unique(dim=0)) == 8 * 25


@pytest.mark.parametrize("frames", [1, 4, 7, 64, 100])
def test_any_number_of_frames(frames):
    assert backbone_of(None)(torch.randn(2, frames, 25, 3)).shape == (2, 1, 1, 8)


def test_where_it_looks_in_each_block():
    network = network_of(blocks=[1, 1])
    bodies = torch.randn(2, 8, 25, 3)
    first, second = network.backbone.looking(bodies)
    grid = [[t, 0, x] for t in range(0, 8, 2) for x in range(0, 25, 2)]
    for places, weights in (first, second):
        assert places.tolist() == [grid, grid]  # before a training, nothing is searched
        assert weights.shape == (2, len(grid))
        assert (weights > 0).all() and (weights.sum(dim=1) < 1).all()
    for block in network.backbone.blocks:
        nn.init.normal_(block.searched.search.offset.weight)
    (places, _), _ = network.backbone.looking(bodies)
    assert not torch.equal(places[0], places[1])
    assert (places[..., 1] == 0).all() and places[..., 2].max() <= 24


@pytest.mark.slow
def test_it_learns_to_classify(tmp_path):
    store = stored(tmp_path / "store", swinging_arms())
    settings = with_lr(job(epochs=30, blocks=[1], clip_grad=1.0, warmup=0.2), 0.1)
    model = settings.model.model_copy(update={"name": "deformable3d", "base_channels": 16})
    settings = replace(settings, model=model)
    trained, curve = train_stream(settings, store, training_part(store), tmp_path / "joint.pt")
    losses = [row["loss"] for row in curve]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    assert trained.model.backbone.blocks[0].searched.search.offset.weight.abs().sum() > 0


# Pictures


def test_a_patch_is_a_strided_convolution():
    tokens = PatchMap(4, 3, 8)
    pictures = torch.randn(2, 5, *PICTURE, 3)
    weight = tokens.linear.weight.unflatten(1, (4, 4, 3)).permute(0, 3, 1, 2)
    by_frame = pictures.flatten(0, 1).permute(0, 3, 1, 2)
    expected = F.conv2d(by_frame, weight, tokens.linear.bias, stride=4)
    expected = expected.permute(0, 2, 3, 1).unflatten(0, (2, 5))
    torch.testing.assert_close(tokens(pictures), expected, rtol=1e-4, atol=1e-5)


def test_patches_must_fill_a_picture():
    assert patches(PICTURE, 4) == (2, 3)
    with pytest.raises(ValueError, match="patches of 5 x 5 pixels do not fill pictures of 8 x 12"):
        patches(PICTURE, 5)


def test_pixels_come_first_row_by_row_and_then_the_joints():
    seen = SeenShape(3, (2, 4))
    frames = torch.arange(11.0).expand(1, 1, -1)[..., None]
    assert seen.pictures_of(frames)[0, 0, :, :, 0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert seen.joints_of(frames).flatten().tolist() == [8, 9, 10]
    assert SeenShape(3).joints_of(frames).flatten().tolist() == [*range(11)]


@pytest.mark.parametrize("joints", [0, 34])
def test_pictures_alone_and_with_the_joints_of_two_bodies(joints):
    seen = SeenShape(joints, PICTURE)
    backbone = backbone_of(seen)
    frames = torch.randn(2, 6, 96 + joints, 3, requires_grad=True)
    tokens = backbone.tokens(frames)
    assert tokens.map.shape == (2, 6, 2, 3, 8) and tokens.joints.shape == (2, 6, joints, 8)
    features = backbone(frames)
    assert features.shape == (2, 1, 1, 8)
    (features * torch.randn(8)).sum().backward()
    assert (frames.grad.abs().sum(dim=(0, 1, 3)) > 0).all()  # every pixel and joint is seen
    ((places, _),) = backbone.looking(frames)
    assert places[0].tolist() == [[t, 0, x] for t in (0, 2, 4) for x in (0, 2)]


def test_what_sees_joints_alone_does_not_change_with_pictures():
    plain, described = backbone_of(None), backbone_of(SeenShape(25))
    joints = torch.randn(2, 6, 25, 3)
    assert plain.state_dict().keys() == described.state_dict().keys()
    assert torch.equal(plain(joints), described(joints))


@pytest.mark.parametrize("joints", [0, 17])
def test_pixels_are_normalised_as_for_published_encoders(joints):
    norm = PictureNorm(SeenShape(joints, (2, 2)), 3)
    clips = torch.rand(4, 1, 5, 4 + joints, 3)
    bodies = norm.normalise(clips, torch.ones(4, 1, dtype=torch.bool))
    assert bodies.shape == (4, 5, 4 + joints, 3)
    expected = (clips[:, 0, :, :4] - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
    torch.testing.assert_close(bodies[:, :, :4], expected)
    if joints:
        of_joints = bodies[:, :, 4:]
        assert of_joints.mean(dim=(0, 1)).abs().max() < 1e-5
    torch.testing.assert_close(norm.normalise_every(clips), bodies)
    assert set(norm.state_dict()) == (
        {f"joints.{key}" for key in norm.joints.state_dict()} if joints else set()
    )


def test_a_layout_without_three_channels_gets_the_mean_norm():
    norm = PictureNorm(SeenShape(0, (2, 2)), 1)
    pixels = norm.normalise_every(torch.full((1, 1, 2, 4, 1), sum(MEAN) / 3))
    assert pixels.abs().max() < 1e-6
    assert COCO17.channels == 3  # so most streams have three
