"""What made the results: notes beside them, and the words of the report page."""

from pathlib import Path

import pytest

from brl.report.made import made_by
from brl.support.errors import UserError
from brl.support.paths import stage_note
from brl.tracking.machine import surroundings
from brl.tracking.notes import begin_note, keep_note, read_note, write_note
from tests.reported import MADE_BY

WORDS = "brl 012345678901, Python 3.11.7, torch 2.13.0, NumPy 2.4.6, Processor 9 (AVX2), threads 1"
TRAINED = MADE_BY | {"precision.train": "float32"}
TESTED = MADE_BY | {"precision.predict": "float32"}


def streams(line: dict[str, str], *names: str) -> dict[str, list[dict[str, str]]]:
    return {name: [line] for name in names or ("joint", "bone")}


def test_what_one_machine_did_is_one_row():
    notes = {"train": streams(TRAINED), "predict": streams(TESTED)}
    assert made_by(notes) == [("training, test", f"{WORDS}, float32")]


def test_another_precision_is_another_row():
    notes = {"train": streams(TRAINED), "predict": streams(TESTED | {"precision.predict": "b16"})}
    assert made_by(notes) == [("training", f"{WORDS}, float32"), ("test", f"{WORDS}, b16")]


def test_streams_are_named_where_they_differ():
    other = TRAINED | {"git.commit": f"{'ab' * 20}-dirty", "processes": "2"}
    notes = {"train": streams(TRAINED, "joint", "bone") | streams(other, "skip")}
    changed = WORDS.replace("012345678901", "abababababab with changes")
    assert made_by(notes) == [
        ("training of joint and bone", f"{WORDS}, float32"),
        ("training of skip", f"{changed}, processes 2, float32"),
    ]


def test_a_training_that_went_on_elsewhere_is_in_both_rows():
    lines = [TRAINED, TRAINED | {"device": "Processor 8"}]
    rows = made_by({"train": {"joint": lines}})
    assert [work for work, _ in rows] == ["training", "training"]
    assert "Processor 9" in rows[0][1] and "Processor 8" in rows[1][1]


def test_what_was_not_done_here_is_said():
    without_git = {name: value for name, value in TRAINED.items() if name != "git.commit"}
    notes = {
        "pretrain": streams({"pretraining": "none"}),
        "train": streams(without_git, "joint") | streams({"trained": "elsewhere"}, "bone"),
        "predict": {"joint": [], "bone": []},
    }
    rows = dict(made_by(notes))
    assert rows.pop("training of bone") == "elsewhere"
    assert rows == {"training of joint": f"{WORDS}, float32".replace("012345678901", "without git")}


def test_the_words_know_all_that_is_recorded():
    (row,) = made_by({"train": {"joint": [surroundings(train="float32")]}})
    assert row[0] == "training" and row[1].endswith("float32")


def test_a_killed_training_leaves_the_note_of_one_that_was_not(tmp_path):
    """On one machine; another one that resumes it is named, too."""
    unfinished, kept = tmp_path / "joint.made", tmp_path / stage_note("train", "joint")
    begin_note(unfinished, TRAINED, resumes=False)
    keep_note(unfinished, kept)
    at_once = kept.read_bytes()
    begin_note(unfinished, TRAINED, resumes=True)
    keep_note(unfinished, kept)
    assert kept.read_bytes() == at_once
    begin_note(unfinished, TESTED, resumes=True)
    keep_note(unfinished, kept)
    assert read_note(kept) == [TRAINED, TESTED]
    begin_note(unfinished, TESTED, resumes=False)
    assert read_note(unfinished) == [TESTED]


def test_a_damaged_note_gets_one_line(tmp_path):
    assert read_note(tmp_path / "joint.jsonl") == []
    write_note(tmp_path / "joint.jsonl", [TRAINED])
    with (tmp_path / "joint.jsonl").open("a") as note:
        note.write("{")
    with pytest.raises(UserError, match=r"joint\.jsonl: damaged; remove it"):
        read_note(Path(tmp_path / "joint.jsonl"))
