"""NTU RGB+D: action names and official splits, in the order that long-tailed subsets need."""

import random

import numpy as np
import pytest

from brl.datasets.ntu import names as ntu
from brl.datasets.ntu.names import label_of, ntu_splits
from brl.support.errors import UserError


def some_names(setups: int, performers: int, actions: int, seed: int) -> list[str]:
    """400 names in random order."""
    rng = random.Random(seed)
    numbers = {
        (rng.randint(1, setups), rng.randint(1, 3), rng.randint(1, performers), rng.randint(1, 2),
         rng.randint(1, actions))
        for _ in range(400)
    }  # fmt: skip
    names = ["S{:03}C{:03}P{:03}R{:03}A{:03}".format(*number) for number in sorted(numbers)]
    rng.shuffle(names)
    return names


def test_classes_are_in_the_order_of_the_action_numbers():
    known = {1: "drink water", 43: "falling down", 55: "hugging", 58: "shaking hands",
             60: "walking apart", 61: "put on headphone", 95: "capitulate", 112: "high-five",
             120: "rock-paper-scissors"}  # fmt: skip
    for action, name in known.items():
        assert ntu.CLASSES_120[label_of(f"S001C001P001R001A{action:03}")] == name
    assert len(set(ntu.CLASSES_120)) == 120
    assert len(ntu.CLASSES_60) == 60 and ntu.CLASSES_60[-1] == "walking apart"
    assert all(name == name.lower().strip() for name in ntu.CLASSES_120)


def test_published_numbers_of_training_subjects():
    assert len(ntu.TRAINING_SUBJECTS) == 53
    assert sum(subject <= 40 for subject in ntu.TRAINING_SUBJECTS) == 20
    assert max(ntu.TRAINING_SUBJECTS) <= 106


@pytest.mark.parametrize("seed", range(3))
def test_xsub_is_sorted_by_subject_then_by_name(seed):
    names = some_names(32, 106, 120, seed)
    expected = {True: [], False: []}
    for subject in range(1, 107):
        of_subject = sorted(name for name in names if name[8:12] == f"P{subject:03}")
        expected[subject in ntu.TRAINING_SUBJECTS] += of_subject
    xsub = ntu_splits(names, "xset")["xsub"]
    assert xsub == {"train": expected[True], "test": expected[False]}
    assert xsub["train"] != sorted(xsub["train"])


def test_xview_tests_on_camera_1_and_xset_on_odd_setups_by_name():
    names = some_names(17, 40, 60, 0)
    assert ntu_splits(names, "xview")["xview"] == {
        "train": sorted(name for name in names if "C002" in name or "C003" in name),
        "test": sorted(name for name in names if "C001" in name),
    }
    assert ntu_splits(names, "xset")["xset"] == {
        "train": sorted(name for name in names if name[3] in "02468"),
        "test": sorted(name for name in names if name[3] in "13579"),
    }


@pytest.mark.parametrize("second", ["xview", "xset"])
def test_every_clip_is_in_one_part_of_each_of_the_two_splits(second):
    names = some_names(17, 40, 60, 1)
    splits = ntu_splits(names, second)
    assert list(splits) == ["xsub", second]
    for parts in splits.values():
        assert sorted(parts["train"] + parts["test"]) == sorted(names)


def test_the_published_draw_does_not_depend_on_the_order_of_the_files():
    """For each class, the names in split order are shuffled and the first ones kept."""

    def drawn(ordered: list[str]) -> list[str]:
        generator, kept = np.random.RandomState(0), []
        for label in range(4):
            of_class = [name for name in ordered if label_of(name) == label]
            generator.shuffle(of_class)
            kept += of_class[: 20 - 5 * label]
        return kept

    names = some_names(32, 106, 4, 2)
    by_hand = [
        name
        for subject in sorted(ntu.TRAINING_SUBJECTS)
        for name in sorted(names)
        if int(name[9:12]) == subject
    ]
    expected = drawn(by_hand)
    assert drawn(ntu_splits(names, "xset")["xsub"]["train"]) == expected
    assert drawn(ntu_splits(names[::-1], "xset")["xsub"]["train"]) == expected
    assert drawn(sorted(by_hand)) != expected


@pytest.mark.parametrize(
    "name", ["", "S001C002P003R002A01", "s001c002p003r002a013", "S001C002P003R002A013.skeleton",
             "S001C002P003R002A0133", "S00١C002P003R002A013"]
)  # fmt: skip
def test_an_invalid_name_is_refused(name):
    with pytest.raises(UserError, match=r"not the name .*; must be like S001C002P003R002A013"):
        label_of(name)
