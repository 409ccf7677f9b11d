"""Classes and splits that the names of folders and files tell."""

import zipfile
from pathlib import PurePath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.inspection.names import in_order, labels_of, pairs_in
from brl.inspection.parts import choose_groups, parts_of
from tests.reference import shared

ACTORS = [f"a{action}_s{person}_t1" for action in (1, 2, 10) for person in range(1, 5)]


@pytest.mark.parametrize(
    ("places", "classes", "first"),
    [
        ([f"{word}/{n}" for word in ("wave", "two hands") for n in "123"], 2, "wave"),
        ([f"{n}/clip{k}" for n in (0, 1, 10) for k in "12"], 3, "0"),
        ([f"train/{word}/{n}" for word in ("wave", "point") for n in "12"], 2, "wave"),
        (
            [f"subject{s}/{word}/{n}" for s in "12" for word in ("sit", "go") for n in "12"],
            2,
            "sit",
        ),
        ([f"arms/{word}/{n}" for word in ("wave", "clap") for n in "12"], 2, "wave"),
        ([f"s{s}/{word}_{n}" for s in "123" for word in ("wave", "clap") for n in "12"], 2, "wave"),
        ([f"{word}_{n:03}" for word in ("sit_down", "stand_up") for n in (1, 2)], 2, "sit down"),
        ([f"{word}_{n}" for word in ("sit_down", "wave") for n in (1, 2)], 2, "sit down"),
        ([f"p{n}-{word}-cam2" for word in ("挥手", "Größe") for n in (1, 2)], 2, "挥手"),
        ([f"2024-05-0{n}_{word}.v2" for word in ("wave", "clap") for n in (1, 2)], 2, "wave"),
        (ACTORS, 3, "action 1"),
        ([f"{name}_skeleton" for name in ACTORS], 3, "action 1"),
        ([f"S001C002P00{p}R001A0{a}" for a in (10, 43) for p in (1, 2)], 2, "action 10"),
        ([f"gesture{a}/rep{n}" for a in (1, 2) for n in (1, 2)], 2, "action 1"),
    ],
)
def test_names_tell_classes(places, classes, first):
    labels = labels_of([PurePath(place) for place in places])
    assert len(set(labels.values)) == classes and labels.values[0] == first and labels.told_by


@pytest.mark.parametrize(
    "places",
    [
        ["clip01", "clip02", "clip03", "clip04"],
        ["s1/clip1", "s1/clip2", "s2/clip1", "s2/clip2"],
        ["one", "two", "three", "four"],
        ["000/wave", "001/wave", "002/wave", "003/wave"],
    ],
)
def test_other_names_tell_none(places):
    assert labels_of([PurePath(place) for place in places]) == ([""] * 4, "", "", False)


def test_two_kinds_of_words_that_cross_are_left_to_the_user():
    for sign in "/_":
        names = [
            f"{who}{sign}{word}{sign}{n}"
            for who in ("ann", "ben")
            for word in ("wave", "clap")
            for n in "12"
        ]
        labels = labels_of([PurePath(name) for name in names])
        assert not any(labels.values)
        assert labels.doubt.endswith("could tell several: ann, ben, ... or clap, wave, ...")


def test_numbers_in_classes_count_as_numbers():
    assert in_order(["a10", "a9", "a9", "b"]) == ["a9", "a10", "b"]


@pytest.mark.parametrize("name", ["utd_mhad_skeleton", "all_sqe"])
def test_names_of_published_datasets_tell_their_classes(name):
    with zipfile.ZipFile(shared(f"data/{name}.zip")) as archive:
        files = [PurePath(file) for file in archive.namelist() if file.endswith((".mat", ".json"))]
    labels = labels_of([PurePath(file.stem) for file in files])
    assert labels.values == [f"action {int(file.name[1:].partition('_')[0])}" for file in files]


@pytest.mark.parametrize(
    ("left", "right"),
    [("LeftArm", "RightArm"), ("left_hip", "right_hip"), ("LHip", "RHip"), ("hip.L", "hip.R"),
     ("l_foot", "r_foot")],
)  # fmt: skip
def test_joints_are_paired_by_their_names(left, right):
    assert pairs_in([right, "L5", "Collar", left, "leftover"]) == [[left, right]]


# Parts


@pytest.mark.parametrize(
    ("names", "told_by"),
    [
        (
            [f"{part}_{n}" for part in ("train", "test") for n in "12"],
            "train and test in the paths",
        ),
        ([f"{part}_{n}" for part in ("train", "val") for n in "12"], "train and validation in"),
        ([f"person{p}_{n}" for p in "123" for n in "12"], "people: "),
        ([f"wave_room{p}_{n}" for p in "123" for n in "12"], "places: "),
        ([f"2024{p}01_{n}" for p in ("03", "04", "05") for n in "12"], "days: "),
    ],
)
def test_names_tell_parts(names, told_by):
    parts = parts_of(names, ["wave"] * len(names))
    assert {*parts.values} == {"train", "test"} and parts.told_by.startswith(told_by)


def test_a_validation_part_beside_a_test_part_is_in_neither():
    parts = parts_of(["train_1", "val_1", "test_1"], [""] * 3)
    assert parts.values == ["train", "", "test"]


@given(
    clips=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3)), min_size=1, max_size=60),
)
def test_people_for_testing_leave_each_class_clips_in_both_parts(clips):
    people, labels = map(np.array, zip(*clips, strict=True))
    testing = choose_groups(people, labels.tolist())
    if testing is None:
        return
    tests = np.isin(people, testing)
    assert len(testing) == max(1, round(len(set(people)) / 3))
    assert {*labels[tests]} == {*labels[~tests]} == {*labels}


@given(st.integers(2, 40), st.integers(2, 60))
def test_where_everybody_does_everything_a_third_of_the_people_is_for_testing(people, classes):
    groups, labels = map(np.ravel, np.mgrid[:people, :classes])
    testing = choose_groups(groups, labels.tolist())
    assert testing is not None and len(testing) == max(1, round(people / 3))


def test_a_person_who_alone_does_a_class_leaves_the_split_empty():
    names = [f"p{p}_{word}_{n}" for p, word in ((1, "wave"), (2, "clap"), (3, "sit")) for n in "12"]
    parts = parts_of(names, [name.split("_")[1] for name in names])
    assert not any(parts.values) and parts.doubt.startswith("no third of the people leaves each")
