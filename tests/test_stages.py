"""Stage scripts: what a checkpoint is kept under, and how a mistake ends them."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from brl.config.params import read_params
from brl.config.streams import MODALITIES
from brl.training.job import Job
from brl.training.resuming import fingerprint
from tests.project import Project

PARAMS = read_params(Path("params.yaml"))
JOB = Job.of(PARAMS, "joint")


def test_a_checkpoint_belongs_to_one_job_on_one_set_of_data():
    first = fingerprint(JOB, ["store", "subset"])
    assert first == fingerprint(replace(JOB), ["store", "subset"])
    others = {
        fingerprint(replace(JOB, stream=replace(JOB.stream, name="bone")), ["store", "subset"]),
        fingerprint(
            replace(JOB, stream=replace(JOB.stream, inputs=(MODALITIES["bone"],))),
            ["store", "subset"],
        ),
        fingerprint(replace(JOB, seed=1), ["store", "subset"]),
        fingerprint(replace(JOB, stream=replace(JOB.stream, lr=0.2)), ["store", "subset"]),
        fingerprint(
            replace(JOB, train=JOB.train.model_copy(update={"epochs": 99})), ["store", "subset"]
        ),
        fingerprint(
            replace(JOB, method=JOB.method.model_copy(update={"mix": "mixup"})), ["store", "subset"]
        ),
        fingerprint(JOB, ["store", "another subset"]),
    }
    assert len(others) == 7 and first not in others


def test_changed_code_starts_afresh(tmp_path, monkeypatch):
    project = Project(tmp_path / "project")
    monkeypatch.chdir(project.folder)
    before = fingerprint(JOB, [])
    with Path("brl/tracking/store.py").open("a") as file:
        file.write("# no influence on the weights\n")
    assert fingerprint(JOB, []) == before
    with Path("brl/streams/augment.py").open("a") as file:
        file.write("# may change them\n")
    assert fingerprint(JOB, []) != before


@pytest.mark.parametrize("mistake", ["no archive", "no zip", "broken clip"])
def test_broken_raw_files_end_a_stage_in_one_line(tmp_path, mistake, warm):
    project = Project(tmp_path / "project")
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    assert project.brl("preset", "nw_ucla", "--mirror", str(mirror)).returncode == 0
    stage, archive = "stages.download", mirror / "all_sqe.zip"
    if mistake == "no zip":
        archive.write_text("not found")
    elif mistake == "broken clip":
        stage, archive = "stages.prepare", project.folder / "data/raw/all_sqe.zip"
        archive.parent.mkdir(parents=True)
        good = {"skeletons": [[[0.0, 0.0, 0.0]] * 20], "label": 1}
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr("all_sqe/a01_s01_e00_v01.json", json.dumps(good))
            opened.writestr("all_sqe/a01_s01_e01_v01.json", "{")
    run = project.run(stage)
    assert run.returncode == 1
    assert run.stderr.startswith("error: ") and run.stderr.count("\n") == 1
    assert "all_sqe.zip" in run.stderr
    assert ("a01_s01_e01_v01.json" in run.stderr) == (mistake == "broken clip")
    assert not (project.folder / "data/store").exists()
