"""The user's own data: a folder of arrays or a pickle becomes a store with the same joints."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from brl.clips.layouts import COCO17, LAYOUTS
from brl.clips.store import ClipStore
from brl.commands import pipeline
from brl.config.params import read_params
from brl.datasets import nw_ucla
from brl.datasets.facts import Facts
from brl.datasets.own import source as own
from brl.datasets.own.description import read_description
from brl.datasets.prepare import prepare
from brl.report.words import data_in_words
from brl.support.errors import UserError
from brl.support.paths import DATASET_NAME, OWN_LIST, RAW
from brl.tracking.names import data_tag
from stages import own as list_own
from tests.own_data import (
    STICK,
    in_split_order,
    write_as_own,
    write_description,
    write_stick_figures,
)
from tests.project import HERE, SMALL, Project
from tests.reference import SHARED, shared


@pytest.fixture
def folder(tmp_path):
    write_stick_figures(tmp_path / "own")
    return tmp_path / "own"


def stored(folder, max_bodies: int = 2) -> ClipStore:
    return stored_with_facts(folder, max_bodies)[0]


def stored_with_facts(folder, max_bodies: int = 2) -> tuple[ClipStore, list[Facts]]:
    raw, store = folder.parent / "raw", folder.parent / "store"
    own.SOURCE.fetch(raw, str(folder))
    facts = prepare("custom", own.SOURCE.open(raw), store, max_bodies)
    return ClipStore.open(store), facts


def test_a_folder_of_arrays_becomes_a_store(folder):
    store = stored(folder)
    assert store.classes == ["wave", "point"]
    assert store.layout.parents == (0, 0, 1, 1, 1)
    assert store.layout.mirror_pairs == ((3, 4),)
    assert store.layout.upper_body == (1, 2, 3, 4)
    names = read_description(folder / "dataset.yaml").skeleton().names
    assert names == tuple(STICK["joints"])
    assert store.part("default", "test").tolist() == [2, 5, 8, 11]
    assert store.labels.tolist() == [0, 0, 0, 1, 1, 1] * 2
    recorded = np.load(folder / "clip01.npy")
    first = store.starts[1]
    np.testing.assert_allclose(store.rows[first : first + 5], recorded - recorded[0, 0], atol=1e-6)


def test_parts_of_the_body_may_be_described_by_names_or_numbers(folder):
    without = stored(folder)
    write_description(folder, STICK | {"parts": {"arms": ["neck", "left hand", 4]}})
    store = stored(folder)
    assert store.layout.parts == {"arms": (1, 3, 4)}
    assert store.layout.part("arms").parents == (0, 0, 0)
    assert without.layout.parts == {}
    assert store.digest != without.digest


def test_labels_may_be_numbers_and_arrays_may_have_bodies(folder):
    table = pd.read_csv(folder / "clips.csv")
    table["label"] = table["label"].map({"wave": 0, "point": 1})
    table.to_csv(folder / "clips.csv", index=False)
    np.save(folder / "clip00.npy", np.arange(1, 91, dtype=np.float16).reshape(2, 3, 5, 3))
    store = stored(folder)
    assert store.labels.tolist() == [0, 0, 0, 1, 1, 1] * 2
    assert store.bodies[0] == 2


def test_several_splits_are_columns(folder):
    table = pd.read_csv(folder / "clips.csv")
    table["split_night"] = ["test", "train", ""] * 4
    table.to_csv(folder / "clips.csv", index=False)
    store = stored(folder)
    assert store.meta["splits"] == ["default", "night"]
    assert store.part("night", "test").tolist() == [0, 3, 6, 9]
    assert store.part("night", "train").tolist() == [1, 4, 7, 10]


def test_a_known_layout_in_pixels(folder):
    """2D joints are moved into the image's frame, the middle 0, the edges -1 and 1; scores stay."""
    write_description(
        folder, {"classes": STICK["classes"], "layout": "coco17", "normalize": "image"}
    )
    table = pd.read_csv(folder / "clips.csv").assign(width=640, height=480)
    table.to_csv(folder / "clips.csv", index=False)
    joints = np.tile(np.array([640.0, 240.0, 0.7]), (4, 17, 1))
    for name in table["name"]:
        np.save(folder / f"{name}.npy", joints)
    store = stored(folder)
    assert store.layout == COCO17
    np.testing.assert_allclose(store.rows[0, 0], [1, 0, 0.7], rtol=1e-6)


