"""`brl check --deep` names damaged files of a project, and what it prints brings them back."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dvc.cli import main as dvc
from dvc.repo import Repo

from brl.commands.damage import compare_all
from brl.scores.scores import Scores, save_scores
from brl.streams.weights import save_weights
from brl.support.errors import UserError
from brl.support.files import sha256
from tests.recognizers import untrained
from tests.tiny import stored, swinging_arms

PIPELINE = """
stages:
  download:
    cmd: mkdir raw && echo first > raw/a && mkdir raw/part && echo second > raw/part/b
    outs: [raw]
  prepare:
    cmd: cp -r made/store data && cp made/joint.safetensors .
    deps: [made]
    outs: [data/store/meta.json, data/store/index.npz, data/store/rows.f32, joint.safetensors]
  evaluate:
    cmd: echo 3 > metrics.txt
    outs:
      - metrics.txt:
          cache: false
"""


def flip(path: Path) -> None:
    """Flips a bit as a failing disk does: neither time nor size of the file change."""
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(before.st_size // 2)
        byte = file.read(1)[0]
        file.seek(before.st_size // 2)
        file.write(bytes([byte ^ 16]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.chmod(before.st_mode)


@pytest.fixture
def project(request, tmp_path, monkeypatch) -> Path:
    """A project whose stages have run, with a cache of links or of copies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    stored(Path("made/store"), swinging_arms())
    save_weights(Path("made/joint.safetensors"), untrained().streams["joint"])
    Path("data").mkdir()
    Path("dvc.yaml").write_text(PIPELINE)
    Repo.init(".", no_scm=True).close()
    Path(".dvc/config.local").write_text(
        f"[cache]\n    type = {getattr(request, 'param', 'hardlink')}\n"
    )
    with Repo(".") as repo:
        repo.reproduce()
    return tmp_path


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()  # what DVC says
    with pytest.raises(UserError, match="files are damaged; run the commands above"):
        compare_all()
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("project", ["hardlink", "copy"], indirect=True)
def test_damaged_outputs_are_named_and_the_command_brings_them_back(project, capsys):
    links = Path(".dvc/config.local").read_text().endswith("hardlink\n")
    compare_all()
    assert capsys.readouterr().out == "7 files: no damage found\n"
    files = [Path(name) for name in ("raw/part/b", "data/store/rows.f32", "joint.safetensors")]
    digests = [sha256(file) for file in files]
    for file in files:
        flip(file)
    with Repo(".") as repo:
        assert repo.status() == {}
    lines = told(capsys)
    assert len(lines) == 3
    for file, line, stage in zip(files, lines, ("download", "prepare", "prepare"), strict=True):
        assert line.startswith(f"{file}: not as {stage} wrote it; rm -f {file} ")
        assert ("dvc repro" in line) == links and ("dvc checkout" in line) != links
    commands = [line.partition("; ")[2] for line in lines]
    for removes, restores in (command.split(" && ") for command in commands):
        subprocess.run(removes, shell=True, check=True)
        assert dvc(shlex.split(restores)[1:]) == 0
    assert [sha256(file) for file in files] == digests
    compare_all()
    with Repo(".") as repo:
        assert repo.status() == {}


def test_an_output_without_a_cache_is_written_again(project, capsys):
    flip(Path("metrics.txt"))
    assert told(capsys) == ["metrics.txt: not as evaluate wrote it; dvc repro --force evaluate"]


def test_what_was_damaged_before_dvc_saw_it_has_the_wrong_checksum(project, capsys):
    flip(Path("made/joint.safetensors"))
    flip(Path("made/store/rows.f32"))
    with Repo(".") as repo:
        repo.reproduce(["prepare"], force=True)
    lines = told(capsys)
    assert [line.partition(":")[0] for line in lines] == [
        "data/store/rows.f32",
        "joint.safetensors",
    ]
    assert all(line.endswith("&& dvc repro prepare") for line in lines)


def test_damaged_results_of_comparisons_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    Repo.init(".", no_scm=True).close()
    Path("dvc.yaml").write_text("stages: {}\n")
    names = np.array(["a", "b"])
    scores = Scores(names, np.arange(2), np.eye(2, dtype=np.float32))
    files = [Path(".comparison/scores/1.npz"), Path("reports/comparisons/mine/scores.npz")]
    for file in files:
        save_scores(file, scores)
    save_weights(Path(".comparison/trained/1.safetensors"), untrained().streams["joint"])
    compare_all()
    for file in files:
        flip(file)
    lines = told(capsys)[-2:]
    assert [line.partition("; ")[2].split()[0] for line in lines] == ["rm", "git"]
