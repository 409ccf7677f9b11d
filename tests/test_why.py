"""`brl why` on a small pipeline that DVC has run."""

import json
import os
import shutil
from pathlib import Path

import pytest
from dvc.repo import Repo
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from brl.commands import dag, why
from brl.commands.differences import differences
from brl.support.errors import UserError
from tests.project import HERE

PIPELINE = """
stages:
  first:
    cmd: cp source.txt first.txt
    deps: [source.txt]
    params: [seed]
    outs: [first.txt]
  second:
    foreach: [joint, bone]
    do:
      cmd: cp first.txt second_${item}.txt
      deps: [first.txt]
      params: ["streams.${item}", train]
      outs: ["second_${item}.txt"]
  third:
    cmd: cat second_joint.txt second_bone.txt > third.txt
    deps: [second_joint.txt, second_bone.txt, code]
    params: [ensemble, streams]
    outs: [third.txt]
"""
SECOND = ["second@joint", "second@bone"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Path:
    """A folder in which all stages are up to date."""
    folder = tmp_path_factory.mktemp("ran")
    shutil.copy(HERE / "params.yaml", folder)
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "source.txt").write_text("1")
    (folder / "code").mkdir()
    for name in ("kept.py", "edited.py"):
        (folder / "code" / name).write_text("1")
    Repo.init(str(folder), no_scm=True).close()
    with pytest.MonkeyPatch.context() as patch, Repo(str(folder)) as repo:
        patch.chdir(folder)
        repo.reproduce()
    return folder


@pytest.fixture
def folder(ran, tmp_path, monkeypatch) -> Path:
    """A copy of the folder, to change."""
    copy = tmp_path / "copy"
    shutil.copytree(ran, copy)
    monkeypatch.chdir(copy)
    return copy


def edit(change) -> None:
    yaml = YAML()
    content = yaml.load(Path("params.yaml"))
    change(content)
    yaml.dump(content, Path("params.yaml"))


def test_the_pipeline_is_at_work(folder):
    lock = {str(folder / "first.txt"): {"pid": os.getpid(), "cmd": "dvc repro"}}
    Path(".dvc/tmp/rwlock").write_text(json.dumps({"write": lock}))
    with pytest.raises(UserError, match=r"^DVC is at work in this folder"):
        why.reasons()


def test_the_graph_shows_streams_as_one(folder, capsys):
    dag.show()
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [["first"], ["second@STREAM", "first"], ["third", "second@STREAM"]]
    Path("dvc.yaml").write_text("stages: 3")
    with pytest.raises(UserError, match="DVC cannot read the pipeline here"):
        dag.show()


def test_nothing_changed_nothing_runs(folder, capsys):
    assert why.reasons() == {}
    why.show()
    assert capsys.readouterr().out.startswith("Nothing would run")


def test_before_the_first_run_everything_would_run(folder):
    Path("dvc.lock").unlink()
    assert list(why.reasons()) == ["first", *SECOND, "third"]
    assert set(map(tuple, why.reasons().values())) == {("it never ran here",)}


def test_a_changed_parameter_is_told_with_both_values_and_what_comes_after(folder):
    edit(lambda content: content.update(seed=7))
    found = why.reasons()
    assert found["first"] == ["seed: 0 became 7"]
    assert found["second@joint"] == found["second@bone"] == ["after first"]
    assert found["third"] == ["after second@joint", "after second@bone"]


def test_one_streams_parameter_concerns_that_stream(folder):
    edit(lambda content: content["streams"]["bone"].update(lr=0.5))
    found = why.reasons()
    assert found["second@bone"] == ["streams.bone.lr: new"]
    assert "second@joint" not in found and "first" not in found


def test_of_a_section_only_what_differs_is_told(folder):
    edit(lambda content: content["train"].update(lr=0.25, epochs=3))
    assert why.reasons()["second@joint"] == [
        "train.epochs: 10 became 3",
        "train.lr: 0.1 became 0.25",
    ]


def test_a_removed_stream_is_reported(folder):
    edit(lambda content: content["streams"].pop("skip"))
    assert why.reasons() == {"third": ["streams.skip: removed"]}


def test_a_changed_file_is_named(folder):
    Path("source.txt").write_text("2")
    assert why.reasons()["first"] == ["changed: source.txt"]


def test_of_a_changed_folder_the_edited_file_is_named(folder):
    Path("code/kept.py").touch()
    os.utime("code/kept.py", (0, 0))
    Path("code/edited.py").write_text("2")
    assert why.reasons()["third"] == ["changed: code/edited.py"]
    Path("code/edited.py").write_text("1")
    Path("code/kept.py").unlink()
    os.utime("code/edited.py", (0, 0))
    assert why.reasons()["third"] == ["changed: code"]


def test_a_result_that_is_gone_or_edited_is_named(folder):
    Path("second_bone.txt").unlink()
    assert why.reasons()["second@bone"] == ["second_bone.txt is not there"]
    Path("third.txt").unlink()
    Path("third.txt").write_text("by hand")
    assert "third.txt is not as it was left" in why.reasons()["third"]


def test_a_changed_command_is_told(folder):
    Path("dvc.yaml").write_text(PIPELINE.replace("cp source.txt", "cp -p source.txt"))
    assert why.reasons()["first"] == ["another command"]


def test_nothing_is_touched(folder):
    edit(lambda content: content.update(seed=7))
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    why.reasons()
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_streams_that_share_the_cause_share_a_line():
    found = {
        "train@joint": ["train.lr: 1 became 2"],
        "train@bone": ["train.lr: 1 became 2"],
        "predict@joint": ["after train@joint"],
        "predict@bone": ["after train@bone"],
        "ensemble": ["after predict@joint", "after predict@bone"],
    }
    assert why.lines(found) == {
        ("train", "train.lr: 1 became 2"): ["joint", "bone"],
        ("predict", "after train"): ["joint", "bone"],
        ("ensemble", "after predict"): [""],
    }


def test_a_long_list_of_files_is_cut():
    assert list(why.files_in_words(["a", "b", "c", "d"])) == ["changed: a, b, c, d"]
    assert list(why.files_in_words(list("abcde"))) == ["changed: a, b, c and 2 more files"]


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda: Path("params.yaml").write_text("seed: x"), "params.yaml: "),
        (lambda: Path("dvc.yaml").write_text("stages: 3"), "DVC cannot read the pipeline here"),
        (lambda: shutil.rmtree(".dvc"), "DVC cannot read the pipeline here"),
    ],
    ids=["params", "dvc.yaml", "no dvc"],
)
def test_unreadable_files_are_reported_in_one_line(folder, spoil, complaint):
    spoil()
    with pytest.raises(UserError, match=complaint) as raised:
        why.reasons()
    assert "\n" not in str(raised.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3),
)


@given(VALUES, VALUES)
def test_differences_are_empty_if_and_only_if_values_are_equal(old, new):
    assert bool(list(differences("a", old, new))) == (old != new)
    assert list(differences("a", old, old)) == []