def test_a_joint_without_coordinates_is_missing_whatever_its_score(folder):
    """In the store and in the data report, as if its score were zero too."""
    write_description(folder, {**STICK, "dimensions": 2, "scored": True})
    joints = np.random.default_rng(0).uniform(1, 9, (6, 5, 3))
    joints[2:, 3] = joints[5] = 0
    np.save(folder / "clip00.npy", joints)
    expected, facts = stored_with_facts(folder)
    joints[(joints == 0).all(axis=-1)] = [0, 0, 0.2]
    np.save(folder / "clip00.npy", joints)
    store, ours = stored_with_facts(folder)
    assert store.digest == expected.digest
    assert ours[0].missing_joints == facts[0].missing_joints == 3
    assert ours[0].empty_frames == facts[0].empty_frames == 1


def test_a_known_layout_has_short_names_and_other_channels_if_they_are_given(folder):
    known = {"classes": STICK["classes"], "normalize": "none"}
    for short, name in (("penn13", "penn_action13"), ("utd20", "utd_mhad20")):
        write_description(folder, known | {"layout": short})
        assert read_description(folder / "dataset.yaml").skeleton() == LAYOUTS[name]
    write_description(folder, known | {"layout": "hand21", "dimensions": 2, "scored": True})
    layout = read_description(folder / "dataset.yaml").skeleton()
    assert (layout.channels, layout.parents) == (3, LAYOUTS["hand21"].parents)
    write_description(folder, known | {"layout": "ntu25", "normalize": "ntu", "dimensions": 2})
    with pytest.raises(UserError, match="`ntu` is for the layout ntu25 in 3D"):
        read_description(folder / "dataset.yaml")


def test_centring_leaves_scores_alone(folder):
    described = {**STICK, "dimensions": 2, "scored": True}
    write_description(folder, described)
    store = stored(folder)
    recorded = np.load(folder / "clip00.npy")
    np.testing.assert_array_equal(store.rows[:4, :, 2], recorded[..., 2])
    assert (store.rows[0, 0, :2] == 0).all()


def test_an_annotation_pickle_may_replace_the_arrays(folder):
    table = pd.read_csv(folder / "clips.csv")
    names = {part: table["name"][table["split"] == part].tolist() for part in ("train", "test")}
    annotations = [
        {
            "frame_dir": name,
            "label": STICK["classes"].index(label),
            "total_frames": len(np.load(folder / f"{name}.npy")),
            "keypoint": np.load(folder / f"{name}.npy")[None],
        }
        for name, label in zip(table["name"], table["label"], strict=True)
    ]
    expected = stored(folder)
    (folder / "clips.csv").unlink()
    (folder / "mine.pkl").write_bytes(pickle.dumps({"split": names, "annotations": annotations}))
    ours = stored(folder)
    assert np.array_equal(ours.rows, expected.rows)
    assert ours.part("default", "test").tolist() == expected.part("default", "test").tolist()


def test_a_list_written_by_a_spreadsheet_is_read(folder):
    """With a byte order mark, Windows line ends, empty lines, and spaces around values."""
    expected = stored(folder)
    lines = (folder / "clips.csv").read_text().splitlines()
    padded = [
        lines[0].replace(",", " , "),
        "",
        *[line.replace(",", ", ") + " " for line in lines[1:]],
    ]
    (folder / "clips.csv").write_bytes(("\ufeff" + "\r\n".join([*padded, ",,"])).encode())
    assert stored(folder).digest == expected.digest


def test_sizes_may_be_decimal_and_2d_joints_may_lack_a_score(folder):
    described = {**STICK, "dimensions": 2, "normalize": "image", "center": ...}
    write_description(folder, {key: value for key, value in described.items() if value is not ...})
    table = pd.read_csv(folder / "clips.csv").assign(width="640.0", height="480")
    table.to_csv(folder / "clips.csv", index=False)
    for name in table["name"]:
        np.save(folder / f"{name}.npy", np.tile(np.array([640.0, 0.0]), (4, 5, 1)))
    np.testing.assert_allclose(stored(folder).rows[0, 0], [1, -1])


