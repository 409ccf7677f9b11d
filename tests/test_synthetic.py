"""The built-in dataset: deterministic, split by subject and view, with plausible motion."""

from collections import Counter

import numpy as np
import pytest

from brl.clips.clip import Clip
from brl.datasets.synthetic import scenes as synthetic
from brl.datasets.synthetic.actions import ACTIONS, Action
from brl.datasets.synthetic.body import (
    COLUMN,
    DOFS,
    JOINTS,
    KINEMATIC_PARENTS,
    Body,
    forward_kinematics,
    mirrored,
    within_reach,
)
from brl.datasets.synthetic.score import Score, follow, score

PAIRED = [action.name for action in ACTIONS if action.gap]
REVERSED = [
    (first.name, first.partner)
    for number, first in enumerate(ACTIONS)
    if first.reverses and first.partner in [later.name for later in ACTIONS[number:]]
]
# Bones of the NTU layout as the streams use them, child to parent.
NTU_BONES = (
    "0-1 1-20 2-20 3-2 4-20 5-4 6-5 7-6 8-20 9-8 10-9 11-10 12-0 13-12 14-13 15-14 16-0 17-16 "
    "18-17 19-18 21-22 22-7 23-24 24-11"
)


@pytest.fixture(scope="module")
def dataset() -> list[Clip]:
    return list(synthetic.clips())


def _action(name: str) -> Action:
    return ACTIONS[synthetic.CLASSES.index(name)]


def _plain(name: str, times: np.ndarray, backwards: bool = False) -> list[np.ndarray]:
    """The bodies of an action by an average person, without variation."""
    played = score(_action(name), 1)
    if backwards:
        times = played.seconds.sum() - times
    return [forward_kinematics(angles, Body()) for angles in follow(played, times)]


def _bone_lengths(joints: np.ndarray) -> np.ndarray:
    children = [joint for joint, parent in enumerate(KINEMATIC_PARENTS) if parent >= 0]
    parents = [KINEMATIC_PARENTS[child] for child in children]
    return np.linalg.norm(joints[..., children, :] - joints[..., parents, :], axis=-1)


def _same(one: Clip, other: Clip) -> bool:
    return (
        (one.name, one.label) == (other.name, other.label)
        and one.joints.shape == other.joints.shape
        and one.joints.tobytes() == other.joints.tobytes()
    )


def _subject_and_view(clip: Clip) -> tuple[str, str]:
    _, subject, view, _ = clip.name.split("_")
    return subject, view


def test_a_clip_does_not_depend_on_the_others(dataset):
    for number in (3849, 700, 0, 175, 2000):
        label, index = divmod(number, synthetic.TRAIN_CLIPS + synthetic.TEST_CLIPS)
        assert _same(synthetic.clip(label, index), dataset[number])


def test_generation_is_deterministic():
    again = synthetic.clips()
    assert all(_same(next(again), synthetic.clip(0, index)) for index in range(20))


def test_clips_of_each_class_and_part(dataset):
    counts = Counter((clip.label, synthetic.part_of(clip.name)) for clip in dataset)
    assert len(synthetic.CLASSES) >= 20
    assert counts == {
        (label, part): number
        for label in range(len(synthetic.CLASSES))
        for part, number in (("train", 150), ("test", 25))
    }


def test_names_are_unique_and_contain_the_class(dataset):
    assert len({clip.name for clip in dataset}) == len(dataset)
    assert all(clip.name.startswith(f"a{clip.label:02d}_") for clip in dataset)


def test_test_subjects_and_views_are_not_training_ones(dataset):
    seen = {"train": (set(), set()), "test": (set(), set())}
    for clip in dataset:
        subject, view = _subject_and_view(clip)
        subjects, views = seen[synthetic.part_of(clip.name)]
        subjects.add(subject)
        views.add(view)
    assert all(len(subjects) > 1 and len(views) > 1 for subjects, views in seen.values())
    assert not seen["train"][0] & seen["test"][0]
    assert not seen["train"][1] & seen["test"][1]


def test_arrays_are_finite_float32_skeletons(dataset):
    for clip in dataset:
        bodies, frames, joints, coordinates = clip.joints.shape
        assert bodies in (1, 2) and (joints, coordinates) == (JOINTS, 3)
        assert 12 <= frames <= synthetic.LONGEST
        assert clip.joints.dtype == np.float32
        assert np.isfinite(clip.joints).all()


