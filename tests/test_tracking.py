"""People are followed over time, in whatever order a frame names them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.datasets.recordings.people import MOST_BODIES, MOST_PEOPLE, Skeleton, bodies_of
from brl.datasets.recordings.tracking import LONGEST_ABSENCE, boxes_of, costs, follow
from brl.support.errors import UserError

HEIGHT, JOINTS = 100, 4


def person(x: float, size: float = HEIGHT) -> np.ndarray:
    """A skeleton (V, 3) in a box of which x is the left edge: half as wide as it is tall."""
    corners = np.array([[0, 0], [0.5, 0], [0.5, 1], [0, 1]]) * size
    return np.column_stack([corners + np.array([x, 10]), np.full(JOINTS, 0.9)]).astype(np.float32)


def seen(*places: tuple[int, float]) -> list[Skeleton]:
    """A person at x in a frame, for each (frame, x)."""
    return [Skeleton(frame, person(x)) for frame, x in places]


def bodies(skeletons: list[Skeleton]) -> np.ndarray:
    return bodies_of(skeletons, {each.frame for each in skeletons}, "it")


def lefts(joints: np.ndarray) -> list[list[float]]:
    """The left edge of each body in each frame; 0 where it is absent."""
    return joints[:, :, 0, 0].tolist()


def test_costs_of_boxes():
    """The distance of the centres in diagonals, plus 1 - IoU."""
    boxes = np.array([[0, 0, 3, 4], [3, 0, 6, 4], [5, 0, 8, 4], [0, 0, 3, 2]], dtype=float)
    same, beside, away, half = costs(boxes[:1], boxes)[0]
    assert (same, beside, half) == pytest.approx((0, 3 / 5 + 1, 1 / 5 + 1 / 2))
    assert away == costs(boxes[:1], boxes[:1] + 100)[0, 0] > 100


def test_the_box_of_a_skeleton_leaves_out_what_was_not_seen():
    joints = np.array([[[1, 9, 0.5], [4, 2, 0.5], [0, 0, 0]]])
    np.testing.assert_array_equal(boxes_of(joints), [[1, 2, 4, 9]])


def test_the_sum_of_costs_tells_two_apart_who_walk_closely():
    """The nearest partner alone would take the other person for the first one."""
    frames = np.array([0, 0, 1, 1])
    boxes = np.array([[x, 0, x + 50, 100] for x in (0, 20, 15, 35)])
    assert follow(frames, boxes).tolist() == [0, 1, 0, 1]


def test_who_comes_back_is_the_same_body_and_who_stays_away_is_another():
    gap = LONGEST_ABSENCE
    assert len(bodies(seen((0, 10), (1, 12), (1 + gap, 30)))) == 1
    assert len(bodies(seen((0, 10), (1, 12), (2 + gap, 30)))) == 2
    assert len(bodies(seen((0, 10), (1, 300)))) == 2  # two people: nobody is that fast


def test_the_body_seen_longest_comes_first_then_the_larger_one():
    brief, long = [Skeleton(0, person(900, size=300))], seen(*((frame, 10) for frame in range(3)))
    joints = bodies([*brief, *long])
    assert lefts(joints) == [[10, 10, 10], [900, 0, 0]]
    small, large = Skeleton(0, person(10)), Skeleton(0, person(900, size=300))
    assert lefts(bodies([small, large])) == [[900], [10]]


@st.composite
def crowds(draw) -> list[Skeleton]:
    """People at random places in a few frames, some of them alike."""
    places = st.tuples(st.integers(0, 4), st.integers(1, 400).map(float))
    return seen(*draw(st.lists(places, min_size=1, max_size=12)))


@given(crowds(), st.randoms())
def test_the_order_of_people_in_a_frame_means_nothing(crowd, random):
    shuffled = crowd.copy()
    random.shuffle(shuffled)
    np.testing.assert_array_equal(bodies(crowd), bodies(shuffled))


@given(crowds())
def test_every_skeleton_is_in_one_body(crowd):
    joints = bodies(crowd)
    if len(joints) < MOST_BODIES:
        frames = sorted({each.frame for each in crowd})
        shown = {
            frame: sorted(column) for frame, column in enumerate(zip(*lefts(joints), strict=True))
        }
        step = np.gcd.reduce(np.diff(frames)) if len(frames) > 1 else 1
        for frame in frames:
            there = sorted(float(each.joints[0, 0]) for each in crowd if each.frame == frame)
            assert [x for x in shown[(frame - frames[0]) // step] if x] == there


steps = st.lists(st.floats(-30, 30), min_size=1, max_size=8)


@given(steps, steps, st.sets(st.integers(1, 7)), st.randoms())
def test_two_who_do_not_come_near_stay_apart(first, second, hidden, random):
    """Each walks at random within 240 pixels, 500 apart; the first is hidden in some frames."""
    walks = 300 + np.cumsum(first), 1000 + np.cumsum(second)
    crowd = [Skeleton(0, person(300)), Skeleton(0, person(1000))]
    for frame, x in enumerate(walks[0], 1):
        crowd += seen((frame, x)) * (frame not in hidden)
    crowd += seen(*enumerate(walks[1], 1))
    random.shuffle(crowd)
    near = [body[body != 0] for body in bodies(crowd)[:, :, 0, 0]]
    assert len(near) == 2
    assert {bool((body < 650).all()) for body in near} == {True, False}
    assert all((body < 650).all() or (body > 650).all() for body in near)


def test_tracks_count_if_all_have_one_and_none_twice_in_a_frame():
    known = [Skeleton(0, person(10), 7), Skeleton(1, person(900), 7), Skeleton(1, person(12), 8)]
    assert lefts(bodies(known)) == [[10, 900], [0, 12]]
    twice = [*known, Skeleton(1, person(500), 8)]
    assert [10, 12] in lefts(bodies(twice))
    assert [10, 12] in lefts(bodies([*known[:2], Skeleton(1, person(12))]))


def test_crowds_keep_the_largest_people_and_the_longest_bodies():
    crowd = [Skeleton(0, person(200.0 * n + 1, 50 + n)) for n in range(MOST_PEOPLE + 20)]
    joints = bodies(crowd)
    assert len(joints) == MOST_BODIES
    assert min(lefts(joints))[0] == 200.0 * (len(crowd) - MOST_BODIES) + 1


def test_numbers_that_count_no_frames_take_no_memory():
    with pytest.raises(UserError, match="it: 3 frames with the numbers 0 to 1000000000001; must"):
        bodies(seen((0, 10), (1, 10), (10**12 + 1, 10)))