def test_a_label_is_a_name_where_classes_are_named_by_numbers(folder):
    write_description(folder, STICK | {"classes": ["2", "1"]})
    table = pd.read_csv(folder / "clips.csv")
    table["label"] = table["label"].map({"wave": 1, "point": 2})
    table.to_csv(folder / "clips.csv", index=False)
    assert stored(folder).labels.tolist() == [1, 1, 1, 0, 0, 0] * 2
    table["label"] = 0
    table.to_csv(folder / "clips.csv", index=False)
    with pytest.raises(UserError, match=r"line 2: label '0'; must be a class of dataset\.yaml$"):
        stored(folder)


def test_the_projects_own_folder_is_read_in_place(folder, monkeypatch):
    expected = stored(folder)
    monkeypatch.chdir(folder.parent)
    own.SOURCE.fetch(folder.parent / "note", None)
    prepare("custom", own.SOURCE.open(folder.parent / "note"), folder.parent / "again", 2)
    assert ClipStore.open(folder.parent / "again").digest == expected.digest


def test_mistakes_are_found_before_any_stage(folder):
    own.check(str(folder))
    np.save(folder / "clip03.npy", np.zeros((4, 6, 3)))
    with pytest.raises(UserError, match=r"clip clip03: clip03\.npy: an array of shape .4, 6, 3"):
        own.check(str(folder))


DESCRIPTIONS = {
    "no classes": ({"classes": ...}, "classes: missing"),
    "one class": ({"classes": ["a"]}, "classes: needs 2 or more, has 1"),
    "a class twice": ({"classes": ["a", "a"]}, "classes: a name occurs twice"),
    "a word that YAML takes for another": (
        {"classes": [True, "a"]},
        "classes.0: YAML reads this as",
    ),
    "a joint twice": ({"joints": ["hip"] * 5}, "joints: a name occurs twice"),
    "unknown key": ({"parent": [0]}, "parent: unknown key; known here: classes, layout"),
    "unknown layout": ({"layout": "kinect"}, "layout and .*: give a known layout or describe"),
    "no parents": ({"parents": ...}, "needs a layout .*, or parents of your own"),
    "a parent too few": (
        {"parents": ["hip"] * 4},
        "parents: 4 for 5 joints; must be one per joint",
    ),
    "unknown parent": ({"parents": ["hip"] * 4 + ["knee"]}, "parents: no joint 'knee'; known: hip"),
    "no centre": ({"parents": [1, 0, 1, 1, 1]}, "parents: 0 joints are their own parent"),
    "unknown pair": ({"left_right": [[3, 9]]}, "left_right: no joint 9; there are 0 to 4"),
    "a pair of three": ({"left_right": [[1, 2, 3]]}, "left_right.0: must be 2 at most, is 3"),
    "halves overlap": ({"lower_body": ["hip", "neck"]}, "each joint must be in one of them, once"),
    "unknown joint of a part": (
        {"parts": {"arm": ["elbow"]}},
        "parts: arm: no joint 'elbow'; known",
    ),
    "a joint of a part too high": (
        {"parts": {"arm": [1, 5]}},
        "parts: arm: no joint 5; there are 0",
    ),
    "a part has a joint twice": (
        {"parts": {"arm": ["left hand", 3]}},
        "parts: arm: must be one joint or more, each of them once",
    ),
    "an empty part": ({"parts": {"arm": []}}, "parts: arm: must be one joint or more"),
    "a part that there is": (
        {"parts": {"body": [1]}},
        "parts: body: has all joints already; choose",
    ),
    "a part of a number": ({"parts": {2: ["neck"]}}, "parts.2: YAML reads this as 2; put it in"),
    "a part that is no list": ({"parts": {"arm": "neck"}}, "parts.arm: must be a valid list, not"),
    "four dimensions": ({"dimensions": 4}, "dimensions: must be 2 or 3, not 4"),
    "no normalisation": ({"normalize": ...}, "normalize: missing"),
    "unknown normalisation": ({"normalize": "x"}, "normalize: must be 'none', 'center'"),
    "centre missing": (
        {"center": ...},
        "center: missing; `normalize: center` needs the joint that becomes the origin: the middle",
    ),
    "a centre of no use": (
        {"normalize": "none"},
        "center: is for `normalize: center`, not for none",
    ),
    "a name of two lines": ({"name": "my\nclips"}, "name: .*: must be one line of printable text"),
    "an empty name": ({"name": " "}, "name: ' ': must be one line of printable text"),
    "unknown centre": ({"center": 5}, "center: no joint 5; there are 5"),
    "not 25 joints": ({"normalize": "ntu", "center": ...}, "`ntu` is for the layout ntu25"),
    "3D in pixels": ({"normalize": "image", "center": ...}, "`image` is for 2D joints"),
}


