"""Timelines: windows, mean probabilities of frames, and segments."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from brl.serving.timeline import Segment, mean_by_frame, segments, windows

sizes = st.tuples(st.integers(1, 300), st.integers(1, 90), st.integers(1, 120))


@given(sizes)
def test_windows_lie_in_the_recording_and_end_with_it(size):
    frames, length, step = size
    starts = list(windows(frames, length, step))
    assert starts[0] == 0 and starts[-1] == max(frames - length, 0)
    assert (np.diff(starts) <= step).all() and (np.diff(starts) > 0).all()


@given(sizes, st.integers(0, 99))
def test_a_frame_has_the_mean_of_the_windows_that_contain_it(size, seed):
    frames, length, step = size
    starts = list(windows(frames, length, step))
    draws = np.random.default_rng(seed).dirichlet(np.ones(3), len(starts))
    found = np.concatenate([*mean_by_frame(draws, frames, length, step)])
    assert found.shape == (frames, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    for frame in {0, frames // 2, frames - 1}:
        holding = [n for n, start in enumerate(starts) if start <= frame < start + length]
        holding = holding or [max(n for n, start in enumerate(starts) if start <= frame)]
        np.testing.assert_allclose(found[frame], draws[holding].mean(axis=0))


@given(st.lists(st.integers(0, 2), min_size=1, max_size=50), st.sets(st.integers(1, 49)))
def test_segments_follow_each_other_and_change_the_class(labels, cuts):
    probabilities = 0.6 * np.eye(3)[labels] + 0.1
    found = list(segments(np.split(probabilities, sorted(cuts & {*range(len(labels))}))))
    assert [label for s in found for label in [s.label] * (s.end - s.start)] == labels
    assert [s.start for s in found[1:]] == [s.end for s in found[:-1]]
    assert all(one.label != other.label for one, other in pairwise(found))


def test_a_segments_probability_is_the_mean_over_its_frames():
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8]])
    assert list(segments([probabilities])) == [Segment(0, 2, 0, 0.8), Segment(2, 3, 1, 0.8)]
