"""Long-tailed subsets: published counts, the draw of clips, and damaged files."""

from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.clips.clip import Clip
from brl.config import lists
from brl.config.check import check
from brl.datasets.ntu.names import ntu_splits
from brl.datasets.ntu.raw import NTU120_RAW
from brl.subset.subsample import check_subset, choose_clips, listed_clips, profile_counts
from brl.subset.subset import Subset, read_counts, read_subset, read_summary, write_subset
from brl.support.errors import UserError
from tests.test_store import some_clips, stored
from tests.tiny import PARAMS


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
    """As for the published lists: shuffle the names of a class in place and keep the first."""
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


DAMAGED_SUBSETS = {
    "an unknown clip in the middle": (
        "train.csv", lambda text: text.replace("clip000", "clip000a"),
        r"train\.csv: 'clip000a' is not a clip of .*store .1 of 10 names are not.; dvc repro",
    ),
    "an unknown clip beyond the last": (
        "train.csv", lambda text: text.replace("clip000", "z").replace("clip001", "zz"),
        r"train\.csv: 'z' is not a clip of",
    ),
    "a clip too few": (
        "train.csv", lambda text: text[: text.rstrip().rindex("\n") + 1],
        r"counts\.csv: 1 training clips of the class 'c'; must be 0, as in train\.csv",
    ),
    "no clips": (
        "train.csv", lambda _: "name,label\n",
        "counts.csv: 6 training clips of the class 'a'; must be 0",
    ),
    "no column of names": (
        "train.csv", lambda text: text.replace("name", "clip"), "train.csv: has no column 'name'",
    ),
    "an empty file": ("train.csv", lambda _: "", "train.csv: cannot be read"),
    "another count": (
        "counts.csv", lambda text: text.replace(",3\n", ",4\n"),
        "counts.csv: 4 training clips of the class 'b'; must be 3, as in train.csv",
    ),
    "a class too few": (
        "counts.csv", lambda text: text[: text.rstrip().rindex("\n") + 1],
        "counts.csv: its classes are not those of",
    ),
    "another class": (
        "counts.csv", lambda text: text.replace("0,a,", "0,x,"), "its classes are not those of",
    ),
    "labels in another order": (
        "counts.csv", lambda text: text.replace("\n0,", "\n7,"),
        "counts.csv: its labels must be 0 to 2 in order",
    ),
    "a count that is no number": (
        "counts.csv", lambda text: text.replace(",3\n", ",three\n"), "counts.csv: cannot be read",
    ),
    "no column of counts": (
        "counts.csv", lambda text: text.replace("train_clips", "clips"),
        "counts.csv: has no column 'train_clips'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGED_SUBSETS)
def test_a_subset_that_does_not_fit_the_store_is_named_in_one_line(store, tmp_path, case):
    file, change, message = DAMAGED_SUBSETS[case]
    candidates = store.part("half", "train")
    counts = np.array([6, 3, 1])
    # The first clips of each class, so that clip000 is one of them.
    clips = [candidates[store.labels[candidates] == c][:n] for c, n in enumerate(counts)]
    subset = Subset(np.concatenate(clips), counts)
    write_subset(tmp_path, store, subset, np.bincount(store.labels[candidates]))
    read_subset(tmp_path, store)
    (tmp_path / file).write_text(change((tmp_path / file).read_text()))
    with pytest.raises(UserError, match=message) as caught:
        read_subset(tmp_path, store)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["{", "{}", "[]", "1"])
def test_a_damaged_summary_is_named_in_one_line(tmp_path, content):
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(UserError, match=r"summary\.json: not a subset's summary .*; dvc repro"):
        read_summary(tmp_path)


def test_a_list_file_is_used_unchanged(store, tmp_path, monkeypatch):
    monkeypatch.setattr(lists, "LISTS", tmp_path)
    candidates = store.part("half", "train")
    (tmp_path / "list.txt").write_text("clip004\nclip000\n\nclip001\n")
    subset = listed_clips(store, candidates, "list.txt")
    assert store.names[subset.clips].tolist() == ["clip004", "clip000", "clip001"]
    assert subset.counts.tolist() == [1, 2, 0]
    with pytest.raises(UserError, match="class 'c' keeps no training clip"):
        check_subset(store, subset)
    for content, message in {
        "clip000\nclip002\n": "clip002 is not a training clip of this split",
        "clip000\nclip000\n": "clip000 occurs twice",
    }.items():
        (tmp_path / "list.txt").write_text(content)
        with pytest.raises(UserError, match=message):
            listed_clips(store, candidates, "list.txt")
    with pytest.raises(UserError, match=r"missing\.txt: cannot be read"):
        listed_clips(store, candidates, "missing.txt")


@pytest.mark.parametrize("split", ["xsub", "xset"])
def test_ntu_subsets_are_drawn_in_the_fields_order(tmp_path, split):
    """xset: names sorted; xsub: grouped by training subject, names sorted within a subject.

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


# The performers in the even setups up to 16.
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
# The first 30 of 400 clips of action 1 in the published list NTU120_xset_exp_100.
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


def test_the_draw_reproduces_the_published_list_of_ntu_120(tmp_path):
    """Its first class, 400 of 440 clips, in the published order, from the raw files' names."""
    for setup, performers in PERFORMERS.items():
        for camera, performer, replication in product((1, 2, 3), performers, (1, 2)):
            name = f"S{setup:03d}C{camera:03d}P{performer:03d}R{replication:03d}A001"
            (tmp_path / f"{name}.skeleton").touch()
    raw = NTU120_RAW.open(tmp_path)
    names = [file.name for file in raw.items]
    assert (len(names), raw.left_out) == (440, 4)
    np.random.default_rng(0).shuffle(names)
    joints = np.ones((1, 1, 20, 3), dtype=np.float32)
    clips = [Clip(name, 0, joints) for name in (*names, "S001C001P001R001A001")]
    store = stored(tmp_path / "s", clips, raw.splits)
    (count, *_) = profile_counts("exp", np.full(120, 440), 400, 100)
    subset = choose_clips(store, store.part("xset", "train"), np.array([count, 0, 0]), seed=0)
    chosen = [str(name) for name in store.names[subset.clips]]
    assert len(chosen) == 400
    assert chosen[: len(PUBLISHED)] == [f"{name}A001" for name in PUBLISHED]


@pytest.mark.parametrize(
    "name", ["../list.txt", "inside/../../list.txt", "link.txt", "folder/list.txt", "{}/list.txt"]
)
def test_a_list_that_dvc_does_not_watch_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("clip\n")
    Path("lists").mkdir()
    Path("lists/link.txt").symlink_to(tmp_path / "list.txt")
    Path("lists/folder").symlink_to(tmp_path)
    name = name.format(tmp_path)
    subsample = PARAMS.subsample.model_copy(update={"list_file": name})
    with pytest.raises(
        UserError, match=r"list_file: .*list\.txt|link\.txt: is not in lists/"
    ) as caught:
        check(PARAMS.model_copy(update={"subsample": subsample}))
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="is not in lists/"):
        lists.list_path(name)
