"""Finite but absurd numbers are refused where they enter; all others stay finite in float32."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brl.clips.clip import Clip
from brl.clips.layouts import COCO17, NTU25, NW_UCLA20
from brl.clips.normalize import Normalization, normalized
from brl.datasets.own.source import open_own
from brl.datasets.prepare import prepare
from brl.datasets.ranges import LARGEST, LARGEST_SCORE, LARGEST_SIZE, SMALLEST_SIZE, check_range
from brl.datasets.recordings.people import as_skeleton
from brl.datasets.recordings.read import read_recording
from brl.datasets.source import Dataset
from brl.scores.scores import Scores
from brl.serving.served import Served
from brl.support.errors import UserError
from tests.command import brl, refused
from tests.own_data import STICK, write_description
from tests.recognizers import untrained
from tests.reference import shared

ABSURD = (3e38, -3e38, 1e300, 2e9, -2 * LARGEST)
NUMBERS = st.floats(-LARGEST, LARGEST) | st.sampled_from([0.0, np.nan, np.inf, 1e-300])


def one_clip(clip: Clip, layout=NW_UCLA20, kind="center") -> Dataset:
    return Dataset(
        layout=layout,
        classes=("a", "b"),
        items=[clip],
        read=lambda item: [item],
        splits=lambda names: {"all": {"train": names, "test": names}},
        normalization=Normalization(kind),
    )


@pytest.mark.parametrize("number", ABSURD)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_any_dataset_with_an_absurd_coordinate_is_refused_by_the_clips_name(
    number, dtype, tmp_path
):
    if (dtype == np.float32 and abs(number) > 3.1e38) or (dtype == np.int64 and abs(number) > 1e18):
        pytest.skip("not a finite number of this type")
    joints = np.ones((1, 4, 20, 3), dtype)
    joints[0, 2, 7, 1] = number
    with pytest.raises(UserError, match=r"^clip wave: joint 7: the coordinate .*±1e\+09"):
        prepare("t", one_clip(Clip("wave", 0, joints)), tmp_path / "store", 1)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"score": 1e4}, "clip c: joint 3: the score 1e+04; must be within ±1e+03"),
        ({"size": (0.0, 640.0)}, "clip c: an image of 640 x 0; must be from 0.001 to 1,000,000"),
        ({"size": (480.0, -1.0)}, "clip c: an image of -1 x 480; must be from 0.001"),
        ({"size": (480.0, 1e30)}, "clip c: an image of 1e+30 x 480; must be from 0.001"),
        ({"size": (480.0, np.nan)}, "clip c: an image of nan x 480; must be from 0.001"),
    ],
)
def test_scores_and_sizes_have_ranges_too(change, complaint, tmp_path):
    joints = np.full((1, 4, 17, 3), 0.5)
    joints[0, 1, 3, 2] = change.get("score", 1.0)
    clip = Clip("c", 0, joints, change.get("size", (480.0, 640.0)))
    layout = replace(COCO17, scored=True)
    with pytest.raises(UserError) as caught:
        prepare("t", one_clip(clip, layout, "image"), tmp_path / "store", 1)
    assert str(caught.value).startswith(complaint)


@given(arrays(np.float64, (2, 3, 25, 3), elements=NUMBERS))
def test_what_is_within_the_ranges_stays_finite_in_float32(joints):
    check_range(joints, 3, "clip")
    for kind in ("none", "center", "ntu"):
        stored = normalized(joints, NTU25, Normalization(kind), 2)
        assert stored.dtype == np.float32
        difference = np.diff(np.diff(stored, axis=2), axis=1)
        assert np.isfinite(stored**2).all() and np.isfinite(difference**2).all()


@given(arrays(np.float64, (1, 3, 17, 3), elements=st.floats(-LARGEST_SCORE, LARGEST_SCORE)))
def test_pixels_of_the_smallest_image_stay_finite_in_float32(joints):
    joints[..., :2] *= LARGEST / LARGEST_SCORE
    for size in (SMALLEST_SIZE, LARGEST_SIZE):
        stored = normalized(joints, COCO17, Normalization("image"), 1, (size, size))
        assert np.isfinite(stored**2).all()


def test_a_detection_with_an_absurd_coordinate_is_refused():
    joints = np.ones((17, 2))
    joints[4, 0] = 1e300
    with pytest.raises(UserError, match=r"^a.json: joint 4: the coordinate 1e\+300"):
        as_skeleton(joints, None, COCO17, "a.json")


@pytest.mark.parametrize("size", ["0", "-3", "1e-9", "1e30", "inf", "nan", "wide"])
def test_sizes_of_own_data_are_refused_by_their_line(size, tmp_path):
    description = {"classes": ["wave", "point"], "layout": "coco17", "normalize": "image"}
    write_description(tmp_path, description)
    np.save(tmp_path / "a.npy", np.ones((4, 17, 3)))
    row = {"name": ["a"], "label": "wave", "split": "train", "width": size, "height": "480"}
    pd.DataFrame(row).to_csv(tmp_path / "clips.csv", index=False)
    with pytest.raises(UserError, match=r"clips\.csv: line 2: width .* from 0\.001 to 1,000,000"):
        open_own(tmp_path)


def test_own_data_with_an_absurd_coordinate_is_refused(tmp_path):
    write_description(tmp_path, STICK)
    joints = np.ones((4, 5, 3))
    joints[1, 2] = 3e38
    np.save(tmp_path / "a.npy", joints)
    row = {"name": ["a"], "label": "wave", "split": "train"}
    pd.DataFrame(row).to_csv(tmp_path / "clips.csv", index=False)
    with pytest.raises(UserError, match=r"^clip a: joint 2: the coordinate 3e\+38"):
        prepare("custom", open_own(tmp_path), tmp_path / "store", 1)


def test_a_recording_of_absurd_numbers_is_refused_and_the_others_are_recognised(
    tmp_path, monkeypatch
):
    huge = shared("cases/hostile/mixhuge.npy")
    monkeypatch.chdir(tmp_path)
    recognizer = untrained(NTU25, Normalization("center"))
    monkeypatch.setattr("brl.serving.predict.Request.recognizer", lambda _: recognizer)
    np.save("good.npy", np.random.default_rng(0).normal(size=(9, 25, 3)))
    for window in ([], ["--window", "4"]):
        done = brl("predict", "good.npy", str(huge), "--json", *window)
        good, bad = json.loads(done.stdout)
        assert good["file"] == "good.npy" and "error" not in good
        assert "the coordinate -3e+38; must be within" in bad["error"] and done.exit_code == 1
        assert done.stderr.count("\n") == 1 and done.stderr.startswith(f"error: {huge}: joint 0")
    served = Served()
    served.recognizer = recognizer
    with pytest.raises(UserError, match="input: joint 0: the coordinate"):
        served.predict(read_recording(huge, NTU25, "x").astype(np.float32))


def test_the_layout_of_absurd_numbers_is_not_guessed():
    huge = shared("cases/hostile/mixhuge.npy")
    assert "mixhuge.npy: joint 0: the coordinate" in refused("data", "layout", str(huge))


def test_networks_that_make_no_numbers_are_an_error_and_not_a_class(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recognizer = untrained(NTU25)
    for stream in recognizer.streams.values():
        stream.model.cls_head.fc_cls.weight.data[0, 0] = torch.nan
    monkeypatch.setattr("brl.serving.predict.Request.recognizer", lambda _: recognizer)
    np.save("good.npy", np.random.default_rng(0).normal(size=(9, 25, 3)))
    done = brl("predict", "good.npy", "--json")
    assert done.exit_code == 1 and "good.npy: " in done.stderr and "not finite" in done.stderr
    ((entry),) = json.loads(done.stdout, parse_constant=pytest.fail)
    assert "error" in entry


def test_scores_that_are_not_finite_are_refused_by_the_clips_name():
    with pytest.raises(UserError, match=r"^clip b: its scores are not finite \(1 of 2 clips\)"):
        Scores(np.array(["a", "b"]), np.array([0, 1]), np.array([[1, 0], [np.nan, 0]]))


@pytest.mark.parametrize("size", ["0x480", "640x" + "9" * 400, "2000000x480"])
def test_an_absurd_size_on_the_command_line_is_wrong_usage(size):
    done = brl("predict", "a.npy", "--image-size", size)
    assert done.exit_code == 2 and "must be WIDTHxHEIGHT in pixels" in done.stderr
