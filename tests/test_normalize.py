"""Normalisation agrees with the published code and does not depend on the camera."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from brl.clips.layouts import COCO17
from brl.clips.normalize import (
    Normalization,
    center_first_frame,
    normalize_ntu,
    normalized,
    shortest_arc,
    to_image_frame,
)
from tests.reference import shared


@pytest.mark.parametrize("number", range(4))
def test_agrees_with_the_reference(number):
    arrays = np.load(shared("reference/preprocess.npz"))
    ours = normalize_ntu(arrays[f"normalize3d/{number}/input"])
    theirs = arrays[f"normalize3d/{number}/output"]
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@given(st.integers(0, 2**31))
def test_shortest_arc_turns_a_vector_onto_the_axis(seed):
    vector = np.random.default_rng(seed).normal(size=3)
    axis = np.array([0, 0, 1.0])
    rotation = shortest_arc(vector, axis)
    np.testing.assert_allclose(rotation @ vector, np.linalg.norm(vector) * axis, atol=1e-9)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) > 0


@pytest.mark.parametrize("vector", [(0, 0, 0), (0, 0, 1e-7), (0, 0, 2.0)])
def test_a_vector_too_short_or_already_on_the_axis_is_not_turned(vector):
    assert (shortest_arc(np.array(vector), np.array([0, 0, 1.0])) == np.eye(3)).all()


@given(st.integers(0, 2**31))
def test_distances_are_kept_and_the_origin_does_not_depend_on_the_camera(seed):
    """Joint 1 starts in the origin, the shoulders lie along x, and no distance changes."""
    draws = np.random.default_rng(seed)
    joints = draws.normal(size=(1, 6, 25, 3))
    turned = joints @ Rotation.random(random_state=seed).as_matrix().T + draws.normal(size=3)
    for clip in (joints, turned):
        ours = normalize_ntu(clip).astype(np.float64)
        np.testing.assert_allclose(ours[0, 0, 1], 0, atol=1e-5)
        shoulders = ours[0, 0, 8] - ours[0, 0, 4]
        np.testing.assert_allclose(shoulders[1:], 0, atol=1e-5)
        before = np.linalg.norm(clip[0, :, :, None] - clip[0, :, None], axis=-1)
        after = np.linalg.norm(ours[0, :, :, None] - ours[0, :, None], axis=-1)
        np.testing.assert_allclose(after, before, atol=1e-4)


def test_the_body_present_longer_comes_first_and_frames_without_it_are_dropped():
    joints = np.random.default_rng(0).normal(size=(2, 10, 25, 3))
    joints[0, 3:] = 0
    joints[1, 9] = 0
    ours = normalize_ntu(joints)
    assert ours.shape == (2, 9, 25, 3)
    assert (ours[1, 3:] == 0).all() and (ours[1, :3] != 0).any()


def test_a_clip_without_any_body_keeps_one_empty_frame():
    assert normalize_ntu(np.zeros((1, 5, 25, 3))).shape == (1, 1, 25, 3)


def test_nw_ucla_clips_start_with_joint_1_in_the_origin():
    joints = np.random.default_rng(0).normal(size=(1, 3, 20, 3))
    centred = center_first_frame(joints)
    assert (centred[0, 0, 1] == 0).all()
    np.testing.assert_allclose(np.diff(centred, axis=1), np.diff(joints, axis=1))


def test_joints_that_were_not_seen_stay_zero():
    """Also where the first frames do not show the centre."""
    joints = np.random.default_rng(0).normal(size=(2, 5, 20, 3))
    joints[0, :2, 4] = joints[0, 3, 7] = joints[1, :3] = 0
    centred = center_first_frame(joints, centre=4)
    missing = (joints == 0).all(axis=-1)
    assert (centred[missing] == 0).all()
    np.testing.assert_array_equal(centred[~missing], joints[~missing] - joints[0, 2, 4])


def test_a_body_whose_centre_is_never_seen_is_centred_on_its_mean():
    joints = np.random.default_rng(0).normal(size=(1, 5, 20, 3)) + 100
    joints[:, :, 4] = joints[:, 0] = joints[0, 1, 7] = 0
    centred = center_first_frame(joints, centre=4)
    seen = (joints != 0).any(axis=-1)
    np.testing.assert_allclose(centred[0, 1][seen[0, 1]].mean(axis=0), 0, atol=1e-9)
    assert (centred[~seen] == 0).all()
    assert (center_first_frame(0 * joints, centre=4) == 0).all()


@pytest.mark.parametrize("channels", [2, 3])
def test_pixels_are_converted_into_the_images_frame(channels):
    """A joint in the corner was not seen, whatever its score; one in the middle was."""
    pixels = np.array([[0, 1, 0.5], [640, 480, 0.5], [320, 240, 0.5], [0, 0, 0.5]])[:, :channels]
    ours = to_image_frame(pixels[None, None], height=480, width=640)[0, 0]
    assert ours.dtype == np.float32
    expected = np.array([[-1, 1 / 240 - 1, 0.5], [1, 1, 0.5], [0, 0, 0.5], [0, 0, 0]])
    np.testing.assert_allclose(ours, expected[:, :channels])


@pytest.mark.parametrize("kind", ["none", "center", "image"])
def test_a_joint_without_coordinates_is_missing_whatever_its_score(kind):
    """As it is written by YOLO; a seen joint that normalisation moves to zero keeps its score."""
    joints = np.full((1, 3, 17, 3), (320.0, 240, 0.9))
    joints[0, 0, 5:] = joints[0, 2] = [0, 0, 0.2]
    size = (480.0, 640.0) if kind == "image" else None
    ours = normalized(joints, COCO17, Normalization(kind, 0), 2, size)
    assert (ours[0, 0, 5:] == 0).all() and (ours[0, 2] == 0).all()
    assert (ours[0, :2, :5, 2] == np.float32(0.9)).all()
    if kind != "none":
        assert (ours[0, :2, :5, :2] == 0).all()
    alone = np.concatenate([joints, np.full_like(joints, (0, 0, 0.2))])
    np.testing.assert_array_equal(normalized(alone, COCO17, Normalization(kind, 0), 2, size), ours)
