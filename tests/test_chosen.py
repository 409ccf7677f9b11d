"""Some classes of a dataset alone: `subsample.classes`."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.clips.store import ClipStore
from brl.datasets.chosen import chosen_labels
from brl.datasets.prepare import prepare
from brl.support.errors import UserError
from brl.tracking.names import data_tag
from tests.command import refused
from tests.own_data import STICK, write_description, write_stick_figures
from tests.project import SMALL, Project
from tests.test_prepare import dataset
from tests.test_store import CLASSES, some_clips
from tests.tiny import PARAMS

NAMES = ("wave", "point", "1", "nod")


@given(st.lists(st.integers(0, 3), unique=True), st.lists(st.booleans(), min_size=4, max_size=4))
def test_labels_follow_the_datasets_order_by_name_and_by_number(labels, by_name):
    wanted = [NAMES[label] if by_name[label] else label for label in labels]
    assert chosen_labels(NAMES, wanted) == sorted(labels)


def test_no_choice_is_all_classes():
    assert chosen_labels(NAMES, None) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        (["wave", "walk"], "unknown class 'walk'; must be a number from 0 to 3, or one of wave, p"),
        ([0, 4], "unknown class 4; must be a number"),
        ([-1, 0], "unknown class -1; must be a number"),
        (["0", 1], "unknown class '0'; must be a number"),
        (["wave", "nod", 0], "'wave', number 0, is chosen twice"),
        (["1", 2], "'1', number 2, is chosen twice"),
    ],
)
def test_a_class_that_is_unknown_or_chosen_twice_is_named(wanted, complaint):
    with pytest.raises(UserError, match=f"subsample.classes: {complaint}") as caught:
        chosen_labels(NAMES, wanted)
    assert "\n" not in str(caught.value)


def chosen(folder, wanted: list[str | int] | None, **changes) -> tuple[ClipStore, list]:
    """The store of 24 clips of three classes, every fourth a test clip."""
    clips = some_clips([(1, 4 + n) for n in range(24)])
    facts = prepare("test", dataset(clips, **changes), folder, 2, wanted)
    return ClipStore.open(folder), facts


def test_the_store_has_the_clips_of_the_chosen_classes_in_the_order_of_all(tmp_path):
    whole, all_facts = chosen(tmp_path / "whole", None)
    some, facts = chosen(tmp_path / "some", [CLASSES[2], 0])
    assert some.classes == [CLASSES[0], CLASSES[2]]
    kept = np.flatnonzero(whole.labels != 1)
    assert some.names.tolist() == whole.names[kept].tolist()
    assert (some.labels == whole.labels[kept] // 2).all()
    assert facts == [all_facts[clip] for clip in kept]
    for index, clip in enumerate(kept):
        assert (some.joints(index) == whole.joints(clip)).all()
    for split, part in whole.parts:
        expected = [whole.names[clip] for clip in whole.part(split, part) if clip in kept]
        assert some.names[some.part(split, part)].tolist() == expected


def test_the_choice_of_all_classes_is_no_choice(tmp_path):
    whole, _ = chosen(tmp_path / "whole", None)
    assert chosen(tmp_path / "all", list(CLASSES))[0].digest == whole.digest
    assert chosen(tmp_path / "some", [0, 1])[0].digest != whole.digest


def test_splits_are_made_of_the_names_of_all_clips(tmp_path):
    """NW-UCLA's refuse a list of names in which one is missing."""

    def splits(names: list[str]):
        assert len(names) == 24
        return {"half": {"train": [*names[:12], "of nobody"], "test": names[12:]}}

    with pytest.raises(UserError, match="there is no clip 'of nobody'"):
        chosen(tmp_path, [0, 1], splits=splits)


def test_runs_on_other_classes_have_other_tags():
    def tag(classes):
        subsample = PARAMS.subsample.model_copy(update={"classes": classes})
        return data_tag(PARAMS.model_copy(update={"subsample": subsample}))

    assert ", 2 of its classes, long-tailed" in tag(["wave", 3])
    assert ", classes wave, 3, at most" in tag(["wave", 3])
    assert "classes" not in tag(None)


@pytest.fixture
def project(tmp_path, monkeypatch, warm) -> Project:
    """A project with own clips of three classes; a third of them are for the test."""
    monkeypatch.setenv("BRL_TRACKING", "off")
    project = Project(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert project.brl("preset", "custom").returncode == 0
    write_stick_figures(tmp_path / "own", 36)
    write_description(tmp_path / "own", STICK | {"classes": ["wave", "bow", "point"]})
    table = pd.read_csv(tmp_path / "own/clips.csv")
    table.loc[::4, "label"] = "bow"
    table.to_csv(tmp_path / "own/clips.csv", index=False)
    project.edit(SMALL)
    project.keep_streams("joint")
    return project


@pytest.mark.parametrize(
    ("classes", "complaint"),
    [
        (["wave", "walk"], "params.yaml: subsample.classes: unknown class 'walk'; must be a num"),
        (["wave", 0], "params.yaml: subsample.classes: 'wave', number 0, is chosen twice"),
        ([2], "params.yaml: subsample.classes: one class; must be two or more, or empty"),
        (..., "params.yaml: subsample.classes: missing; this key is new: add the line"),
    ],
)
def test_a_mistake_is_found_before_any_stage_runs(project, classes, complaint):
    project.edit({"subsample.classes": classes})
    assert refused("check").startswith(complaint)


@pytest.mark.slow
def test_network_report_and_recogniser_have_the_chosen_classes(project):
    project.edit({"subsample.classes": ["point", 0]})
    project.reproduce()
    by_class = pd.read_csv(project.folder / "reports/by_class.csv")
    assert by_class["class"].tolist() == ["wave", "point"]
    confusion = pd.read_csv(project.folder / "reports/confusion.csv")
    assert set(confusion["actual"]) | set(confusion["predicted"]) == {"wave", "point"}
    run = project.brl("predict", "own/clip00.npy", "--json")
    assert run.returncode == 0, run.stderr
    (recording,) = json.loads(run.stdout)
    assert {each["class"] for each in recording["classes"]} == {"wave", "point"}
    project.edit({"subsample.classes": None})
    assert "prepare" in project.reproduce("subsample")
    assert len(ClipStore.open(project.folder / "data/store").classes) == 3
