"""From raw clips to the store: unusual clips are handled or refused by name, and reported."""

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from brl.clips.clip import Clip, Splits
from brl.clips.layouts import NTU25, NW_UCLA20
from brl.clips.normalize import Normalization, center_first_frame
from brl.clips.store import ClipStore
from brl.commands.data import show
from brl.datasets.data_report import by_class, findings
from brl.datasets.facts import facts_of
from brl.datasets.prepare import prepare
from brl.datasets.source import Dataset
from brl.support.errors import UserError
from tests.test_store import CLASSES, a_quarter_tests, some_clips


def as_list(clip: Clip) -> list[Clip]:
    return [clip]


def dataset(clips: Sequence[Clip], **changes) -> Dataset:
    return Dataset(
        **{
            "layout": NW_UCLA20,
            "classes": CLASSES,
            "items": clips,
            "read": as_list,
            "splits": a_quarter_tests,
            "normalization": Normalization("none"),
        }
        | changes
    )


def prepared(folder, clips, max_bodies=2, **changes) -> tuple[ClipStore, list]:
    facts = prepare("test", dataset(clips, **changes), folder / "store", max_bodies)
    return ClipStore.open(folder / "store"), facts


def in_words(table: pd.DataFrame) -> list[str]:
    return [f"{kind}: {count} (e.g. {example})" for kind, count, example in table.to_numpy()]


def strange(joints: np.ndarray) -> list[Clip]:
    """Three ordinary clips, then one with these joints, a training clip."""
    return [*some_clips([(1, 4)] * 3), Clip("strange", 0, joints)]


def rows_of(store: ClipStore, name: str) -> np.ndarray:
    (clip,) = np.flatnonzero(store.names == name)
    size = store.bodies[clip] * store.frames[clip]
    return store.rows[store.starts[clip] :][:size]


BAD = {
    "wrong joints": (np.zeros((1, 4, 25, 3)), 0, r"must be \(bodies, frames, 20, 3\)"),
    "2D for 3D": (np.zeros((1, 4, 20, 2)), 0, "clip strange: joints of shape"),
    "no frames": (np.zeros((1, 0, 20, 3)), 0, "clip strange: joints of shape"),
    "no bodies": (np.zeros((0, 4, 20, 3)), 0, "clip strange: joints of shape"),
    "not 4 axes": (np.zeros((4, 20, 3)), 0, "clip strange: joints of shape"),
    "label too high": (np.zeros((1, 4, 20, 3)), 3, "clip strange: label 3; must be 0 to 2"),
    "label below zero": (np.zeros((1, 4, 20, 3)), -1, "clip strange: label -1"),
}


@pytest.mark.parametrize("case", BAD)
def test_an_invalid_clip_is_named_and_the_old_store_stays(tmp_path, case):
    joints, label, message = BAD[case]
    before, _ = prepared(tmp_path, some_clips([(1, 4)] * 3))
    with pytest.raises(UserError, match=message):
        prepared(tmp_path, [*some_clips([(1, 4)] * 3), Clip("strange", label, joints)])
    assert ClipStore.open(tmp_path / "store").digest == before.digest
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_copies_of_final_test_clips_are_tested_in_no_other_split(tmp_path):
    """By their numbers, whatever their names; they may be trained on, as in the final split."""

    def splits(names: list[str]) -> Splits:
        return {
            "final": {"train": names[:6], "test": names[6:]},
            "choice": {"train": names[:2], "test": names[2:]},
            "other": {"train": names[3:6], "test": names[:3]},
        }

    clips = some_clips([(1, 4)] * 8)
    clips[3] = replace(clips[3], joints=clips[7].joints)
    store, _ = prepared(tmp_path, clips, splits=splits, final="final")
    assert store.part("choice", "test").tolist() == [2, 4, 5]
    assert store.part("other", "train").tolist() == [3, 4, 5]
    assert store.part("final", "test").tolist() == [6, 7]
    plain, _ = prepared(tmp_path / "plain", clips, splits=splits)
    assert plain.part("choice", "test").tolist() == [2, 3, 4, 5, 6, 7]


def test_a_clip_of_one_frame_is_valid_data(tmp_path):
    joints = np.random.default_rng(0).normal(size=(1, 1, 20, 3)).astype(np.float32)
    store, _ = prepared(tmp_path, strange(joints))
    assert np.array_equal(rows_of(store, "strange"), joints[0])


