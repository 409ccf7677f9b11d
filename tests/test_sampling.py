"""Frame sampling: published test frames, and properties of random frames."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from brl.streams.frames import evaluation_frames, train_frames
from tests.reference import shared


def test_uniform_test_frames_agree_with_the_reference():
    arrays = np.load(shared("reference/preprocess.npz"))
    keys = [key for key in arrays.files if key.startswith("uniform_test/")]
    assert len(keys) == 20
    for key in keys:
        _, length, views = key.split("/")
        ours = evaluation_frames("uniform", int(length), 64, int(views))
        assert (ours.ravel() == arrays[key]).all(), key


def test_evenly_spaced_test_frames_agree_with_the_reference():
    arrays = np.load(shared("reference/preprocess.npz"))
    keys = [key for key in arrays.files if key.startswith("linspace_test/")]
    assert len(keys) == 6
    for key in keys:
        ours = evaluation_frames("random", int(key.split("/")[1]), 52, num_clips=10)
        assert ours.shape == (1, 52)
        assert (ours[0] == arrays[key]).all(), key


lengths = st.lists(st.integers(1, 400), min_size=1, max_size=8)


def draw(sampling: str, lengths: list[int], clip_len: int, seed: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    return train_frames(sampling, torch.tensor(lengths), clip_len, generator).numpy()


@given(lengths, st.integers(1, 80), st.integers(0, 2**31))
def test_uniform_frames_follow_the_length(lengths, clip_len, seed):
    for length, frames in zip(lengths, draw("uniform", lengths, clip_len, seed), strict=True):
        assert frames.min() >= 0 and frames.max() < length
        if length < clip_len:
            assert (np.diff(frames) % length == 1 % length).all()
        elif length < 2 * clip_len:
            assert (np.diff(frames) >= 1).all()
            assert len(set(frames)) == clip_len
        else:
            edges = np.arange(clip_len + 1) * length // clip_len
            assert (frames >= edges[:-1]).all() and (frames < edges[1:]).all()


@given(lengths, st.integers(1, 80), st.integers(0, 2**31))
def test_random_frames_are_sorted_and_inside(lengths, clip_len, seed):
    for length, frames in zip(lengths, draw("random", lengths, clip_len, seed), strict=True):
        assert frames.min() >= 0 and frames.max() < length
        assert (np.diff(frames) >= 0).all()


def test_every_frame_can_be_drawn():
    """Also the first and the last frame of a clip, in all three cases."""
    for sampling in ("uniform", "random"):
        for length in (3, 10, 15, 40):
            drawn = draw(sampling, [length] * 2000, 10, seed=1)
            assert set(drawn.ravel()) == set(range(length)), (sampling, length)


def test_all_frames_are_skipped_equally_often():
    """Of a clip of T + 1 frames one is skipped: each frame with the same probability."""
    clip_len, draws = 9, 20_000
    frames = draw("uniform", [clip_len + 1] * draws, clip_len, seed=3)
    left_out = (clip_len + 1) * clip_len // 2 - frames.sum(axis=1)
    share = np.bincount(left_out, minlength=clip_len + 1) / draws
    np.testing.assert_allclose(share, 1 / (clip_len + 1), atol=0.01)
