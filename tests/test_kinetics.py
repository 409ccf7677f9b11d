"""Kinetics: an index and its kpfiles become clips, and their skeletons bodies."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.datasets import kinetics
from tests.test_annotations import clips_of, complaint
from tests.web import Answer


def bodies_in_plain_python(keypoint, frame_inds, box_score) -> np.ndarray:
    """Arranges skeletons as bodies, one by one."""
    frames: dict[int, list] = {}
    for skeleton, frame, confidence in zip(keypoint, frame_inds, box_score, strict=True):
        if confidence >= 0.5:
            frames.setdefault(int(frame), []).append(skeleton)
    ordered = [frames[frame] for frame in sorted(frames)]
    num_bodies = max(map(len, ordered), default=0)
    if num_bodies > 10:
        ordered = [sorted(frame, key=lambda s: -s[:, 2].sum()) for frame in ordered]
    joints = np.zeros((min(num_bodies, 10), len(ordered), 17, 3), dtype=np.float32)
    for t, frame in enumerate(ordered):
        for m, skeleton in enumerate(frame[:10]):
            joints[m, t] = skeleton
    return joints


@given(st.integers(0, 2**31), st.integers(0, 60), st.sampled_from([1, 3, 20]))
def test_skeletons_become_bodies_as_in_a_plain_python_version(seed, skeletons, frames):
    draws = np.random.default_rng(seed)
    keypoint = draws.uniform(1, 100, size=(skeletons, 17, 3)).astype(np.float32)
    frame_inds = np.sort(draws.integers(0, frames, size=skeletons))
    box_score = draws.choice([0.1, 0.49, 0.5, 0.9], size=skeletons).astype(np.float16)
    ours = kinetics.bodies_of(keypoint, frame_inds, box_score)
    np.testing.assert_array_equal(ours, bodies_in_plain_python(keypoint, frame_inds, box_score))


def skeletons_of(name: str, scores: list[float], **more) -> tuple[dict, dict]:
    """An annotation and its entry in a kpfile, with one skeleton per frame."""
    keypoint = np.full((len(scores), 17, 3), 50, dtype=np.float16)
    entry = {
        "frame_dir": name,
        "label": 399,
        "img_shape": (100, 100),
        "raw_file": f"data/k400/kpfiles/{name[0]}.pkl",
        "frame_inds": np.arange(len(scores)),
        "box_score": np.array(scores, dtype=np.float16),
        "valid": {0.5: 1},
    }
    return entry | more, {"keypoint": keypoint}


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror: three clips in two kpfiles, one without a confident skeleton."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    folder = tmp_path / "mirror"
    (folder / "kpfiles").mkdir(parents=True)
    clips = [
        skeletons_of("a1", [0.9, 0.3, 0.6]),
        skeletons_of("b1", [0.8]),
        skeletons_of("a2", [0]),
    ]
    split = {"train": ["a1", "a2"], "val": ["b1"]}
    index = {"split": split, "annotations": [entry for entry, _ in clips]}
    (folder / "k400_hrnet.pkl").write_bytes(pickle.dumps(index))
    for letter in "ab":
        held = {entry["frame_dir"]: kp for entry, kp in clips if entry["frame_dir"][0] == letter}
        (folder / "kpfiles" / f"{letter}.pkl").write_bytes(pickle.dumps(held))
    return folder


def change(path: Path, edit) -> None:
    content = pickle.loads(path.read_bytes())
    edit(content)
    path.write_bytes(pickle.dumps(content))


def fetched(mirror: Path):
    folder = mirror.parent / "raw"
    kinetics.SOURCE.fetch(folder, str(mirror))
    return kinetics.SOURCE.open(folder)


def test_each_kpfile_is_one_item_and_clips_without_a_confident_skeleton_are_left_out(mirror):
    dataset = fetched(mirror)
    assert dataset.parallel and len(dataset.items) == 2 and len(set(dataset.classes)) == 400
    read = pickle.loads(pickle.dumps(dataset.read))
    clips = [clip for item in dataset.items for clip in read(pickle.loads(pickle.dumps(item)))]
    assert [(clip.name, clip.label) for clip in clips] == [("a1", 399), ("b1", 399)]
    assert clips[0].joints.shape == (1, 2, 17, 3)
    np.testing.assert_array_equal(clips[0].joints[0, 0, 0], (50, 50, 50))
    assert clips[0].image_size == (100, 100)
    assert dataset.splits(["a1", "b1"]) == {"default": {"train": ["a1"], "test": ["b1"]}}


def test_missing_kpfiles_are_named_with_instructions(mirror):
    raw = mirror.parent / "raw"
    (mirror / "kpfiles/b.pkl").unlink()
    message = complaint(lambda: kinetics.SOURCE.fetch(raw, "mirror"))
    assert message.startswith("kpfiles/b.pkl is missing (1 of 2 kpfiles): the kpfiles must be fet")
    assert "dataset.mirror must hold them in a folder kpfiles" in message
    assert not (raw / "kpfiles").exists()


@pytest.mark.parametrize("folder", [None, "mirror/kpfiles"])
def test_without_a_folder_of_kpfiles_nothing_is_fetched(mirror, monkeypatch, folder):
    monkeypatch.setattr(kinetics, "fetch_file", None)
    message = complaint(lambda: kinetics.SOURCE.fetch(mirror.parent / "raw", folder))
    assert message.startswith("a folder kpfiles is missing: the kpfiles must be fetched by hand")


def test_an_index_that_the_mirror_lacks_comes_from_its_address(mirror, monkeypatch, server):
    server.play(Answer((mirror / kinetics.INDEX).read_bytes()))
    (mirror / kinetics.INDEX).unlink()
    monkeypatch.setattr(kinetics, "ADDRESS", f"{server.url}/{kinetics.INDEX}")
    assert len(fetched(mirror).items) == 2


@pytest.mark.parametrize(
    "path", ["../../etc/b.pkl", "/etc/b.pkl", "..\\..\\b.pkl", "C:\\etc\\b.pkl", "kpfiles/b.pkl"]
)
def test_only_the_file_name_of_a_kpfiles_path_is_used(mirror, path):
    change(mirror / "k400_hrnet.pkl", lambda index: index["annotations"][1].update(raw_file=path))
    assert [name for name, _ in fetched(mirror).items] == ["a.pkl", "b.pkl"]


@pytest.mark.parametrize("path", ["kpfiles/..", "..", "", "kpfiles/a\0.pkl", "a\n.pkl", None, 3])
def test_a_path_that_names_no_file_is_refused(mirror, path):
    change(mirror / "k400_hrnet.pkl", lambda index: index["annotations"][1].update(raw_file=path))
    message = complaint(lambda: fetched(mirror))
    assert message.startswith("k400_hrnet.pkl: 'b1': raw_file: ")


def refusal_when_read(mirror: Path) -> str:
    return complaint(lambda: clips_of(fetched(mirror)))


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda held: held.clear(), "keypoint: missing; must be an array of numbers, (S, 17, 3)"),
        (lambda held: held.update(b1=7), "keypoint: missing"),
        (
            lambda held: held["b1"].update(keypoint=np.ones((1, 17, 2))),
            "keypoint: an array of float64, (1, 17, 2)",
        ),
    ],
)
def test_an_invalid_kpfile_is_named_with_the_clip(mirror, edit, expected):
    change(mirror / "kpfiles/b.pkl", edit)
    assert refusal_when_read(mirror).startswith(f"kpfiles/b.pkl: 'b1': {expected}")


def test_a_kpfile_that_calls_a_function_is_refused(mirror):
    (mirror / "kpfiles/b.pkl").write_bytes(pickle.dumps({"b1": eval}))
    assert complaint(lambda: fetched(mirror)).startswith(
        "b.pkl: refused: it asks for builtins.eval"
    )


@pytest.mark.parametrize("key", ["frame_inds", "box_score"])
def test_an_index_that_does_not_fit_its_kpfile_is_named(mirror, key):
    wrong = {key: np.arange(2)}
    change(mirror / "k400_hrnet.pkl", lambda index: index["annotations"][1].update(wrong))
    message = refusal_when_read(mirror)
    assert message == (
        f"k400_hrnet.pkl: 'b1': {key}: an array of int64, (2,); must be an array of numbers, (1)"
    )
