"""Long-tailed subsets: published counts, and the draw of clips. Method: section 1."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.clips.clip import Clip
from brl.datasets.ntu.names import ntu_splits
from brl.subset import subsample
from brl.subset.subsample import check_subset, choose_clips, listed_clips, profile_counts
from brl.subset.subset import read_counts, read_subset, read_summary, write_subset
from brl.support.errors import UserError
from tests.test_store import some_clips, stored


@pytest.mark.parametrize(
    ("classes", "largest", "factor", "total"),
    [(60, 600, 100, 7892), (120, 600, 100, 15600), (120, 400, 100, 10378), (10, 100, 10, 403)],
)
def test_published_numbers_of_clips(classes, largest, factor, total):
    counts = profile_counts("exp", np.full(classes, 1000), largest, factor)
    assert counts.sum() == total
    assert counts[0] == largest and counts[-1] == largest // factor


def test_published_profile_of_nw_ucla():
    available = np.array([102, 102, 96, 124, 101, 102, 99, 99, 98, 97])
    counts = profile_counts("exp", available, 100, 10)
    assert counts.tolist() == [100, 77, 59, 46, 35, 27, 21, 16, 12, 10]


def test_other_profiles():
    available = np.array([90, 200, 30, 5, 80])
    assert profile_counts("step", available, 100, 10).tolist() == [90, 100, 10, 5, 10]
    assert profile_counts("step", np.full(4, 99), 33, 1.1).tolist() == [33, 33, 30, 30]
    assert profile_counts("natural", available, None, 10).tolist() == available.tolist()
    assert profile_counts("natural", available, 50, 10).tolist() == [50, 50, 30, 5, 50]
    assert profile_counts("exp", np.array([7]), None, 10).tolist() == [7]


@given(
    st.sampled_from(["exp", "step"]),
    st.lists(st.integers(1, 500), min_size=2, max_size=30),
    st.floats(1, 300),
)
def test_a_class_never_keeps_more_than_it_has_nor_than_the_class_before(profile, available, factor):
    counts = profile_counts(profile, np.array(available), 200, factor)
    assert (counts <= available).all()
    unlimited = profile_counts(profile, np.full(len(available), 10**6), 200, factor)
    assert (np.diff(unlimited) <= 0).all() and unlimited[0] == 200


@pytest.fixture
def store(tmp_path):
    return stored(tmp_path / "store", some_clips([(1, 2)] * 60))


def test_clips_are_drawn_by_the_legacy_generator_class_by_class(store):
    """The published lists' way: shuffle a class's names in place, keep the first."""
    candidates = store.part("half", "train")
    subset = choose_clips(store, candidates, np.array([6, 3, 1]), seed=0)
    generator, expected = np.random.RandomState(0), []
    for label, count in enumerate((6, 3, 1)):
        names = [str(store.names[i]) for i in candidates if store.labels[i] == label]
        generator.shuffle(names)
        expected += names[:count]
    assert store.names[subset.clips].tolist() == expected
    assert subset.clips.tolist() != choose_clips(store, candidates, subset.counts, 1).clips.tolist()


def test_a_written_subset_reads_back(store, tmp_path):
    candidates = store.part("half", "train")
    subset = choose_clips(store, candidates, np.array([6, 3, 1]), seed=0)
    available = np.bincount(store.labels[candidates])
    write_subset(tmp_path / "subset", store, subset, available)
    again = read_subset(tmp_path / "subset", store)
    assert (again.clips == subset.clips).all() and (again.counts == subset.counts).all()
    assert read_counts(tmp_path / "subset")["available"].tolist() == available.tolist()
    other = choose_clips(store, candidates, np.array([6, 3, 1]), seed=1)
    write_subset(tmp_path / "other", store, other, available)
    digest, summary = read_summary(tmp_path / "subset")
    assert read_summary(tmp_path / "other") != (digest, summary)
    assert summary == {
        "clips": 10, "largest_class": 6, "smallest_class": 1, "imbalance_factor": 6.0,
    }  # fmt: skip


def test_a_list_file_is_taken_as_it_is(store, tmp_path, monkeypatch):
    monkeypatch.setattr(subsample, "LISTS", tmp_path)
    candidates = store.part("half", "train")
    (tmp_path / "list.txt").write_text("clip004\nclip000\n\nclip001\n")
    subset = listed_clips(store, candidates, "list.txt")
    assert store.names[subset.clips].tolist() == ["clip004", "clip000", "clip001"]
    assert subset.counts.tolist() == [1, 2, 0]
    with pytest.raises(UserError, match="class 'c' keeps no training clip"):
        check_subset(store, subset)
    for content, message in {
        "clip000\nclip002\n": "clip002 is no training clip of this split",
        "clip000\nclip000\n": "named twice",
    }.items():
        (tmp_path / "list.txt").write_text(content)
        with pytest.raises(UserError, match=message):
            listed_clips(store, candidates, "list.txt")
    with pytest.raises(UserError, match=r"missing\.txt: cannot be read"):
        listed_clips(store, candidates, "missing.txt")


@pytest.mark.parametrize("split", ["xsub", "xset"])
def test_ntu_subsets_are_drawn_in_the_fields_order(tmp_path, split):
    """Method, section 1: xset: names sorted; xsub: by training subject, names sorted within one.

    The store holds the clips in another order; the draw must not depend on it.
    """
    draws = np.random.default_rng(0)
    names = [
        f"S{setup:03d}C{camera:03d}P{subject:03d}R001A{action:03d}"
        for setup in (1, 2, 3, 4)
        for camera in (1, 2, 3)
        for subject in (1, 2, 3, 4, 103)
        for action in (1, 2, 3)
    ]
    draws.shuffle(names)
    joints = np.ones((1, 1, 20, 3), dtype=np.float32)
    clips = [Clip(name, int(name[-3:]) - 1, joints) for name in names]
    store = stored(tmp_path / "s", clips, partial(ntu_splits, second="xset"))
    subset = choose_clips(store, store.part(split, "train"), np.array([9, 5, 2]), seed=0)

    if split == "xset":
        ordered = sorted(name for name in names if int(name[1:4]) % 2 == 0)
    else:
        ordered = [
            name
            for subject in ("P001", "P002", "P004", "P103")
            for name in sorted(names)
            if subject in name
        ]
    generator, expected = np.random.RandomState(0), []
    for label, count in enumerate((9, 5, 2)):
        of_class = [name for name in ordered if name.endswith(f"A{label + 1:03d}")]
        generator.shuffle(of_class)
        expected += of_class[:count]
    assert store.names[subset.clips].tolist() == expected


# Who was recorded in the even setups up to 16, and which of their recordings of action 1 are known
# to be unusable: with them the dataset has 440 training clips of action 1 in xset.
PERFORMERS = {
    2: (3, 7, 8, 9, 10, 11, 12, 13, 14),
    4: (3, 7, 8, 20),
    6: (1, 7, 8, 15, 16, 17, 19, 22, 23, 24),
    8: (1, 7, 8, 15, 19, 25, 29, 30, 31, 32, 33, 34, 35, 36),
    10: (7, 8, 13, 15, 16, 17, 18, 19, 21, 25),
    12: (7, 8, 15, 16, 17, 18, 19, 25, 27, 28, 37),
    14: (7, 8, 15, 17, 19, 25, 27, 37, 39),
    16: (7, 8, 19, 21, 25, 39, 40),
}
UNUSABLE = ("S008C003P031R001", "S008C003P033R002", "S008C003P034R002", "S010C002P019R001")
# The first of 400 in the published list NTU120_xset_exp_100.
PUBLISHED = [
    "S008C003P030R001", "S014C001P015R002", "S010C002P017R001", "S012C002P028R002",
    "S004C001P003R001", "S002C001P012R001", "S008C001P033R002", "S012C001P016R001",
    "S010C003P021R001", "S012C002P028R001", "S002C001P011R001", "S008C003P025R002",
    "S014C003P017R001", "S012C001P015R002", "S010C003P008R002", "S016C003P040R002",
    "S002C003P003R002", "S006C001P024R001", "S016C001P008R002", "S008C001P008R001",
    "S012C003P008R002", "S008C002P008R002", "S008C003P008R001", "S008C003P029R001",
    "S002C002P007R002", "S014C003P037R002", "S010C002P015R001", "S012C003P018R001",
    "S014C001P027R002", "S010C003P007R002",
]  # fmt: skip


def test_the_published_list_of_ntu_120_comes_out(tmp_path):
    """Its first class, 400 of 440 clips, in the published order, out of an unordered store."""
    recordings = [
        f"S{setup:03d}C{camera:03d}P{performer:03d}R{replication:03d}"
        for setup, performers in PERFORMERS.items()
        for camera in (1, 2, 3)
        for performer in performers
        for replication in (1, 2)
    ]
    names = [f"{name}A001" for name in recordings if name not in UNUSABLE]
    assert len(names) == 440
    np.random.default_rng(0).shuffle(names)
    joints = np.ones((1, 1, 20, 3), dtype=np.float32)
    clips = [Clip(name, 0, joints) for name in (*names, "S001C001P001R001A001")]
    store = stored(tmp_path / "s", clips, partial(ntu_splits, second="xset"))
    (count, *_) = profile_counts("exp", np.full(120, 440), 400, 100)
    subset = choose_clips(store, store.part("xset", "train"), np.array([count, 0, 0]), seed=0)
    chosen = [str(name) for name in store.names[subset.clips]]
    assert len(chosen) == 400
    assert chosen[: len(PUBLISHED)] == [f"{name}A001" for name in PUBLISHED]