def test_somebody_is_seen_in_front_of_the_camera(dataset):
    for clip in dataset:
        present = clip.joints.any(axis=(2, 3))
        assert present[0].sum() >= 10
        depth = clip.joints[present][..., 2]
        assert depth.min() > 0.5 and depth.max() < 8.0


def test_lengths_vary(dataset):
    lengths = [clip.joints.shape[1] for clip in dataset]
    assert np.std(lengths) > 5
    for label in range(len(synthetic.CLASSES)):
        assert len({clip.joints.shape[1] for clip in dataset if clip.label == label}) > 10


def test_frames_are_dropped(dataset):
    blank = [not clip.joints[:, frame].any() for clip in dataset for frame in range(12)]
    assert any(blank) and np.mean(blank) < 0.1


def test_actions_of_two_persons_have_two_bodies(dataset):
    assert len(PAIRED) >= 2
    for clip in dataset:
        if synthetic.CLASSES[clip.label] in PAIRED:
            assert clip.joints.shape[0] == 2


def test_single_body_classes_have_a_few_passers_by(dataset):
    visited = [
        clip.joints.shape[0] == 2 for clip in dataset if synthetic.CLASSES[clip.label] not in PAIRED
    ]
    assert 0.02 < np.mean(visited) < 0.3


def test_the_second_body_is_sometimes_missing(dataset):
    missed = [
        not clip.joints[1].any(axis=(1, 2)).all() and clip.joints[0].any(axis=(1, 2)).all()
        for clip in dataset
        if synthetic.CLASSES[clip.label] in PAIRED
    ]
    assert 0.1 < np.mean(missed) < 0.6


@pytest.mark.parametrize("label", range(len(ACTIONS)))
def test_bones_keep_their_length_before_noise(label):
    for body in synthetic.staged(label, 3):
        lengths = _bone_lengths(body[body.any(axis=(1, 2))])
        assert np.ptp(lengths, axis=0).max() < 1e-9
        assert lengths.min() > 0.01


def test_limb_lengths_differ_between_subjects():
    lengths = np.array([_bone_lengths(synthetic.staged(1, index)[0, 0]) for index in range(16)])
    assert (lengths.std(axis=0) > 0.02 * lengths.mean(axis=0)).all()
    assert len(np.unique(lengths[:, 0].round(6))) == 16


def test_the_sensor_measures_with_errors():
    clip, staged = synthetic.clip(1, 0), synthetic.staged(1, 0)
    seen = _bone_lengths(clip.joints[0][clip.joints[0].any(axis=(1, 2))])
    real = _bone_lengths(staged[0, 0])
    assert np.ptp(seen, axis=0).min() > 1e-3
    spine = [0, 1, 2, 19]
    assert np.abs(np.median(seen, axis=0) - real)[spine].max() < 0.05


@pytest.mark.parametrize(("forth", "back"), REVERSED)
def test_reverse_pairs_are_each_others_reverse(forth, back):
    times = np.linspace(0.0, score(_action(forth), 1).seconds.sum(), 40)
    for there, again in zip(_plain(forth, times), _plain(back, times, True), strict=True):
        middle, middle_again = there[:, :1].mean(axis=0), again[:, :1].mean(axis=0)
        np.testing.assert_allclose(there - middle, again - middle_again, atol=1e-9)
        assert np.abs(np.diff(there, axis=0)).max() > 0.01


def test_there_are_several_reverse_pairs():
    assert ("sit down", "stand up") in REVERSED and len(REVERSED) >= 3


def test_every_action_has_a_partner_with_another_label():
    apart = []
    for action in ACTIONS:
        partner = _action(action.partner)
        assert partner.partner == action.name
        order = synthetic.CLASSES.index
        apart.append(abs(order(action.name) - order(partner.name)))
    assert min(apart) >= 1 and max(apart) >= 15


def test_partners_meet_half_way():
    for name in ("drink", "clap", "march", "kick", "bow", "shake hands"):
        action = _action(name)
        half = score(action, 1, 0.5)
        other = score(_action(action.partner), 1, 0.5)
        np.testing.assert_allclose(half.angles, other.angles)
        np.testing.assert_allclose(half.seconds, other.seconds)


