"""Recordings in MATLAB files: whatever the order of the axes, the joints are the same."""

import numpy as np
import pytest
from scipy.io import savemat

from brl.clips.layouts import MSR_ACTION3D20, PENN_ACTION13
from brl.datasets.recordings.read import find_recordings, read_recording
from brl.support.errors import UserError

JOINTS = np.random.default_rng(0).normal(size=(7, 20, 3))
IMAGE = np.random.default_rng(1).uniform(1, 300, (7, 13, 2))


def recorded(path, layout, **variables):
    savemat(path, variables)
    return read_recording(path, layout, path.name)


@pytest.mark.parametrize("compressed", [False, True])
def test_frames_may_be_the_first_axis_or_the_last(tmp_path, compressed):
    for number, joints in enumerate((JOINTS, JOINTS[None], np.moveaxis(JOINTS, 0, -1))):
        path = tmp_path / f"{number}.mat"
        savemat(path, {"d_skel": joints, "rate": 30, "who": "Ann"}, do_compression=compressed)
        np.testing.assert_array_equal(read_recording(path, MSR_ACTION3D20, ""), JOINTS[None])
    assert len(find_recordings([tmp_path])) == 3


def test_one_frame_is_a_recording_though_its_axis_is_dropped(tmp_path):
    read = recorded(tmp_path / "a.mat", MSR_ACTION3D20, skeleton=JOINTS[0])
    np.testing.assert_array_equal(read, JOINTS[None, :1])


def test_an_array_for_each_axis_and_joints_that_were_not_seen(tmp_path):
    visible = np.ones((7, 13), np.uint8)
    visible[2, 5] = 0
    axes = {"x": IMAGE[..., 0], "y": IMAGE[..., 1]}
    read = recorded(tmp_path / "a.mat", PENN_ACTION13, **axes, visibility=visible, train=1)
    assert read.shape == (1, 7, 13, 3) and read.dtype == np.float32
    assert not read[0, 2, 5].any()
    seen = visible == 1
    np.testing.assert_allclose(read[0, seen, :2], IMAGE[seen], rtol=1e-6)
    assert (read[0, seen, 2] == 1).all()
    everywhere = recorded(tmp_path / "b.mat", PENN_ACTION13, **axes)
    assert (everywhere[..., 2] == 1).all()


WRONG = {
    "of another skeleton": (
        {"d_skel": JOINTS[:, :19]},
        r"holds d_skel \(7, 19, 3\); must be one array of joints of the layout msr_action3d20, "
        r"frames x 20 joints x 3 channels or 20 x 3 x frames, or x and y",
    ),
    "two": ({"a": JOINTS, "b": JOINTS}, r"holds a \(7, 20, 3\), b \(7, 20, 3\); must be one array"),
    "nothing": ({"who": "Ann"}, "holds no numbers; must be one array of joints"),
    "in 2D": ({"x": JOINTS[..., 0], "y": JOINTS[..., 1]}, "a skeleton of 20 joints in 2D; must be"),
    "ragged": ({"x": JOINTS[..., 0], "y": JOINTS[:3, :, 1]}, r"x \(7, 20\), y \(3, 20\); must be"),
}


@pytest.mark.parametrize("case", WRONG)
def test_other_content_is_refused_in_one_line(tmp_path, case):
    variables, complaint = WRONG[case]
    with pytest.raises(UserError, match=rf"^a\.mat: {complaint}"):
        recorded(tmp_path / "a.mat", MSR_ACTION3D20, **variables)


def test_a_damaged_file_and_one_of_a_newer_version_are_refused(tmp_path):
    path = tmp_path / "a.mat"
    savemat(path, {"d_skel": JOINTS})
    for content in (path.read_bytes()[:-9], b"MATLAB 7.3 MAT-file", b""):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"a\.mat: not a whole MATLAB file of version 5 to 7"):
            read_recording(path, MSR_ACTION3D20, "a.mat")
