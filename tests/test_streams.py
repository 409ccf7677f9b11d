"""Streams agree with the published modalities, batched and at any hop count."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from brl.clips.layout import COCO17, LAYOUTS, NTU25, NW_UCLA20
from brl.streams.stream import motion, offsets
from tests.conftest import STREAMS
from tests.reference import shared

LAYOUT = {"nturgbd": NTU25, "nw_ucla": NW_UCLA20, "coco": COCO17}
SHORT = {
    "joint": "j", "bone": "b", "skip": "k",
    "joint_motion": "jm", "bone_motion": "bm", "skip_motion": "km",
}  # fmt: skip


def whole_clip(joints: torch.Tensor, layout, name: str) -> torch.Tensor:
    """The stream's view of all frames of one clip, (M, T, V, K)."""
    stream = STREAMS[name]
    now = offsets(joints[None], layout, stream.hops)
    if not stream.motion:
        return now[0]
    steps = torch.arange(joints.shape[1])
    following = now[:, :, torch.clamp(steps + 1, max=steps[-1])]
    return motion(now, following, (steps == steps[-1])[None], layout)[0]


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("place", LAYOUT)
def test_agrees_with_the_reference(place, name):
    arrays = np.load(shared("reference/preprocess.npz"))
    key = f"modality/{place}/{SHORT[name]}"
    if key not in arrays:
        assert place == "coco" and name.startswith("skip")  # the published code has no 2D skip
        return
    joints = arrays[f"modality/{place}/input"]
    if place == "coco":
        joints = np.concatenate([joints, arrays["modality/coco/score"][..., None]], axis=-1)
    ours = whole_clip(torch.from_numpy(joints), LAYOUT[place], name)
    np.testing.assert_allclose(ours, arrays[key], rtol=1e-4, atol=1e-4)


@given(st.sampled_from(sorted(LAYOUTS)), st.integers(1, 6), st.integers(0, 2**31))
def test_an_offset_is_the_sum_of_the_bones_on_the_path(name, hops, seed):
    layout = LAYOUTS[name]
    generator = torch.Generator().manual_seed(seed)
    joints = torch.randn(1, 2, layout.num_joints, 3, generator=generator, dtype=torch.float64)
    scored, parents = layout.scored, list(layout.parents)
    bones, ours = offsets(joints, layout, 1), offsets(joints, layout, hops)
    for joint in range(layout.num_joints):
        way = [joint]
        while len(way) <= hops and parents[way[-1]] != way[-1]:
            way.append(parents[way[-1]])
        expected = (
            sum(bones[..., v, :] for v in way[:-1])
            if len(way) == hops + 1
            else 0 * joints[..., 0, :]
        )
        coordinates = slice(0, 2) if scored else slice(0, 3)
        torch.testing.assert_close(
            ours[..., joint, coordinates], expected[..., coordinates], atol=1e-9, rtol=0
        )


def test_a_2d_skip_scores_the_mean_of_its_ends():
    joints = torch.rand(1, 3, 17, 3)
    skip = offsets(joints, COCO17, 2)
    wrist, shoulder, nose = 9, 5, 0
    torch.testing.assert_close(
        skip[..., wrist, 2], (joints[..., wrist, 2] + joints[..., shoulder, 2]) / 2
    )
    torch.testing.assert_close(skip[..., nose, 2], joints[..., nose, 2])
    assert (skip[..., nose, :2] == 0).all()
