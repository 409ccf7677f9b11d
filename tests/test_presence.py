"""Which bodies a clip has: those that are present in a frame that is kept, the main one first."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brl.clips.layout import Layout
from brl.clips.layouts import COCO17, NTU25, NW_UCLA20
from brl.clips.normalize import Normalization, normalize_ntu, normalized, to_image_frame
from brl.clips.presence import presence, present_bodies
from brl.datasets.ntu.bodies import choose_bodies
from brl.datasets.ntu.skeleton_file import Body
from tests.ntu_files import people

KINDS: dict[str, Layout] = {"ntu": NTU25, "center": NW_UCLA20, "none": NW_UCLA20, "image": COCO17}


def shown_in(frames: Sequence[Sequence[int]], length: int, layout: Layout = NTU25) -> np.ndarray:
    """Bodies of random joints, each in its own frames: (M, length, V, K)."""
    shape = (len(frames), length, layout.num_joints, layout.channels)
    joints = np.random.default_rng(0).uniform(1, 2, shape).astype(np.float32)
    for body, own in zip(joints, frames, strict=True):
        body[np.setdiff1d(np.arange(length), own)] = 0
    return joints


def test_a_body_seen_only_in_frames_that_are_dropped_is_dropped():
    first, second = np.r_[0:20, 40:60], np.r_[20:40]
    chosen = choose_bodies([Body(first, people(40, 0)), Body(second, people(20, 1))])
    assert chosen is not None and chosen.shape == (2, 60, 25, 3)
    ours = normalized(chosen, NTU25, Normalization("ntu"), max_bodies=2)
    assert ours.shape == (1, 40, 25, 3)
    np.testing.assert_array_equal(ours, normalize_ntu(chosen)[:1])


def test_one_body_is_the_main_one():
    joints = shown_in([range(5), range(50)], 50)
    ours = normalized(joints, NTU25, Normalization("ntu"), max_bodies=1)
    np.testing.assert_array_equal(ours, normalize_ntu(joints[1:]))
    for kind in ("none", "center"):
        ours = normalized(joints, NTU25, Normalization(kind), max_bodies=1)
        np.testing.assert_array_equal(ours, Normalization(kind)(joints[1:]))


def test_of_many_bodies_those_beside_the_main_one_are_kept():
    """The second is present in more frames than the others, but in none that is kept."""
    joints = shown_in([[40, 41], range(50, 80), range(50), range(10, 20), range(15)], 80)
    ours = normalized(joints, NTU25, Normalization("ntu"), max_bodies=3)
    np.testing.assert_array_equal(ours, normalize_ntu(joints[[2, 3, 4]]))


def test_bodies_of_most_frames_are_kept_in_their_order():
    joints = shown_in([range(2), range(5), [], range(4), range(6), range(4)], 6)
    np.testing.assert_array_equal(present_bodies(joints, 3), joints[[1, 3, 4]])
    np.testing.assert_array_equal(present_bodies(joints, 9), joints[[0, 1, 3, 4, 5]])
    # The origin is the first of these.
    ours = normalized(joints, NTU25, Normalization("center"), max_bodies=3)
    assert ours.shape == (3, 6, 25, 3) and (ours[0, 0, 1] == 0).all()


def test_a_body_that_normalisation_moves_into_the_origin_is_dropped():
    joints = shown_in([range(6), range(6)], 6)
    joints[0, :, 2:] = joints[0, :, 0] = 0
    joints[0, :, 1] = 3  # all that is seen of it is its centre, which does not move
    ours = normalized(joints, NTU25, Normalization("center"), max_bodies=2)
    np.testing.assert_array_equal(ours, joints[1:] - np.float32(3))


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_without_any_body_keeps_the_first(kind):
    joints = shown_in([[], []], 4, KINDS[kind])
    ours = normalized(joints, KINDS[kind], Normalization(kind), max_bodies=2)
    assert ours.shape == (1, 1 if kind == "ntu" else 4, *joints.shape[2:])
    assert (ours == 0).all()


shown = st.lists(st.lists(st.integers(0, 5), max_size=6), min_size=1, max_size=4)


@given(st.sampled_from(sorted(KINDS)), shown, st.integers(1, 3))
def test_whatever_is_recorded_a_clip_has_the_bodies_it_shows(kind, frames, max_bodies):
    """Also where others are recorded before, between and after them."""
    layout = KINDS[kind]
    joints = shown_in(frames, 6, layout)
    if kind == "image":
        joints = to_image_frame(joints, 4, 4)
    ours = normalized(joints, layout, Normalization(kind), max_bodies)
    present = presence(ours).any(axis=1)
    assert 1 <= len(ours) <= max_bodies
    assert present.all() if any(frames) else not present.any()
    assert torch.equal(presence(torch.from_numpy(ours)), torch.from_numpy(presence(ours)))
    spread = np.insert(joints, range(len(joints) + 1), 0, axis=0)
    np.testing.assert_array_equal(normalized(spread, layout, Normalization(kind), max_bodies), ours)
