"""Who a clip shows, read from names, and people in both parts of a split."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.clips.clip import Clip
from brl.clips.layouts import NW_UCLA20
from brl.clips.normalize import Normalization
from brl.clips.store import ClipStore
from brl.datasets.data_report import findings
from brl.datasets.people import people_of, trained_and_tested
from brl.datasets.prepare import prepare
from brl.datasets.source import Dataset

FINDING = "default: test clips that show people of training clips, by their names"


@pytest.mark.parametrize(
    ("names", "people"),
    [
        (["S001C001P003R001A001", "S017C003P020R002A060_rgb"], [3, 20]),
        (["a1_s03_t2", "a27_s8_t4_skeleton"], [3, 8]),
        (["wave_subject7", "Subject-12 sits"], [7, 12]),
        (["person_12/jump", "person_3/jump"], [12, 3]),
        (["s01_p02", "s02_p01"], [2, 1]),
        (["actor3_take1", "actor03_take2"], [3, 3]),
        (["clip01", "clip02"], None),
        (["steps12", "grasp_7"], None),
        (["wave_s01", "wave"], None),
        (["p01_a", "s02_b"], None),
        ([f"p{10**20}_a", "p1_b"], None),
    ],
)
def test_a_person_is_the_number_after_a_word_that_all_names_have(names, people):
    found = people_of(names)
    assert (None if found is None else found.tolist()) == people


@given(st.lists(st.integers(1, 106), min_size=1), st.lists(st.integers(1, 106), min_size=1))
def test_test_clips_of_people_who_train(train, test):
    people = [*train, *test]
    names = np.array([f"S001C001P{who:03}R{n:03}A001" for n, who in enumerate(people)])
    parts = np.split(np.arange(len(people)), [len(train)])
    expected = [False] * len(train) + [who in train for who in test]
    assert trained_and_tested(names, *parts).tolist() == expected


@pytest.mark.parametrize(("dataset", "found"), [("custom", True), ("ntu60", False)])
def test_people_in_both_parts_of_own_data_are_a_finding(tmp_path, dataset, found):
    """Published splits may share people on purpose, as those by camera do."""
    draws = np.random.default_rng(0)
    names = ["s1_wave", "s2_wave", "s2_point", "s3_point"]
    content = Dataset(
        layout=NW_UCLA20,
        classes=("wave", "point"),
        items=[Clip(n, k // 2, draws.normal(size=(1, 4, 20, 3))) for k, n in enumerate(names)],
        read=lambda clip: [clip],
        splits=lambda _: {"default": {"train": names[:2], "test": names[2:]}},
        normalization=Normalization("none"),
    )
    facts = prepare(dataset, content, tmp_path / "store", 2)
    table = findings(ClipStore.open(tmp_path / "store"), facts, 2)
    assert (FINDING in table["finding"].tolist()) == found
    if found:
        (row,) = table[table["finding"] == FINDING].to_dict("records")
        assert (row["count"], row["example"]) == (1, "s2_point")