def test_empty_bodies_are_dropped_except_the_first_of_an_empty_clip(tmp_path):
    joints = np.random.default_rng(0).normal(size=(3, 5, 20, 3))
    joints[1] = 0
    store, facts = prepared(tmp_path, strange(joints))
    assert store.bodies.tolist() == [1, 1, 1, 2] and facts[3].bodies == 2
    store, facts = prepared(tmp_path, strange(0 * joints))
    assert store.bodies[3] == 1 and facts[3].bodies == 0
    assert "clips without any body: 1 (e.g. strange)" in in_words(findings(store, facts, 2))


def test_bodies_seen_only_in_dropped_frames_are_not_stored(tmp_path):
    """The facts are those of the recording: two bodies."""
    joints = np.random.default_rng(0).normal(size=(2, 6, 25, 3))
    joints[0, 2:4] = joints[1, :2] = joints[1, 4:] = 0
    clips = [Clip(f"c{n}", 0, joints) for n in range(3)]
    ntu = {"layout": NTU25, "normalization": Normalization("ntu")}
    store, facts = prepared(tmp_path, clips, **ntu)
    assert store.bodies.tolist() == [1] * 3 and store.frames.tolist() == [4] * 3
    assert (facts[0].bodies, facts[0].empty_frames) == (2, 0)


@pytest.mark.parametrize(("layout", "kind", "frames"), [(NTU25, "ntu", 4), (NW_UCLA20, "none", 6)])
def test_frames_without_a_body(tmp_path, layout, kind, frames):
    """NTU's normalisation drops them; otherwise they stay, all zero."""
    joints = np.random.default_rng(0).normal(size=(1, 6, layout.num_joints, 3))
    joints[:, 2:4] = 0
    clips = [Clip(f"c{n}", 0, joints) for n in range(3)]
    store, facts = prepared(tmp_path, clips, layout=layout, normalization=Normalization(kind))
    assert store.frames.tolist() == [frames] * 3
    assert facts[0].empty_frames == 2


def test_float16_is_processed_as_float32(tmp_path):
    joints = np.random.default_rng(0).normal(size=(1, 5, 20, 3)).astype(np.float16)
    clips = strange(joints)
    store, _ = prepared(tmp_path, clips, normalization=Normalization("center"))
    expected = center_first_frame(joints.astype(np.float32))
    assert np.array_equal(rows_of(store, "strange"), expected[0])


def test_surplus_bodies_are_dropped_and_reported(tmp_path):
    joints = np.random.default_rng(0).normal(size=(4, 3, 20, 3)).astype(np.float32)
    joints[1, 1] = 0  # the others are seen in more frames
    store, facts = prepared(tmp_path, strange(joints), max_bodies=2)
    assert np.array_equal(rows_of(store, "strange"), joints[[0, 2]].reshape(-1, 20, 3))
    words = in_words(findings(store, facts, 2))
    assert "clips of more bodies than prepare.max_bodies: 1 (e.g. strange)" in words


@pytest.mark.filterwarnings("error")
def test_joints_that_are_not_finite_count_as_not_seen(tmp_path):
    joints = np.random.default_rng(0).normal(size=(1, 5, 20, 3))
    joints[0, 1, 3, 0], joints[0, 2, 4], joints[0, 2, 5, 1] = np.nan, np.inf, -np.inf
    store, facts = prepared(tmp_path, strange(joints))
    known = (np.abs(joints) < 1e30).all(axis=-1, keepdims=True)
    expected = np.where(known, joints, 0)[0].astype(np.float32)
    assert np.array_equal(rows_of(store, "strange"), expected)
    assert (facts[3].not_finite, facts[3].missing_joints, facts[3].joints) == (3, 3, 100)
    words = in_words(findings(store, facts, 2))
    assert "clips with coordinates that are no finite numbers: 1 (e.g. strange)" in words


def test_facts_of_a_clip_by_hand():
    joints = np.ones((2, 4, 20, 3))
    joints[0, 3] = joints[1, 1:] = 0  # the second body is seen in the first frame only
    joints[0, 0, 5] = 0
    facts = facts_of(Clip("", 0, joints), NW_UCLA20)
    assert (facts.bodies, facts.frames, facts.empty_frames) == (2, 4, 1)
    assert (facts.joints, facts.missing_joints, facts.not_finite) == (80, 1, 0)
    copy, other = (facts_of(Clip("", 0, each), NW_UCLA20) for each in (joints.copy(), 2 * joints))
    assert facts.digest == copy.digest != other.digest


def named_by_process(clip: Clip) -> list[Clip]:
    return [replace(clip, name=f"{clip.name} {os.getpid()}")]