@pytest.mark.parametrize("case", DESCRIPTIONS)
def test_a_mistake_in_the_description_gets_one_line(tmp_path, case):
    change, complaint = DESCRIPTIONS[case]
    description = {key: value for key, value in (STICK | change).items() if value is not ...}
    write_description(tmp_path, description)
    with pytest.raises(UserError, match=complaint) as caught:
        read_description(tmp_path / "dataset.yaml")
    message = str(caught.value)
    assert message.startswith("dataset.yaml: ") and "\n" not in message


def test_a_body_without_halves_has_no_upper_one(tmp_path):
    """Such as a hand: only partial mixing, which is refused then, needs them."""
    halves = ("upper_body", "lower_body")
    write_description(tmp_path, {key: value for key, value in STICK.items() if key not in halves})
    assert read_description(tmp_path / "dataset.yaml").skeleton().upper_body == ()


def test_a_known_layout_has_its_own_parts(tmp_path):
    description = {"classes": ["a", "b"], "layout": "coco17", "normalize": "none"}
    write_description(tmp_path, description | {"parts": {"arm": [5, 7, 9]}})
    with pytest.raises(UserError, match="layout and parts: give a known layout or describe your"):
        read_description(tmp_path / "dataset.yaml")


def test_an_unknown_layout_lists_the_known_ones(tmp_path):
    write_description(tmp_path, {"classes": ["a", "b"], "layout": "kinect", "normalize": "none"})
    with pytest.raises(UserError, match="layout: unknown 'kinect'; known: ntu25, nw_ucla20"):
        read_description(tmp_path / "dataset.yaml")


def test_real_clips_as_own_data_give_the_same_store(tmp_path):
    """As arrays with a layout of their own: byte for byte the store of the source `nw_ucla`."""
    nw_ucla.SOURCE.fetch(tmp_path / "raw", str(shared("data")))
    dataset = in_split_order(nw_ucla.SOURCE.open(tmp_path / "raw"))
    prepare("nw_ucla", dataset, tmp_path / "expected", 1)
    expected = ClipStore.open(tmp_path / "expected")
    write_as_own(tmp_path / "own", dataset)
    shutil.rmtree(tmp_path / "raw")
    ours = stored(tmp_path / "own", max_bodies=1)
    assert np.array_equal(ours.rows, expected.rows)
    for part in ("train", "test"):
        assert np.array_equal(ours.part("default", part), expected.part("cross_view", part))
    assert ours.digest == expected.digest


@pytest.mark.slow
def test_real_clips_as_own_data_give_the_same_results(tmp_path, monkeypatch, warm):
    """The last example of docs/own_data.md: the whole pipeline twice, with the same seed."""
    shared("data/all_sqe.zip")
    monkeypatch.setenv("BRL_TRACKING", "off")
    results = {}
    for name in ("nw_ucla", "custom"):
        project = Project(tmp_path / name)
        monkeypatch.setenv("DVC_ROOT", str(project.folder))
        assert project.brl("preset", "nw_ucla").returncode == 0
        small = {key: value for key, value in SMALL.items() if not key.startswith("subsample")}
        project.edit(small | {"dataset.mirror": str(SHARED / "data")})
        project.keep_streams("joint", "skip_motion")
        if name == "custom":
            raw = tmp_path / "nw_ucla/data/raw"
            shutil.rmtree(project.folder / "own")
            dataset = in_split_order(nw_ucla.SOURCE.open(raw))
            write_as_own(project.folder / "own", dataset)
            project.edit({"dataset.name": name, "dataset.split": "default", "dataset.mirror": None})
        assert "evaluate" in project.reproduce()
        reports = project.folder / "reports"
        results[name] = [
            (reports / file).read_text() for file in ("results.csv", "by_class.csv", "metrics.json")
        ]
    assert results["custom"] == results["nw_ucla"]
    # The pipeline notices changes in the folder.
    table = pd.read_csv(project.folder / "own/clips.csv")
    table.iloc[:-1].to_csv(project.folder / "own/clips.csv", index=False)
    assert project.reproduce("subsample") == {"own", "prepare", "subsample"}
    assert project.affected() >= {"train@joint", "predict@joint", "evaluate"}


