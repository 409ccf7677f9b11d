"""Streams come and go, and colleagues share results: dvc.yaml with stages that only write text."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from tests.project import HERE

PIPELINE = YAML(typ="safe").load(HERE / "dvc.yaml")
# Two streams suffice; they are the first and the third.
STREAMS, OTHERS = ("joint", "skip"), ("bone", "joint_motion", "bone_motion", "skip_motion")
pytestmark = pytest.mark.slow
# Stands in for the interpreter: writes the outputs of a stage from its parameters and inputs.
STAND_IN = """#!/bin/sh
stage=${2#stages.} stream=
[ $stage = networks ] || stream=$3
echo $stage $stream >> .ran
text="$stage $stream $(grep -A1 "^  $stream:" params.yaml | tr -d '\\n')"
streams=$(sed -n '/^streams:/,/^model:/s/^  \\([a-z]*\\):$/\\1/p' params.yaml)
write() {
  mkdir -p "$(dirname $1)"
  case $1 in
    data/networks)
      mkdir $1
      for s in $streams; do echo $s | tee $1/$s.json > $1/$s.encoder.json; done ;;
    data/pictures)
      mkdir $1
      echo '{}' > $1/meta.json ;;
    *.json) echo '{}' > $1 ;;
    *) echo "$text $1" > $1 ;;
  esac
}
case $stage in
  ensemble) text=$(for s in $streams; do cat scores/$s.npz; done) ;;
esac
for path in $(cat .outs/$stage); do
  write $(echo $path | sed "s/STREAM/$stream/")
done
"""


def outputs(stage: dict[str, Any]) -> Iterator[str]:
    """The outputs of a stage of dvc.yaml; the name of the stream is STREAM."""
    content = stage.get("do", stage)
    for kind in ("outs", "metrics", "plots"):
        for entry in content.get(kind, []):
            path = entry if isinstance(entry, str) else next(iter(entry))
            yield path.replace("${key}", "STREAM")


def without_others(text: str) -> str:
    """A file of the project with two streams only."""
    for name in OTHERS:
        text = re.sub(rf"\n  {name}:(\n    .*)+", "", text)
    return text


FUSED = {"ensemble", "evaluate"}


class Clone:
    """A clone of the project's repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def repo(self) -> Iterator[Repo]:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            with Repo(str(self.folder)) as repo:
                yield repo

    def edit(self, old: str, new: str) -> None:
        file = self.folder / "params.yaml"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    def reproduce(self, **options: bool) -> set[str]:
        with self.repo() as repo:
            return {stage.addressing for stage in repo.reproduce(**options)}

    def status(self) -> dict[str, Any]:
        with self.repo() as repo:
            return repo.status()

    def ran(self) -> list[str]:
        """The commands since the last call."""
        log = self.folder / ".ran"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, check=True)

    def clone(self, folder: Path) -> "Clone":
        self.git("clone", "-q", ".", str(folder))
        return Clone(folder)

    def lock(self) -> bytes:
        return (self.folder / "dvc.lock").read_bytes()


TAKE_OUT = ("  skip:\n    inputs: skip\n", "")
PUT_BACK = ("inputs: joint\n", "inputs: joint\n  skip:\n    inputs: skip\n")


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Iterator[Clone]:
    """The results of all streams, committed and pushed."""
    place = tmp_path_factory.mktemp("shared")
    clone = Clone(place / "first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{place}/bin{os.pathsep}{os.environ['PATH']}")
        for name in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{name}_NAME", "t")
            patch.setenv(f"GIT_{name}_EMAIL", "t@t")
        (place / "bin").mkdir()
        (place / "bin/python3").write_text(STAND_IN)
        (place / "bin/python3").chmod(0o755)
        clone.folder.mkdir()
        for name in ("dvc.yaml", "params.yaml", ".gitignore"):
            text = (HERE / name).read_text(encoding="utf-8")
            (clone.folder / name).write_text(without_others(text))
        (clone.folder / ".outs").mkdir()
        for name, stage in PIPELINE["stages"].items():
            for path in stage.get("do", stage).get("deps", []):
                code = clone.folder / path.replace("${model.name}", "stgcnpp")
                if path.startswith(("brl", "stages", "lists", "own")):
                    code = code if code.suffix else code / "file"
                    code.parent.mkdir(parents=True, exist_ok=True)
                    code.write_text("")
            (clone.folder / ".outs" / name).write_text("\n".join(outputs(stage)))
        clone.git("init", "-q")
        (clone.folder / ".git/info/exclude").write_text(".ran\n")
        clone.git("config", "core.excludesFile", "/dev/null")
        with pytest.MonkeyPatch.context() as inside:
            inside.chdir(clone.folder)
            with Repo.init(str(clone.folder)) as repo:
                (place / "remote").mkdir()
                with repo.config.edit("repo") as settings:
                    settings["remote"] = {"shared": {"url": str(place / "remote")}}
                    settings["core"] = {"remote": "shared", "analytics": False}
        clone.reproduce()
        clone.git("add", ".")
        clone.git("add", "-f", "own")
        clone.git("commit", "-qm", "results")
        yield clone


def test_a_stream_is_taken_out_and_put_back_by_plain_dvc(first):
    before = first.lock()
    assert len(first.ran()) == 6 + 6 * len(STREAMS) + 2
    first.edit(*TAKE_OUT)
    assert first.reproduce() == FUSED | {"networks"}
    assert first.ran() == ["networks", "ensemble", "evaluate"]
    assert "skip (" not in (first.folder / "fused/scores.npz").read_text()
    assert first.status() == {} and first.reproduce() == set()
    first.edit(*PUT_BACK)
    assert first.reproduce() == FUSED | {"networks"}
    assert first.ran() == []  # restored from the cache
    assert first.lock() == before and first.status() == {}


def test_a_colleague_gets_what_is_needed_and_after_a_pull_the_same(first, tmp_path):
    """Also where a stream was tried and left out again."""
    for edit in (TAKE_OUT, PUT_BACK):
        first.edit(*edit)
        first.reproduce()
    with first.repo() as repo:
        repo.push()
    other = first.clone(tmp_path / "other")
    other.edit("    joint: 2", "    joint: 3")
    with other.repo() as repo:
        repo.pull(["train", "folds", "classify", "unseen", "predict"])
    assert other.reproduce(pull=True, allow_missing=True) == FUSED
    assert other.ran() == ["ensemble", "evaluate"]
    assert not (other.folder / "data/raw").exists()
    other.git("checkout", "-q", ".")
    with other.repo() as repo:
        repo.pull()
    assert other.status() == {} and other.reproduce() == set() and other.ran() == []


def test_an_experiment_takes_a_stream_out_and_keeps_the_form_of_the_file(first):
    with first.repo() as repo:
        repo.experiments.run(params=["~streams.skip"])
    assert {*first.ran()} <= {"networks", "ensemble", "evaluate"}
    text = without_others((HERE / "params.yaml").read_text())
    assert (first.folder / "params.yaml").read_text().split() == text.replace(*TAKE_OUT).split()
    assert first.status() == {}
    first.edit(*PUT_BACK)
    first.reproduce()