def test_raw_files_are_read_by_other_processes(tmp_path):
    clips = some_clips([(1, 3)] * 40)
    store, _ = prepared(tmp_path, clips, read=named_by_process, parallel=True)
    assert all(int(name.split()[1]) != os.getpid() for name in store.names)
    store, _ = prepared(tmp_path, clips, read=named_by_process)
    assert all(int(name.split()[1]) == os.getpid() for name in store.names)


def test_several_processes_give_the_same_store_as_one(tmp_path, monkeypatch):
    """Also in several slices; a UserError in another process arrives unchanged."""
    monkeypatch.setattr("brl.support.parallel.ITEMS_PER_CORE", 1)
    clips = some_clips([(1 + n % 2, 3 + n) for n in range(40)])
    alone, facts = prepared(tmp_path / "a", clips)
    together, same = prepared(tmp_path / "b", clips, parallel=True)
    assert alone.digest == together.digest and facts == same
    with pytest.raises(UserError, match="clip strange: label 7"):
        prepared(tmp_path / "c", [*clips, Clip("strange", 7, clips[0].joints)], parallel=True)


def test_the_table_has_one_row_per_class_of_each_part(tmp_path):
    clips = some_clips([(1, 4), (2, 6), (1, 5), (1, 7)])
    clips[0].joints[0, :2, 3] = 0
    store, facts = prepared(tmp_path, clips, splits=lambda names: a_quarter_tests(names[:4]))
    table = by_class(store, facts)
    assert table["split"].unique().tolist() == ["half"]
    assert table.columns[:5].tolist() == ["split", "part", "label", "class", "clips"]
    assert table["class"].tolist() == [*CLASSES, *CLASSES]
    train = table[table["part"] == "train"].set_index("label")
    assert train["clips"].tolist() == [2, 1, 0]
    assert train.loc[0, ["shortest", "median", "longest"]].tolist() == [4, 5.5, 7]
    assert train.loc[1, "bodies"] == 2
    assert train.loc[0, ["joints", "missing_joints"]].tolist() == [11 * 20, 2]
    assert pd.isna(train.loc[2, "shortest"])


def test_findings_have_a_count_and_an_example(tmp_path):
    clips = some_clips([(1, 4)] * 8)
    copied = [*clips[:6], Clip("copy", 0, clips[2].joints), Clip("idle", 1, clips[7].joints)]
    splits = {"s": {"train": [c.name for c in copied if c.name not in ("clip001", "idle")]}}
    splits["s"]["test"] = ["clip001"]
    store, facts = prepared(tmp_path, copied, splits=lambda names: splits)
    words = in_words(findings(store, facts, 2))
    assert "clips equal to an earlier one: 1 (e.g. copy)" in words
    assert "clips in no split: 1 (e.g. idle)" in words
    assert "s: classes without a test clip: 2 (e.g. a)" in words
    assert not any("equal to a training clip" in line for line in words)
    splits["s"] = {"train": ["clip002"], "test": ["copy"]}
    store, facts = prepared(tmp_path, copied, splits=lambda names: splits)
    words = in_words(findings(store, facts, 2))
    assert "s: test clips equal to a training clip: 1 (e.g. copy)" in words


def test_a_class_without_clips_is_a_finding(tmp_path):
    store, facts = prepared(tmp_path, some_clips([(1, 4)] * 6), classes=(*CLASSES, "never"))
    words = in_words(findings(store, facts, 2))
    assert "classes without any clip: 1 (e.g. never)" in words


def test_the_report_is_printed_or_the_message_says_how_to_make_it(tmp_path, capsys):
    with pytest.raises(UserError, match="brl data makes it"):
        show(tmp_path)
    clips = some_clips([(1, 4), (1, 6), (1, 5), (1, 2)])
    clips[1].joints[0, :3, 3] = 0
    store, facts = prepared(tmp_path, clips, classes=("a", "NA [left]", "c", "d"))
    by_class(store, facts).to_csv(tmp_path / "data.csv", index=False)
    findings(store, facts, 2).to_csv(tmp_path / "data_check.csv", index=False)
    show(tmp_path)
    shown = " ".join(capsys.readouterr().out.split())
    assert "half │ train │ 3 │ 2 │ 0 to 2 │ 2 to 6 │ 1.25 %" in shown
    assert "half: classes without a test clip: 3 (e.g. a)" in shown
    (tmp_path / "data_check.csv").write_text("finding,count,example\nx,1,[/left] :smile:\n")
    show(tmp_path)
    assert "x: 1 (e.g. [/left] :smile:)" in capsys.readouterr().out
    (tmp_path / "data_check.csv").write_text("finding,count,example\n")
    show(tmp_path)
    assert "Nothing needs attention." in capsys.readouterr().out
