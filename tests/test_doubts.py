"""Recordings whose numbers are not what they are taken for raise a doubt; others raise none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.clips.clip import Clip
from brl.clips.layouts import COCO17, NW_UCLA20
from brl.clips.normalize import Normalization
from brl.datasets.data_report import findings
from brl.datasets.doubts import MORE_BODIES, NARROW, OUTSIDE, SWAPPED, doubts
from tests.test_prepare import in_words, prepared

WIDE = (480.0, 640.0)  # height and width
WALKING = np.random.default_rng(0).uniform((20, 20, 0.5), (620, 460, 1), size=(1, 12, 17, 3))
WALKING[:, 3, 5:] = 0  # not seen


def of_pixels(scale: float = 1, shift: float = 0, size: tuple[float, float] = WIDE):
    joints = np.where(WALKING == 0, 0, WALKING * (scale, scale, 1) + (shift, shift, 0))
    return doubts(joints, COCO17, size)


@pytest.mark.parametrize(
    ("found", "expected"),
    {
        "pixels": (of_pixels(), ()),
        "pixels of a larger image": (of_pixels(3, size=(1440, 1920)), ()),
        "a small person": (of_pixels(0.02, shift=300), ()),
        "a little outside": (of_pixels(shift=25), ()),
        "from 0 to 1": (of_pixels(1 / 640), (NARROW,)),
        "from 0 to 1, and said so": (of_pixels(1 / 640, size=(1, 1)), ()),
        "from -1 to 1": (of_pixels(1 / 320, shift=-1), (NARROW,)),
        "not seen at all": (of_pixels(0), ()),
        "pixels, said to be from 0 to 1": (of_pixels(size=(1, 1)), (OUTSIDE,)),
        "from the middle of the image": (of_pixels(shift=-320), (OUTSIDE,)),
        "width and height swapped": (of_pixels(size=(640, 480)), (SWAPPED,)),
    }.values(),
)
def test_pixels_must_spread_over_their_image(found, expected):
    assert found == expected


@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 3))
def test_more_bodies_than_frames_are_doubtful_if_they_are_present(frames, bodies, absent):
    joints = np.ones((bodies + absent, frames, 20, 3))
    joints[bodies:] = 0
    assert doubts(joints, NW_UCLA20) == ((MORE_BODIES,) if bodies > frames else ())


def test_doubts_are_findings_of_the_data_report(tmp_path):
    axes_swapped = np.swapaxes(WALKING, 0, 1)
    clips = [
        *(Clip(f"good{n}", n, WALKING + n, WIDE) for n in range(3)),
        Clip("swapped", 0, axes_swapped, WIDE),
        Clip("normalised", 0, WALKING / (640, 480, 1), WIDE),
    ]
    image = {"layout": COCO17, "normalization": Normalization("image")}
    words = in_words(findings(*prepared(tmp_path, clips, **image), max_bodies=12))
    assert f"clips with {MORE_BODIES}: 1 (e.g. swapped)" in words
    assert f"clips with {NARROW}: 1 (e.g. normalised)" in words
    assert not any(OUTSIDE in line or SWAPPED in line for line in words)
