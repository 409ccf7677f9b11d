"""Augmentation: which values of a clip each function changes, and which it keeps."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from brl.clips.layouts import NTU25
from brl.config.params import AugmentParams
from brl.config.presets import DATASETS
from brl.streams.augment import (
    extremes,
    flip,
    random_matrices,
    rescale,
    rotation_matrices,
    transform,
)

CPU = torch.device("cpu")


def params_of(preset: str) -> AugmentParams:
    return AugmentParams.model_validate(DATASETS.read(preset)["train"]["augment"])


def augmented(rotation: list[float], scale: float) -> AugmentParams:
    return AugmentParams(
        rotation=rotation, rotation_order="xyz", scale=scale, flip=0.0, flip_kind="swap"
    )


@pytest.mark.parametrize("order", ["xyz", "yxz"])
def test_rotations_follow_one_another_in_their_order(order):
    angles = torch.tensor([[0.3, -0.2, 0.5], [1.0, 0.0, 0.0], [0.0, 0.0, -2.0]])
    in_order = angles.numpy()[:, ["xyz".index(axis) for axis in order]]
    expected = Rotation.from_euler(order, in_order).as_matrix()
    np.testing.assert_allclose(rotation_matrices(angles, order), expected, atol=1e-6)


def test_nw_ucla_turns_about_y_then_about_x_as_the_field_does():
    """Row vectors x R_y R_x, with angles of 37 degrees about x and -22 degrees about y.

    The camera's horizontal axis, R_y R_x e_x, stays horizontal.
    """
    augment = params_of("nw_ucla")
    x, y = np.deg2rad(37), np.deg2rad(-22)
    about_x = [[1, 0, 0], [0, np.cos(x), np.sin(x)], [0, -np.sin(x), np.cos(x)]]
    about_y = [[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]]
    published = np.array(about_y) @ np.array(about_x)
    np.testing.assert_allclose(published[:, 0], [0.927, 0, -0.375], atol=5e-4)
    joints = torch.randn(1, 1, 4, 20, 3)
    ours = rotation_matrices(torch.tensor([[x, y, 0.0]]), augment.rotation_order).float()
    np.testing.assert_allclose(transform(joints, ours), joints.numpy() @ published, atol=1e-5)


Y_IS_UP = ("nw_ucla", "utd_mhad", "msr_action3d")


@pytest.mark.parametrize("name", [n for n in DATASETS.names if n.startswith(Y_IS_UP)])
def test_bodies_never_lean_sideways_where_y_is_up(name):
    """An upright vector may tilt towards the camera, but its x stays 0."""
    augment = params_of(name).model_copy(update={"scale": 0.0})
    matrices = random_matrices(500, augment, CPU, torch.Generator().manual_seed(0))
    upright = torch.tensor([0.0, 1.0, 0.0]).expand(500, 1, 3)
    turned = transform(upright, matrices)
    assert turned[..., 0].abs().max() < 1e-6 < 0.05 < turned[..., 2].abs().max()


def test_other_datasets_turn_about_x_first():
    others = [name for name in DATASETS.names if not name.startswith(Y_IS_UP)]
    assert {params_of(name).rotation_order for name in others} == {"xyz"}


def test_random_matrices_stay_in_their_limits():
    augment = augmented([0.3, 0.0, 0.0], scale=0.1)
    matrices = random_matrices(4000, augment, CPU, torch.Generator().manual_seed(0))
    lengths = matrices.norm(dim=1)
    assert lengths.min() >= 0.9 - 1e-5 and lengths.max() <= 1.1 + 1e-5
    assert lengths.min() < 0.905 and lengths.max() > 1.095
    angles = torch.atan2(matrices[:, 2, 1], matrices[:, 1, 1])
    assert angles.abs().max() <= 0.3 + 1e-5 and angles.abs().max() > 0.29
    assert (matrices[:, 0, 1:] == 0).all()


def test_no_augmentation_is_the_identity():
    augment = augmented([0.0, 0.0, 0.0], scale=0.0)
    matrices = random_matrices(5, augment, CPU, torch.Generator().manual_seed(0))
    joints = torch.randn(5, 2, 3, 25, 3)
    assert torch.equal(transform(joints, matrices), joints)


@pytest.mark.parametrize("channels", [2, 3])
def test_2d_joints_are_rotated_in_the_image_and_keep_their_score(channels):
    augment = augmented([0.5, 0.5, 0.5], scale=0.2)
    matrices = random_matrices(50, augment, CPU, torch.Generator().manual_seed(0), dimensions=2)
    joints = torch.rand(50, 1, 2, 17, channels)
    ours = transform(joints, matrices)
    inside = torch.einsum("nij,nmtvj->nmtvi", matrices[:, :2, :2], joints[..., :2])
    torch.testing.assert_close(ours[..., :2], inside)
    assert torch.equal(ours[..., 2:], joints[..., 2:])
    turned = torch.atan2(matrices[:, 1, 0], matrices[:, 0, 0])
    assert turned.abs().max() > 0.4


def test_3d_joints_are_rotated_and_keep_their_score():
    joints, matrices = torch.randn(5, 2, 4, 33, 4), torch.randn(5, 3, 3)
    ours = transform(joints, matrices)
    assert torch.equal(ours[..., :3], transform(joints[..., :3], matrices))
    assert torch.equal(ours[..., 3], joints[..., 3])


def test_transform_maps_each_clip_by_its_own_matrix():
    joints, matrices = torch.randn(3, 2, 4, 5, 3), torch.randn(3, 3, 3)
    ours = transform(joints, matrices)
    for clip in range(3):
        expected = torch.einsum("ij,mtvj->mtvi", matrices[clip], joints[clip])
        torch.testing.assert_close(ours[clip], expected)


@pytest.mark.parametrize("kind", ["swap", "mirror"])
def test_flip_exchanges_sides_in_the_selected_clips_only(kind):
    joints = torch.randn(2, 1, 3, 25, 3)
    mirrored = torch.from_numpy(NTU25.mirrored())
    ours = flip(joints, torch.tensor([True, False]), mirrored, kind)
    assert torch.equal(ours[1], joints[1])
    left_hand, right_hand, head = 7, 11, 3
    sign = torch.tensor([-1.0, 1, 1]) if kind == "mirror" else torch.ones(3)
    assert torch.equal(ours[0, :, :, left_hand], joints[0, :, :, right_hand] * sign)
    assert torch.equal(ours[0, :, :, head], joints[0, :, :, head] * sign)


def test_rescale_uses_the_extremes_of_the_whole_clip():
    sizes = [4, 7]
    rows = torch.randn(sum(sizes), 25, 3) * 5 + 2
    rows[:4, :, 2] = 1.5  # a flat axis
    owner = torch.repeat_interleave(torch.arange(2), torch.tensor(sizes))
    lowest, highest = extremes(rows, owner, 2)
    for clip, (first, last) in enumerate([(0, 4), (4, 11)]):
        torch.testing.assert_close(lowest[clip], rows[first:last].amin(dim=(0, 1)))
        torch.testing.assert_close(highest[clip], rows[first:last].amax(dim=(0, 1)))
    scaled = rescale(rows[None, None, :4], lowest[:1], highest[:1])
    assert scaled[..., :2].min() == -1 and scaled[..., :2].max() == 1
    assert (scaled[..., 2] == -1).all()