def test_the_way_back_mirrors_the_way_there():
    played = score(_action("sit down"), 0)
    there_and_back = played.extended(0, 2)
    times = np.linspace(0.0, played.seconds.sum(), 9)
    angles = follow(there_and_back, np.r_[times, times + times[-1]])[0]
    np.testing.assert_allclose(angles, angles[::-1], atol=1e-9)


def test_following_passes_through_the_keys_without_overshoot():
    seconds = np.array([0.0, 0.5, 0.2, 1.0])
    keys = np.random.default_rng(0).uniform(-90, 90, (1, 4, DOFS))
    played = Score(seconds, keys)
    np.testing.assert_allclose(follow(played, seconds.cumsum()), keys, atol=1e-9)
    between = follow(played, np.linspace(-1, 3, 200))
    assert (between <= keys.max(axis=1, keepdims=True) + 1e-9).all()
    assert (between >= keys.min(axis=1, keepdims=True) - 1e-9).all()


def test_the_kinematic_tree_consists_of_ntu_bones():
    """Except for the root, and the tips and thumbs, which are attached to the hand directly."""
    ntu = {frozenset(map(int, bone.split("-"))) for bone in NTU_BONES.split()}
    ours = {
        frozenset((child, parent)) for child, parent in enumerate(KINEMATIC_PARENTS) if parent >= 0
    }
    assert ours ^ ntu == {frozenset(pair) for pair in ((7, 21), (11, 23), (21, 22), (23, 24))}


def test_left_is_left_and_joints_do_not_bend_backwards():
    rest = np.zeros((1, DOFS))
    body = forward_kinematics(rest, Body())[0]
    left, right = [4, 5, 6, 7, 12, 13, 14, 15, 21, 22], [8, 9, 10, 11, 16, 17, 18, 19, 23, 24]
    assert (body[left, 0] > 0).all()
    np.testing.assert_allclose(body[left] * (-1, 1, 1), body[right], atol=1e-12)
    bent = rest.copy()
    bent[:, [COLUMN["left knee"], COLUMN["left elbow"]]] = -30.0
    np.testing.assert_allclose(within_reach(bent), rest)


def test_mirrored_twice_is_the_same_and_mirrored_once_is_a_reflection():
    angles = within_reach(np.random.default_rng(0).normal(0, 20, (6, DOFS)))
    np.testing.assert_allclose(mirrored(mirrored(angles)), angles)
    pelvis = slice(0, 1)
    body, image = forward_kinematics(angles, Body()), forward_kinematics(mirrored(angles), Body())
    spine = [0, 1, 20, 2, 3]
    reflected = body[:, spine] * (-1, 1, 1)
    np.testing.assert_allclose(
        reflected - reflected[:, pelvis], image[:, spine] - image[:, pelvis], atol=1e-9
    )


@pytest.mark.parametrize("name", synthetic.CLASSES)
def test_feet_stay_on_the_floor_and_heads_up(name):
    action = _action(name)
    times = np.arange(0.0, score(action, 1).seconds.sum(), 1 / 15)
    for body in _plain(name, times):
        assert np.abs(body[..., 1].min(axis=1)).max() < 1e-9
        lowest = body[..., 1].argmin(axis=1)
        assert np.isin(lowest, (15, 19)).all()
        assert (body[:, 3, 1] > body[:, 0, 1]).all()


@pytest.mark.parametrize(("name", "slide"), [("sit down", 0.03), ("pick up", 0.03), ("kick", 0.15)])
def test_the_foot_that_carries_hardly_slides(name, slide):
    times = np.linspace(0.0, score(_action(name), 1).seconds.sum(), 200)
    (body,) = _plain(name, times)
    left_foot = body[:, 15, (0, 2)]
    assert np.ptp(left_foot, axis=0).max() < slide


def test_persons_walk_towards_each_other_and_apart():
    for name, sign in (("walk towards", -1), ("walk apart", 1)):
        label = synthetic.CLASSES.index(name)
        change = []
        for index in range(24):
            one, other = synthetic.staged(label, index)[:, :, 0]
            distance = np.linalg.norm(one - other, axis=1)
            assert distance.min() > 0.4
            change.append(distance[-1] - distance[0])
        assert sign * np.mean(change) > 0.3


def test_either_hand_acts():
    label = synthetic.CLASSES.index("wave")
    higher = []
    for index in range(32):
        body = synthetic.staged(label, index)[0]
        higher.append(body[:, 6, 1].max() > body[:, 10, 1].max())
    assert 0 < sum(higher) < 32