def listed(folder: Path, monkeypatch, **dataset) -> tuple[bytes, str]:
    """What the stage `own` writes in a folder: its list, and the name."""
    monkeypatch.chdir(folder)
    content = yaml.safe_load((HERE / "params.yaml").read_text(encoding="utf-8"))
    content["dataset"] |= {"name": "custom", "mirror": None} | dataset
    Path("params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    list_own.main()
    return OWN_LIST.read_bytes(), DATASET_NAME.read_text(encoding="utf-8")


def test_a_name_changes_the_report_alone(folder, monkeypatch):
    """The list, on which `prepare` depends, stays; a change of any other key does not."""
    root = folder.parent
    before, unnamed = listed(root, monkeypatch)
    write_description(folder, STICK | {"name": "厨房 kitchen"})
    named, name = listed(root, monkeypatch)
    assert (unnamed, name) == ("\n", "厨房 kitchen\n") and named == before
    write_description(folder, STICK | {"center": "neck"})
    assert listed(root, monkeypatch)[0] != before
    readers = {
        stage
        for stage, content in yaml.safe_load((HERE / "dvc.yaml").read_text())["stages"].items()
        if str(DATASET_NAME) in content.get("do", content).get("deps", [])
    }
    assert readers == {"evaluate"}


def test_the_title_is_the_name_of_the_data(folder, monkeypatch):
    write_description(folder, STICK | {"name": "Kitchen"})
    listed(folder.parent, monkeypatch)
    params = read_params(Path("params.yaml"))
    assert data_in_words(params).startswith("Kitchen (") and data_tag(params).startswith("Kitchen")
    other = params.dataset.model_copy(update={"name": "nw_ucla"})
    assert data_in_words(params.model_copy(update={"dataset": other})).startswith("nw_ucla (")
    write_description(folder, STICK)
    listed(folder.parent, monkeypatch)
    assert data_in_words(params).startswith("custom (")


def test_the_name_in_a_mirror_is_that_of_its_copy(folder, monkeypatch):
    write_description(folder, STICK | {"name": "Kitchen"})
    own.SOURCE.fetch(folder.parent / "data/raw", str(folder))
    shutil.rmtree(folder)
    assert listed(folder.parent, monkeypatch, mirror="elsewhere") == (b"{}", "Kitchen\n")


@pytest.mark.parametrize(("name", "changes"), [("custom", True), ("nw_ucla", False)])
def test_a_file_in_own_prepares_no_other_dataset_again(tmp_path, monkeypatch, name, changes):
    """`prepare` depends on the list that the stage `own` writes, not on the folder."""
    monkeypatch.chdir(tmp_path)
    params = yaml.safe_load((HERE / "params.yaml").read_text(encoding="utf-8"))
    params["dataset"] |= {"name": name, "mirror": None}
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    write_stick_figures(Path("own"), clips=3)
    list_own.main()
    before = OWN_LIST.read_bytes()
    Path("own/note.txt").write_text("mine")
    list_own.main()
    assert (OWN_LIST.read_bytes() != before) == changes
    stages = yaml.safe_load((HERE / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert str(OWN_LIST) in stages["prepare"]["deps"] and "own" not in stages["prepare"]["deps"]


@pytest.mark.parametrize(
    ("changed", "read"), [(["download", "prepare"], "elsewhere"), (["train@joint"], str(RAW))]
)
def test_a_pulled_copy_stands_for_a_mirror_that_is_not_here(tmp_path, monkeypatch, changed, read):
    """As long as nothing is to be fetched from there."""
    params = read_params(HERE / "params.yaml")
    own_data = params.dataset.model_copy(update={"name": "custom", "mirror": "elsewhere"})
    params = params.model_copy(update={"dataset": own_data})
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(pipeline, "changed_stages", lambda: changed)
    assert pipeline._with_data_at_hand(params).dataset.mirror == read
    (tmp_path / "elsewhere").mkdir()
    assert pipeline._with_data_at_hand(params) == params
