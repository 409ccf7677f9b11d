"""NTU RGB+D: the rules that select one or two people among the bodies of a recording."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.datasets.ntu.bodies import choose_bodies, motion
from brl.datasets.ntu.skeleton_file import Body, read_skeleton
from tests.ntu_files import Scene, people, scene_of, skeleton_text


def chosen(num_frames: int, *bodies: tuple[range | list[int], np.ndarray]) -> np.ndarray:
    joints = choose_bodies(read_skeleton(skeleton_text(scene_of(num_frames, *bodies)), "clip"))
    assert joints is not None and joints.dtype == np.float32
    return joints


def test_without_a_body_there_is_no_clip():
    assert choose_bodies([]) is None
    assert choose_bodies(read_skeleton("2\n0\n0\n", "clip")) is None
    assert choose_bodies([Body(np.arange(3), np.zeros((3, 25, 3), np.float32))]) is None


@pytest.mark.parametrize("width", [0.5, 3])
@pytest.mark.parametrize("frames", [1, 11, 40])
def test_the_only_body_is_kept_however_short_or_wide(frames, width):
    joints = people(frames, 0, width)
    assert (chosen(frames, (range(frames), joints)) == joints[None]).all()


def test_of_several_bodies_those_of_up_to_11_frames_are_dropped():
    long = people(40, 0)
    assert (chosen(40, (range(40), long), (range(11), people(11, 1))) == long[None]).all()
    assert len(chosen(40, (range(40), long), (range(12), people(12, 1)))) == 2


def test_a_body_that_is_too_wide_in_too_many_frames_is_dropped():
    """69 of 100 frames are fewer than 69.754 %, 70 are not."""
    person = people(100, 0)
    for wide, bodies in ((69, 2), (70, 1)):
        thing = np.concatenate([people(wide, 1, 2), people(100 - wide, 2)])
        joints = chosen(100, (range(100), person), (range(100), thing))
        assert len(joints) == bodies
        assert any((body == person).all() for body in joints)


def test_a_frame_is_valid_up_to_a_width_of_four_fifths_of_the_height():
    pose = np.zeros((40, 25, 3), np.float32)
    person = people(40, 0, motion=1)
    for width, bodies in ((0.8, 2), (0.81, 1)):
        pose[:, 1] = [width, 1, 0]
        assert len(chosen(40, (range(40), person), (range(40), pose))) == bodies


def test_body_0_has_the_most_motion():
    calm, lively = people(30, 0, motion=0.01), people(30, 1, motion=1)
    for order in ((calm, lively), (lively, calm)):
        joints = chosen(30, *((range(30), body) for body in order))
        assert (joints == [lively, calm]).all()


def test_of_equal_motion_body_0_is_the_one_that_the_file_shows_first():
    one = people(30, 0)
    mirrored = one * np.float32([-1, 1, 1])
    assert motion(one) == motion(mirrored)
    for first, second in ((one, mirrored), (mirrored, one)):
        assert (chosen(30, (range(30), first), (range(30), second)) == [first, second]).all()


def test_motion_is_the_summed_variance_of_x_y_and_z():
    joints = np.zeros((4, 25, 3), np.float32)
    joints[:2, :, 0] = 2  # half of all values 2, half 0: variance 1
    joints[0, :, 2] = 4  # a quarter 4, the rest 0: mean 1, variance (9 + 3) / 4
    assert motion(joints) == pytest.approx(1 + 3)


def test_motion_in_invalid_frames_does_not_count():
    steady = people(40, 0, motion=0.3)
    flicker = people(40, 1, motion=0.01)
    flicker[:10] = people(10, 2, width=5, motion=2)
    joints = chosen(40, (range(40), flicker), (range(40), steady))
    assert motion(flicker) > motion(steady)
    assert (joints == [steady, flicker]).all()


def test_the_smaller_motion_of_all_and_of_valid_frames_counts():
    """Invalid frames with little motion make that over all frames the smaller."""
    between, halting = people(40, 0, motion=0.5), people(40, 1, motion=0.6)
    halting[:20] = people(20, 2, width=0.9, motion=0)
    assert motion(halting) < motion(between) < motion(halting[20:])
    joints = chosen(40, (range(40), halting), (range(40), between))
    assert (joints == [between, halting]).all()


@pytest.mark.parametrize(("frames", "width"), [(11, 0.5), (40, 3)])
def test_if_a_rule_would_drop_all_bodies_the_one_with_most_motion_is_kept(frames, width):
    calm, lively = people(frames, 0, width, motion=0.01), people(frames, 1, width, motion=1)
    assert (chosen(frames, (range(frames), calm), (range(frames), lively)) == lively[None]).all()


def test_a_body_in_a_free_span_continues_body_0():
    first, second = people(20, 0, motion=2), people(20, 1)
    joints = chosen(45, (range(25, 45), second), (range(20), first))
    # Frames 20 to 24 show nobody and are not counted.
    assert (joints == [*first, *second]).all() and joints.shape == (1, 40, 25, 3)


@pytest.mark.parametrize("starts", [(0, 19), (19, 0)])
def test_spans_that_share_one_frame_overlap(starts):
    poses = people(20, 0, motion=2), people(20, 1)
    spans = [slice(start, start + 20) for start in starts]
    joints = chosen(39, *((range(s, s + 20), body) for s, body in zip(starts, poses, strict=True)))
    expected = np.zeros((2, 39, 25, 3))
    expected[0, spans[0]], expected[1, spans[1]] = poses
    assert (joints == expected).all()


def test_a_body_that_fits_in_neither_span_is_dropped():
    first, second, third = (people(30, seed, motion=3 - seed) for seed in range(3))
    joints = chosen(30, (range(30), third), (range(30), second), (range(30), first))
    assert (joints == [first, second]).all()


@pytest.mark.parametrize("motions", [(3, 2), (2, 3)])
def test_a_gap_within_a_filled_span_is_not_filled(motions):
    first, second = (people(15, seed, motion=motion) for seed, motion in enumerate(motions))
    between = people(15, 2)
    joints = chosen(45, (range(15), first), (range(30, 45), second), (range(15, 30), between))
    assert joints.shape == (2, 45, 25, 3)
    assert (joints[0, :15] == first).all() and (joints[0, 30:] == second).all()
    assert (joints[1, 15:30] == between).all()


def test_frames_with_dropped_bodies_only_are_cut_at_both_ends():
    one, other = people(30, 0, motion=2), people(25, 1)
    joints = chosen(
        60, (range(10), people(10, 2)), (range(10, 40), one), (range(15, 40), other),
        (range(50, 60), people(10, 3)),
    )  # fmt: skip
    assert joints.shape == (2, 30, 25, 3)
    assert (joints[0] == one).all() and (joints[1, 5:] == other).all()


def test_a_body_that_returns_is_absent_in_between():
    seen = [*range(10), *range(20, 30)]
    returning, other = people(20, 0, motion=2), people(30, 1)
    joints = chosen(30, (seen, returning), (range(30), other))
    assert joints.shape == (2, 30, 25, 3)
    assert (joints[0, seen] == returning).all() and not joints[0, 10:20].any()
    assert (joints[1] == other).all()


def reference(scene: Scene) -> list[dict[int, np.ndarray]] | None:
    """The rules in plain Python: for each body of the clip, its poses by frame."""
    scene = [frame for frame in scene if frame]
    if not scene:
        return None
    numbers = {n for frame in scene for n in frame}
    tracks = {n: {t: frame[n] for t, frame in enumerate(scene) if n in frame} for n in numbers}

    def varied(poses: list[np.ndarray]) -> float:
        total = 0.0
        for axis in range(3):
            values = [float(joint[axis]) for pose in poses for joint in pose]
            mean = math.fsum(values) / len(values)
            total += math.fsum((value - mean) ** 2 for value in values) / len(values)
        return total

    def valid(pose: np.ndarray) -> bool:
        x, y = ([float(joint[axis]) for joint in pose] for axis in (0, 1))
        return max(x) - min(x) <= 0.8 * (max(y) - min(y))

    moved = {n: varied(list(track.values())) for n, track in tracks.items()}
    liveliest = max(moved, key=moved.__getitem__)
    remaining = [n for n in tracks if len(tracks[n]) > 11] or [liveliest]
    liveliest = max(remaining, key=moved.__getitem__)
    for n in list(remaining):
        good = [pose for pose in tracks[n].values() if valid(pose)]
        if (len(tracks[n]) - len(good)) / len(tracks[n]) >= 0.69754:
            remaining.remove(n)
        elif len(good) < len(tracks[n]):
            moved[n] = min(moved[n], varied(good))
    remaining = sorted(remaining or [liveliest], key=lambda n: -moved[n])

    filled: list[dict[int, np.ndarray]] = [{}, {}]
    for n in remaining:
        for slot in filled:
            taken = set(range(min(slot), max(slot) + 1)) if slot else set()
            if not taken & set(range(min(tracks[n]), max(tracks[n]) + 1)):
                slot.update(tracks[n])
                break
    first = min(t for slot in filled for t in slot)
    return [{t - first: pose for t, pose in slot.items()} for slot in filled if slot]


@st.composite
def scenes(draw) -> Scene:
    """Up to four bodies with their spans, gaps, and frames in which they lie."""
    num_frames = draw(st.integers(1, 45))
    bodies = []
    for seed in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, num_frames - 1))
        frames = np.arange(start, draw(st.integers(start + 1, num_frames)))
        gap = draw(st.integers(0, 3)) if len(frames) > 15 else 0
        frames = np.delete(frames, slice(5, 5 + gap))
        joints = people(len(frames), seed, motion=draw(st.floats(0.01, 1)))
        lying = draw(st.sampled_from([0, 0, 0.5, 0.69, 0.71, 1]))
        joints[: round(lying * len(frames)), :, 0] *= 3
        bodies.append((frames.tolist(), joints))
    return scene_of(num_frames, *bodies)


@given(scenes())
def test_the_selection_equals_a_plain_python_version(scene):
    joints = choose_bodies(read_skeleton(skeleton_text(scene), "clip"))
    expected = reference(scene)
    if expected is None:
        assert joints is None
        return
    num_frames = 1 + max(t for slot in expected for t in slot)
    assert joints is not None and joints.shape == (len(expected), num_frames, 25, 3)
    for body, slot in zip(joints, expected, strict=True):
        for frame, pose in enumerate(body):
            assert (pose == slot.get(frame, 0)).all()
