"""Own data are begun from a folder of recordings: what is assumed, written, and left to fill in."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.io import savemat

from brl.clips.layouts import LAYOUTS
from brl.datasets.own import source as own
from tests.command import brl, refused
from tests.estimators import kinetics, openpose, write_json
from tests.motion_files import BVH_CHANNELS, bvh_text, write_c3d
from tests.moving import moving_body


def body(layout: str = "nw_ucla20", seed: int = 0) -> np.ndarray:
    return moving_body(LAYOUTS[layout], seed, frames=6)


def save(path: Path, joints: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, joints)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The folder `own` of a project, the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("own").mkdir()
    return Path("own")


def begun(folder: Path) -> tuple[dict, pd.DataFrame, str]:
    """The description, the list, and what the command says, each line with single spaces."""
    done = brl("data", "new", str(folder))
    assert done.exit_code == 0, done.stderr
    description = yaml.safe_load((folder / "dataset.yaml").read_text(encoding="utf-8"))
    clips = pd.read_csv(folder / "clips.csv", dtype=str, keep_default_na=False)
    return description, clips, done.stdout


def test_a_folder_of_classes_becomes_own_data(folder):
    for word in ("wave", "point"):
        for person in range(1, 5):
            save(folder / f"raw/{word}/p{person}_take1.npy", body(seed=person))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.npy")}
    description, clips, said = begun(folder)
    assert description == {
        "classes": ["point", "wave"], "layout": "nw_ucla20", "normalize": "center", "center": 0,
    }  # fmt: skip
    assert clips.loc[0].to_dict() | {"split": ""} == {
        "name": "point_p1_take1", "label": "point", "split": "", "file": "raw/point/p1_take1.npy",
    }  # fmt: skip
    assert clips["split"].value_counts().to_dict() == {"train": 6, "test": 2}
    assert "To fill in" not in said and said.endswith("Next: brl preset custom, then brl data\n")
    read = own.open_own(Path("nothing fetched"))
    assert [clip.label for item in read.items for clip in read.read(item)] == [0] * 4 + [1] * 4
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert after.keys() - before.keys() == {folder / "dataset.yaml", folder / "clips.csv"}
    assert before.items() <= after.items()


def test_what_is_there_is_not_overwritten(folder):
    save(folder / "a.npy", body())
    (folder / "dataset.yaml").write_text("mine")
    assert "own/dataset.yaml: is there already and stays" in refused("data", "new", "own")
    assert (folder / "dataset.yaml").read_text() == "mine"
    assert {path.name for path in folder.iterdir()} == {"a.npy", "dataset.yaml"}


LISTED = """name,label,split,width,height
a,wave,train,640,480
b,,test,640,480
c,wave,,640,480
d,point,train,640,480
"""


def test_a_list_that_is_there_tells_clips_labels_and_parts(folder):
    """As after `brl data from-video`; the list stays as it is."""
    for name in "abcde":
        pixels = np.dstack([200 + 100 * body("coco17")[..., :2], np.ones((6, 17))])
        save(folder / f"{name}.npy", pixels)
    (folder / "clips.csv").write_text(LISTED)
    description, _, said = begun(folder)
    assert (folder / "clips.csv").read_text() == LISTED
    assert description == {
        "classes": ["point", "wave"], "layout": "coco17", "normalize": "image",
    }  # fmt: skip
    assert "own/clips.csv: label: line 3\n" in said
    assert "own/clips.csv: split: train or test, or empty: line 4\n" in said
    assert "width" not in said
    (folder / "clips.csv").write_text(LISTED.replace("b,,", "b,1,"))
    read = own.open_own(Path("nothing fetched"))
    assert [clip.label for item in read.items for clip in read.read(item)] == [1, 1, 1, 0]


def test_a_list_with_pixels_for_coordinates_from_0_to_1_is_to_be_changed(folder):
    for name in "abcd":
        flat = body("coco17")[..., :2]
        unit = (flat - flat.min()) / np.ptp(flat)
        save(folder / f"{name}.npy", np.dstack([unit, np.ones((6, 17))]))
    (folder / "clips.csv").write_text(LISTED)
    _, _, said = begun(folder)
    assert "own/clips.csv: width, height: 1 and 1, as coordinates go from 0 to 1\n" in said


def test_labels_that_are_numbers_count_all_classes_up_to_the_last(folder):
    for name in "ab":
        save(folder / f"{name}.npy", body())
    (folder / "clips.csv").write_text("name,label,split\na,0,train\nb,2,test\n")
    description, _, _ = begun(folder)
    assert description["classes"] == ["label 0", "label 1", "label 2"]


def test_labels_that_are_large_numbers_are_names(folder):
    for name in "ab":
        save(folder / f"{name}.npy", body())
    (folder / "clips.csv").write_text("name,label,split\na,99,train\nb,99999999999,test\n")
    description, _, _ = begun(folder)
    assert description["classes"] == ["99", "99999999999"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("mine", "clips.csv: no column 'name'"),
        ("name,split\nb,train\n", "clips.csv: line 2: there is no file b.npy in own"),
        ("name,split,file\na,train,x.txt\n", "own/x.txt: no recording of a known format"),
    ],
)
def test_a_list_that_is_none_gets_one_line(folder, content, message):
    save(folder / "a.npy", body())
    (folder / "x.txt").write_text("notes")
    (folder / "clips.csv").write_text(content)
    assert message in refused("data", "new", "own")
    assert not (folder / "dataset.yaml").exists()


def test_numbered_classes_are_named_in_one_place(folder):
    for action in (2, 10):
        for person in (1, 2, 3):
            savemat(
                folder / f"a{action}_s{person}.mat",
                {"skeleton": np.moveaxis(body("ntu25", person), 0, -1)},
            )
    description, clips, _ = begun(folder)
    assert description == {
        "classes": ["action 2", "action 10"], "layout": "ntu25", "normalize": "ntu",
    }  # fmt: skip
    assert clips["label"].tolist() == ["1"] * 3 + ["0"] * 3
    text = (folder / "dataset.yaml").read_text()
    assert "# From the action's number in the names. Give them their names, in this order." in text
    (folder / "dataset.yaml").write_text(text.replace("action 10", "wave"))
    assert own.open_own(Path("nothing fetched")).classes == ("action 2", "wave")


def test_what_nothing_tells_is_to_be_filled_in(folder):
    draws = np.random.default_rng(0)
    for number in range(4):
        save(folder / f"clip{number}.npy", draws.normal(size=(5, 11, 3)))
    description, clips, said = begun(folder)
    assert description == {"dimensions": 3, "scored": False, "normalize": "center"}
    assert not clips[["label", "split"]].to_numpy().any()
    lines = [line for line in said.splitlines() if line.startswith("To fill in, in own/")]
    text = (folder / "dataset.yaml").read_text()
    assert [line.split(": ")[1] for line in lines] == [
        "classes",
        "layout",
        "center",
        "label",
        "split",
    ]
    assert text.count("# To fill in") == 5 and "no known one fits these 11 joints" in text


@pytest.mark.parametrize(
    ("moved", "normalize", "sizes"),
    [
        (lambda pixels: pixels, "image", {""}),
        (lambda pixels: pixels / (1920, 1080, 1), "image", {"1"}),
        (lambda pixels: pixels - (960, 540, 0), "center", None),
    ],
    ids=["pixels", "from 0 to 1", "centred"],
)
def test_the_range_of_coordinates_decides_the_frame_of_reference(folder, moved, normalize, sizes):
    for number in range(4):
        save(folder / f"{'ab'[number % 2] * 3}_{number}.npy", moved(body("coco17")))
    description, clips, said = begun(folder)
    assert description["layout"] == "coco17" and description["normalize"] == normalize
    found = {*clips["width"], *clips["height"]} if "width" in clips else None
    assert found == sizes
    fill_in = "own/clips.csv: width, height: the size of the images in pixels"
    assert (fill_in in said) == (sizes == {""})


def test_files_tell_class_part_and_size_themselves(folder):
    joints = body("penn_action13")
    for number in range(4):
        content = {
            "x": joints[..., 0], "y": joints[..., 1], "action": ["jump_rope", "bowl"][number % 2],
            "train": 1 if number < 2 else -1, "dimensions": [1080, 1920, 6], "pose": "left",
        }  # fmt: skip
        path = folder / f"labels/000{number}.mat"
        path.parent.mkdir(exist_ok=True)
        savemat(path, content)
    description, clips, _ = begun(folder)
    assert description == {
        "classes": ["bowl", "jump_rope"], "layout": "penn_action13", "normalize": "image",
    }  # fmt: skip
    assert clips.loc[0].to_dict() == {
        "name": "0000", "label": "jump_rope", "split": "train", "file": "labels/0000.mat",
        "width": "1920", "height": "1080",
    }  # fmt: skip
    assert clips["split"].tolist() == ["train", "train", "test", "test"]


def test_what_pose_estimators_write_is_read(folder):
    for word in ("wave", "clap"):
        for number in range(2):
            openpose(folder / word / f"{number}", [[frame] for frame in body("openpose25", number)])
    description, clips, _ = begun(folder)
    assert description["layout"] == "openpose25" and description["classes"] == ["clap", "wave"]
    assert clips["file"].tolist() == ["clap/0", "clap/1", "wave/0", "wave/1"]


def test_json_tells_its_label_and_what_is_no_recording_is_left_out(folder):
    joints = body("openpose18") / (1920, 1080, 1)
    for number in range(4):
        content = kinetics([[frame] for frame in joints]) | {"label": ["a", "b"][number // 2]}
        write_json(folder / f"{number}.json", content)
    write_json(folder / "settings.json", {"rate": 30})
    description, clips, said = begun(folder)
    assert description["classes"] == ["a", "b"] and clips["label"].tolist() == ["a", "a", "b", "b"]
    assert "Left out, as no format has them: 1, own/settings.json, ..." in said


def test_motion_capture_has_the_names_of_its_joints(folder):
    for word in ("walk", "turn"):
        for number in range(2):
            values = np.random.default_rng(number).normal(size=(5, BVH_CHANNELS))
            (folder / f"{word}{number}.bvh").write_text(bvh_text(values))
    description, _, said = begun(folder)
    assert description == {
        "classes": ["turn", "walk"],
        "joints": ["Hips", "Chest", "Left Hand", "RightHand"],
        "parents": ["Hips", "Hips", "Chest", "Chest"],
        "dimensions": 3, "scored": False, "normalize": "center", "center": 0,
    }  # fmt: skip
    assert "Hips" in said
    assert own.open_own(Path("nothing fetched")).layout.parents == (0, 0, 1, 1)


def test_markers_have_names_and_no_parents(folder):
    names = ["Anna:LHip", "Anna:RHip", "Anna:C7"]
    for number in range(4):
        markers = np.random.default_rng(number).normal(size=(5, 3, 3))
        write_c3d(folder / f"{'ab'[number % 2] * 3}{number}.c3d", markers, names)
    description, _, said = begun(folder)
    assert description["joints"] == ["LHip", "RHip", "C7"]
    assert description["left_right"] == [["LHip", "RHip"]] and "parents" not in description
    assert "own/dataset.yaml: parents: of each" in said and "dataset.yaml: center: the" in said


def test_numbers_that_files_give_are_those_of_labels(folder):
    for number in range(4):
        content = {"label": 8 + number // 2, "skeletons": body().tolist()}
        write_json(folder / f"a1{number}.json", content)
    description, clips, _ = begun(folder)
    assert description["classes"] == ["label 8", "label 9"]
    assert clips["label"].tolist() == ["0", "0", "1", "1"]


def test_class_names_of_any_kind_are_read_as_they_were_written(folder):
    names = ["no", "7", "1e5", "2024-01-01", "a: b", "挥手", "'x'", "# y", "- z", "[red]", "a, b"]
    for number, name in enumerate(2 * names):
        content = {"label": name, "skeletons": body().tolist()}
        write_json(folder / f"{number:02}.json", content)
    begun(folder)
    read = own.open_own(Path("nothing fetched"))
    assert set(read.classes) == set(names)
    assert [read.classes[read.read(item)[0].label] for item in read.items] == 2 * names


def test_other_folders_are_refused_in_one_line(folder):
    assert refused("data", "new", "gone") == "gone: no such file or folder"
    assert "own: contains no recording" in refused("data", "new", "own")
    save(folder / "a.npy", body())
    assert refused("data", "new", "own") == (
        "own: recordings in it: 1; own data need one for each clip"
    )
    save(folder / "b.npy", body("ntu25"))
    assert refused("data", "new", "own") == (
        "own/b.npy: 25 joints of 3 channels, but own/a.npy has 20 of 3; recordings must have the "
        "same joints"
    )
    (folder / "b.npy").unlink()
    write_json(folder / "a.json", body().tolist())
    assert "a.json and a.npy would both be the clip a; rename one" in refused("data", "new", "own")
    (folder / "a.json").unlink()
    np.savez(folder / "NTU60_CS.npz", x_train=np.zeros((2, 3, 150)))
    (folder / "a.npy").unlink()
    assert "NTU60_CS.npz holds many clips with their labels; only dataset.yaml must" in refused(
        "data", "new", "own"
    )
