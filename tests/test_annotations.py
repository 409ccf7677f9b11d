"""Annotation pickles, 3D and 2D, become clips and splits; mistakes in them are named."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.clips.layouts import COCO17, NTU25
from brl.clips.normalize import Normalization, to_image_frame
from brl.datasets import pyskl
from brl.datasets.annotations import open_annotations
from brl.support.errors import UserError

CLASSES = ("sit down", "stand up")
IN_METRES = Normalization("ntu")


def annotation(name: str, label: int = 0, bodies: int = 1, **more) -> dict:
    draws = np.random.default_rng(len(name))
    keypoint = draws.normal(size=(bodies, 4, 25, 3)).astype(np.float16)
    return {"frame_dir": name, "label": label, "total_frames": 4, "keypoint": keypoint} | more


def annotation_2d(name: str, **more) -> dict:
    draws = np.random.default_rng(0)
    return {
        "frame_dir": name,
        "label": 1,
        "img_shape": (100, 200),
        "original_shape": (100, 200),
        "total_frames": 4,
        "keypoint": draws.uniform(1, 100, size=(2, 4, 17, 2)).astype(np.float16),
        "keypoint_score": draws.uniform(0.1, 1, size=(2, 4, 17)).astype(np.float16),
    } | more


def written(folder: Path, annotations: object, split: object = None) -> Path:
    path = folder / "small.pkl"
    split = {"train": ["a"], "val": ["b"]} if split is None else split
    path.write_bytes(pickle.dumps({"split": split, "annotations": annotations}))
    return path


def opened_3d(path: Path):
    return open_annotations(path, NTU25, CLASSES, IN_METRES)


def opened_2d(path: Path):
    return open_annotations(path, COCO17, CLASSES, Normalization("image"))


def clips_of(dataset) -> list:
    return [clip for item in dataset.items for clip in dataset.read(item)]


# Clips


def test_a_3d_clip_holds_the_keypoints_of_its_annotation(tmp_path):
    annotations = [annotation("a"), annotation("bb", label=1, bodies=3)]
    dataset = opened_3d(written(tmp_path, annotations))
    assert (dataset.layout, dataset.classes, dataset.normalization) == (NTU25, CLASSES, IN_METRES)
    first, second = clips_of(dataset)
    assert (first.name, first.label, second.name, second.label) == ("a", 0, "bb", 1)
    assert second.joints.shape == (3, 4, 25, 3)
    assert second.joints.dtype == np.float32
    np.testing.assert_array_equal(second.joints, annotations[1]["keypoint"])


def test_a_2d_clip_has_scores_and_the_size_of_its_image(tmp_path):
    given = annotation_2d("a")
    (clip,) = clips_of(opened_2d(written(tmp_path, [given])))
    assert clip.joints.shape == (2, 4, 17, 3)
    assert clip.joints.dtype == np.float32
    assert clip.image_size == given["img_shape"]
    np.testing.assert_array_equal(clip.joints[..., :2], given["keypoint"])
    np.testing.assert_array_equal(clip.joints[..., 2], given["keypoint_score"])


@given(st.integers(0, 2**31))
def test_the_image_frame_can_be_inverted_and_unseen_joints_stay_zero(seed):
    draws = np.random.default_rng(seed)
    height, width = draws.uniform(1, 2000, size=2)
    joints = draws.uniform(1, 100, size=(2, 5, 17, 3))
    joints[1, 2:4] = 0
    joints[0, 0, 3] = 0
    ours = to_image_frame(joints, height, width)
    missing = (joints == 0).all(axis=-1)
    assert (ours[missing] == 0).all()
    back = (ours[~missing] + (1, 1, 0)) * (width / 2, height / 2, 1)
    np.testing.assert_allclose(back, joints[~missing], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("total", [3, 2, 4.5, "4"])
def test_another_number_of_frames_than_the_keypoints_have_is_refused(tmp_path, total):
    """Such as that of frames x bodies x joints x channels."""
    given = annotation("a", bodies=2, total_frames=total)
    message = f"small.pkl: 'a': total_frames: {total!r}; must be 4, as keypoint has 2 bodies x 4 "
    with pytest.raises(UserError, match=re.escape(message)):
        clips_of(opened_3d(written(tmp_path, [given])))
    for total in (np.int64(4), 4.0, None):
        assert clips_of(opened_3d(written(tmp_path, [given | {"total_frames": total}])))


def test_a_clip_may_be_named_by_filename_and_labelled_by_a_numpy_number(tmp_path):
    given = annotation("a", label=np.int64(1))
    given["filename"] = given.pop("frame_dir")
    (clip,) = clips_of(opened_3d(written(tmp_path, [given])))
    assert (clip.name, clip.label, type(clip.label)) == ("a", 1, int)


# Splits


@pytest.mark.parametrize(
    ("keys", "splits"),
    [
        ({"xsub_train": "ab", "xsub_val": "c"}, {"xsub": ("ab", "c")}),
        (
            {"xsub_train": "ab", "xsub_val": "c", "xset_train": "c", "xset_val": "ba"},
            {"xsub": ("ab", "c"), "xset": ("c", "ba")},
        ),
        ({"train": "a", "val": "b"}, {"default": ("a", "b")}),
        ({"train": "a", "test": "b"}, {"default": ("a", "b")}),
        ({"train": "a", "val": "b", "test": "c"}, {"default": ("a", "c")}),
        (
            {"train1": "a", "train2": "b", "test1": "bc", "test2": "ca"},
            {"split1": ("a", "bc"), "split2": ("b", "ca")},
        ),
        ({"train_view": "a", "test_view": "b"}, {"view": ("a", "b")}),
    ],
)
def test_lists_of_train_and_test_clips_form_splits(tmp_path, keys, splits):
    path = written(tmp_path, [], {key: list(names) for key, names in keys.items()})
    assert opened_3d(path).splits(["a", "b", "c"]) == {
        name: {"train": list(train), "test": list(test)} for name, (train, test) in splits.items()
    }


def test_a_split_keeps_unknown_names_for_the_store_to_refuse(tmp_path):
    path = written(tmp_path, [annotation("a"), annotation("b")], {"train": ["x"], "val": ["a"]})
    assert opened_3d(path).splits(["a", "b"]) == {"default": {"train": ["x"], "test": ["a"]}}


# Mistakes


def complaint(make) -> str:
    with pytest.raises(UserError) as caught:
        make()
    message = str(caught.value)
    assert message.isprintable() and len(message) < 300
    return message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([1], "annotations is missing"),
        ({"split": {}}, "annotations is missing"),
        ({"annotations": []}, "split is missing"),
        ({"annotations": {}, "split": {}}, "annotations is missing or of another type"),
        ({"annotations": [], "split": []}, "split is missing or of another type"),
        ({"annotations": [7], "split": {}}, "annotation 0: must be a dictionary with its clip's"),
        ({"annotations": [annotation("a"), {}], "split": {}}, "annotation 1: must be a dictionary"),
        ({"annotations": [{"frame_dir": 3}], "split": {}}, "annotation 0: must be"),
        ({"annotations": [], "split": {}}, "split: []: needs pairs such as 'train' and 'test'"),
        ({"annotations": [], "split": {"val": []}}, "split: ['val']: needs pairs such as 'train'"),
        (
            {"annotations": [], "split": {"xsub_train": [], "xview_val": []}},
            "split: ['xsub_train', 'xview_val']: needs pairs",
        ),
        ({"annotations": [], "split": {"train": "ab"}}, "'train': must be a list of clips' names"),
        ({"annotations": [], "split": {"train": [1]}}, "'train': must be a list of clips' names"),
        ({"annotations": [], "split": {1: []}}, "split: 1: must be a list of clips' names"),
    ],
)
def test_a_pickle_of_another_format_is_named(tmp_path, content, expected):
    path = tmp_path / "small.pkl"
    path.write_bytes(pickle.dumps(content))
    message = complaint(lambda: opened_3d(path))
    assert message.startswith("small.pkl: ") and expected in message


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"label": None}, "label: missing; must be a whole number"),
        ({"label": "7"}, "label: '7'; must be a whole number"),
        ({"label": 1.0}, "label: 1.0; must be"),
        ({"label": True}, "label: True; must be"),
        ({"label": np.zeros((9, 9))}, "label: an array of float64, (9, 9); must be a whole number"),
        ({"keypoint": None}, "keypoint: missing; must be an array of numbers, (M, T, 25, 3)"),
        ({"keypoint": [[[1]]]}, "keypoint: [[[1]]]; must be an array of numbers"),
        ({"keypoint": np.zeros((4, 25, 3))}, "keypoint: an array of float64, (4, 25, 3); must be"),
        (
            {"keypoint": np.zeros((1, 4, 17, 3))},
            "keypoint: an array of float64, (1, 4, 17, 3); must be",
        ),
        (
            {"keypoint": np.zeros((1, 4, 25, 2))},
            "keypoint: an array of float64, (1, 4, 25, 2); must be",
        ),
        (
            {"keypoint": np.zeros((1, 4, 25, 3), "S1")},
            "keypoint: an array of |S1, (1, 4, 25, 3); must be",
        ),
    ],
)
def test_an_invalid_annotation_is_named_with_file_and_clip(tmp_path, fault, expected):
    path = written(tmp_path, [annotation("a"), annotation("S1", **fault)])
    message = complaint(lambda: clips_of(opened_3d(path)))
    assert message.startswith(f"small.pkl: 'S1': {expected}")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            {"keypoint_score": None},
            "keypoint_score: missing; must be an array of numbers, (2, 4, 17)",
        ),
        (
            {"keypoint_score": np.ones((2, 5, 17))},
            "keypoint_score: an array of float64, (2, 5, 17); must be",
        ),
        (
            {"keypoint": np.ones((2, 4, 17, 3))},
            "keypoint: an array of float64, (2, 4, 17, 3); must be",
        ),
        ({"img_shape": None}, "img_shape: missing; must be (height, width) in pixels"),
        ({"img_shape": (100,)}, "img_shape: (100,); must be"),
        ({"img_shape": (100, 0)}, "img_shape: (100, 0); must be"),
        ({"img_shape": (100, "wide")}, "img_shape: (100, 'wide'); must be"),
        ({"img_shape": (100, float("nan"))}, "img_shape: (100, nan); must be"),
        ({"img_shape": (100, 10**400)}, "img_shape: (100, 1000000000"),
    ],
)
def test_an_invalid_2d_annotation_is_named_with_file_and_clip(tmp_path, fault, expected):
    path = written(tmp_path, [annotation_2d("S1", **fault)])
    message = complaint(lambda: clips_of(opened_2d(path)))
    assert message.startswith(f"small.pkl: 'S1': {expected}")


# The published pickles


@pytest.mark.parametrize(
    ("name", "num_classes"),
    [("ntu60", 60), ("ntu120", 120), ("ntu60_2d", 60), ("ntu120_2d", 120), ("gym", 99),
     ("ucf101", 101), ("hmdb51", 51), ("diving48", 48)],
)  # fmt: skip
def test_a_published_pickle_is_fetched_and_opened(tmp_path, monkeypatch, name, num_classes):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    source = pyskl.SOURCES[name]
    in_2d = not name.startswith("ntu") or name.endswith("2d")
    one, other = ("S001C001P001R001A001", "S002C002P003R001A001") if "ntu" in name else ("a", "b")
    make = annotation_2d if in_2d else annotation
    keys = {"xsub": "xsub_{}", "xview": "xview_{}", "xset": "xset_{}", "default": "{}"} | {
        f"split{n}": f"{{}}{n}" for n in (1, 2, 3)
    }
    split = {
        keys[each].format(part): [clip]
        for each in source.splits
        for part, clip in (("train", one), ("test", other))
    }
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    file = {"ntu60_2d": "ntu60_hrnet", "ntu120_2d": "ntu120_hrnet"}.get(
        name, f"{name}_hrnet" if in_2d else f"{name}_3danno"
    )
    written(mirror, [make(one), make(other)], split).rename(mirror / f"{file}.pkl")
    source.fetch(tmp_path / "raw", "mirror")
    dataset = source.open(tmp_path / "raw")
    assert len(set(dataset.classes)) == num_classes
    assert tuple(dataset.splits([one, other])) == source.splits
    clips = clips_of(dataset)
    assert [clip.name for clip in clips] == [one, other]
    assert dataset.normalization(clips[0].joints).shape[2:] == ((17, 3) if in_2d else (25, 3))


def test_splits_of_ntu_pickles_are_sorted_into_the_fields_order(tmp_path):
    """The pickle assigns clips to parts; their order is that of the published lists."""
    names = [
        f"S{setup:03d}C001P{performer:03d}R001A{action:03d}"
        for setup in (2, 4)
        for performer in (9, 1, 103)
        for action in (5, 3)
    ]
    split = {}
    for key in ("xsub", "xset"):
        split |= {f"{key}_train": names[:0:-1], f"{key}_val": names[:1]}
    path = written(tmp_path, [annotation(name) for name in names], split)
    path.rename(tmp_path / "ntu120_3danno.pkl")
    splits = pyskl.SOURCES["ntu120"].open(tmp_path).splits(names)
    assert splits["xset"]["train"] == sorted(names[1:])
    by_performer = [name for p in ("P001", "P009", "P103") for name in sorted(names) if p in name]
    assert splits["xsub"]["train"] == [name for name in by_performer if name != names[0]]
    assert splits["xsub"]["test"] == names[:1]


def test_a_malicious_pickle_is_named_and_not_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "ntu60_3danno.pkl").write_bytes(pickle.dumps(eval))
    fetch = pyskl.SOURCES["ntu60"].fetch
    message = complaint(lambda: fetch(tmp_path / "raw", "."))
    assert message.startswith("ntu60_3danno.pkl: refused: it asks for builtins.eval")
    assert list((tmp_path / "raw").iterdir()) == []
