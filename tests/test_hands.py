"""Two hands in one file of landmarks: each is a body of the layout hand21."""

import numpy as np
import pandas as pd
import pytest

from brl.clips.layout import Layout
from brl.clips.layouts import HAND21
from brl.datasets.recordings.read import read_recording
from brl.inspection.joints import read_joints
from brl.support.errors import UserError

FRAMES = 50
LEFT, RIGHT = np.random.default_rng(0).uniform(0.1, 1, (2, FRAMES, 21, 3)).round(4)
MEDIAPIPE = [
    "WRIST", *(f"THUMB_{end}" for end in ("CMC", "MCP", "IP", "TIP")),
    *(f"{finger}_{end}" for finger in ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
      for end in ("MCP", "PIP", "DIP", "TIP")),
]  # fmt: skip


def read(path, layout: Layout = HAND21) -> np.ndarray:
    return read_recording(path, layout, "it")


def side_by_side(left: str, right: str, joints=range(21)) -> pd.DataFrame:
    """A line per frame with both hands; the names have places for the joint and the axis."""
    names = [
        name.format(joint=joint, axis=axis)
        for name in (left, right) for joint in joints for axis in "xyz"
    ]  # fmt: skip
    return pd.DataFrame(np.concatenate([LEFT, RIGHT], axis=1).reshape(FRAMES, -1), columns=names)


def per_joint() -> pd.DataFrame:
    """A line per joint of each hand."""
    rows = [
        (frame, hand, joint, *point)
        for hand, joints in (("Left", LEFT), ("Right", RIGHT))
        for frame, pose in enumerate(joints)
        for joint, point in enumerate(pose)
    ]
    return pd.DataFrame(rows, columns=["frame", "handedness", "landmark", "x", "y", "z"])


def tables():
    yield "numbers", side_by_side("left_hand_{joint}_{axis}", "right_hand_{joint}_{axis}")
    yield "axis first", side_by_side("{axis}_left_hand_{joint}", "{axis}_right_hand_{joint}")
    yield "short", side_by_side("lh{joint}_{axis}", "rh{joint}_{axis}")
    yield "camel case", side_by_side("LeftHand{joint}_{axis}", "RightHand{joint}_{axis}")
    yield "counted hands", side_by_side("hand0_{joint}_{axis}", "hand1_{joint}_{axis}")
    yield "names", side_by_side("{joint}_left_{axis}", "{joint}_right_{axis}", MEDIAPIPE)
    body = side_by_side("LEFT_HAND_{joint}_{axis}", "RIGHT_HAND_{joint}_{axis}", MEDIAPIPE)
    for joint in ("left_shoulder", "left_wrist", "nose"):
        body[[f"{joint}_x", f"{joint}_y", f"{joint}_z"]] = 9.0
    yield "beside a body", body
    yield "a line per joint", per_joint()
    swapped = per_joint()
    swapped["hand_id"] = (swapped.frame % 2) ^ (swapped.handedness == "Left")
    yield "numbers that change, beside sides that do not", swapped


TABLES = dict(tables())


def same(hands: np.ndarray, *expected: np.ndarray) -> bool:
    """Whether these are the hands, in any order."""
    return len(hands) == len(expected) and all(
        np.isclose(hands, each[..., : hands.shape[-1]]).all(axis=(1, 2, 3)).any()
        for each in expected
    )


@pytest.mark.parametrize("name", TABLES)
def test_each_hand_is_a_body(tmp_path, name):
    TABLES[name].to_csv(tmp_path / "a.csv", index=False)
    assert same(read(tmp_path / "a.csv"), LEFT, RIGHT)
    assert same(read_joints(tmp_path / "a.csv"), LEFT, RIGHT)


def test_a_hand_that_comes_back_is_the_same_body(tmp_path):
    table = side_by_side("left_hand_{joint}_{axis}", "right_hand_{joint}_{axis}")
    table.iloc[5:45, :63] = np.nan
    table.to_csv(tmp_path / "a.csv", index=False)
    right, left = read(tmp_path / "a.csv")
    assert np.allclose(right, RIGHT) and not left[5:45].any()
    assert np.allclose(left[45:], LEFT[45:])


@pytest.mark.parametrize("shape", [(FRAMES, 126), (FRAMES, 42, 3)])
def test_arrays_of_both_hands(tmp_path, shape):
    """The first half is one hand, flat or not."""
    np.save(tmp_path / "a.npy", np.concatenate([LEFT, RIGHT], axis=1).reshape(shape))
    np.testing.assert_array_equal(read(tmp_path / "a.npy"), [LEFT, RIGHT])


def test_one_hand_is_one_body(tmp_path):
    both = side_by_side("left_hand_{joint}_{axis}", "right_hand_{joint}_{axis}")
    both.iloc[:, :63].to_csv(tmp_path / "a.csv", index=False)
    assert same(read(tmp_path / "a.csv"), LEFT)


WRONG = {
    "numbers that tell no hand": (
        side_by_side("", "").set_axis([f"{a}{n}" for n in range(42) for a in "xyz"], axis=1),
        "columns of 42 joints, such as '0'; must be 21 .*, for each hand as left_hand_0 and right_",
    ),
    "a hand that lacks a joint": (
        side_by_side("left_hand_{joint}_{axis}", "right_hand_{joint}_{axis}").iloc[:, :-3],
        "columns of 20 joints, such as 'right_hand_0'; must be 21",
    ),
    "lines that do not tell their hand": (
        per_joint().drop(columns="handedness"),
        "more than one line for frame 0, landmark 0; must have a column such as person or hand",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_hands_that_cannot_be_told_are_refused_in_one_line(tmp_path, case):
    table, complaint = WRONG[case]
    table.to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(UserError, match=complaint) as raised:
        read(tmp_path / "a.csv")
    assert str(raised.value).startswith("it: ") and "\n" not in str(raised.value)


def test_left_and_right_of_a_body_are_no_hands(tmp_path):
    """A layout of 21 joints need not be a hand."""
    names = ["head", *(f"{side}_{n}" for side in ("left", "right") for n in "abcdefghij")]
    body = Layout("own", (0,) * 21, (), (0,))
    table = pd.DataFrame(
        LEFT.reshape(FRAMES, -1), columns=[f"{name}_{axis}" for name in names for axis in "xyz"]
    )
    table.to_csv(tmp_path / "a.csv", index=False)
    np.testing.assert_allclose(read(tmp_path / "a.csv", body), LEFT[None], rtol=1e-6)
