"""A published checkpoint instead of a training: `brl weights`, then the pipeline."""

import json
import shutil
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file

from brl.clips.layout import Layout
from brl.clips.layouts import COCO17, NTU25
from brl.commands.weights import take_checkpoint, train_again
from brl.config.check import check
from brl.config.params import read_params
from brl.config.presets import apply_preset, edit_params
from brl.support.errors import UserError
from brl.support.files import sha256
from brl.tracking.store import EXPERIMENT
from tests import authors_ctrgcn
from tests.checkpoints import as_published, network, saved
from tests.own_data import write_stick_figures
from tests.project import HERE, SMALL, Project

PARAMS = read_params(HERE / "params.yaml")
STICK = Layout("", (0, 0, 1, 1, 1), mirror_pairs=(), upper_body=())


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A project folder with the default params.yaml, without data."""
    shutil.copy(HERE / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture
def params_file(folder) -> Path:
    return folder / "params.yaml"


OTHER_DATA = {
    "for 60 classes, the data have 22": network(classes=60),
    "for 17 joints, the data have 25": network(COCO17),
    "for 2 channels per joint, the data have 3": network(channels=2),
}


@pytest.mark.parametrize("complaint", OTHER_DATA)
def test_a_network_for_other_data_is_refused(folder, params_file, complaint):
    file = saved(folder / "j.pth", OTHER_DATA[complaint].state_dict())
    with pytest.raises(UserError, match=complaint):
        take_checkpoint("joint", file, params_file)
    assert read_params(params_file) == PARAMS


def test_the_data_at_hand_count_and_not_those_prepared_before(folder, params_file):
    """A store of own data is no measure for own data in another folder."""
    store = folder / "data/store"
    store.mkdir(parents=True)
    meta = {"dataset": "custom", "rows": [9, 25, 3], "classes": ["c"] * 60}
    (store / "meta.json").write_text(json.dumps(meta))
    write_stick_figures(folder / "mine")
    edit_params(
        params_file, lambda content: content["dataset"].update(name="custom", mirror="mine")
    )
    file = saved(folder / "j.pth", network(STICK, classes=2).state_dict())
    assert take_checkpoint("joint", file, params_file).classes == 2
    other = saved(folder / "other.pth", network(STICK, classes=60).state_dict())
    with pytest.raises(UserError, match="for 60 classes, the data have 2"):
        take_checkpoint("joint", other, params_file)


def test_chosen_classes_and_what_a_stream_sees_count(folder, params_file):
    def change(content: dict[str, Any]) -> None:
        content["subsample"]["classes"] = [0, 3, 5]
        content["streams"]["joint"].update(inputs=["joint", "bone"], part="hand")

    edit_params(params_file, change)
    layout = NTU25.part("hand")
    file = saved(folder / "j.pth", network(layout, classes=3, channels=6).state_dict())
    assert take_checkpoint("joint", file, params_file).classes == 3


def test_a_network_for_another_number_of_bodies_is_refused(folder, params_file):
    state = network(name="msg3d", bodies=1).state_dict()
    file = saved(folder / "j.pth", state)
    with pytest.raises(
        UserError, match=r"for max_bodies 1, the data have 2; see prepare\.max_bodies"
    ):
        take_checkpoint("joint", file, params_file)


def test_setting_and_removing_a_checkpoint_keeps_other_params(folder, params_file):
    before = params_file.read_text()
    state = network(blocks=[2, 1]).state_dict()
    for stream in ("joint", "skip_motion"):
        take_checkpoint(stream, saved(folder / f"{stream}.pth", state), params_file)
    model = {
        "name": "stgcnpp", "base_channels": 6, "blocks": [2, 1], "absent_bodies": "pad",
        "head": "linear",
    }  # fmt: skip
    taken = read_params(params_file)
    assert taken.model.model_dump() == model
    weights = taken.streams["skip_motion"].weights
    assert weights.file == str(folder / "skip_motion.pth")
    assert weights.sha256 == sha256(folder / "skip_motion.pth")
    assert taken.streams["bone"].weights is None
    for stream in ("joint", "skip_motion"):
        train_again(stream, params_file)
    after = params_file.read_text()
    assert yaml.safe_load(after) == yaml.safe_load(before) | {"model": model | {"settings": {}}}
    changed = set(before.splitlines()) - set(after.splitlines())
    keys = {line.split(":")[0].strip() for line in changed}
    assert keys == {"base_channels", "absent_bodies"}
    assert after.count("#") == before.count("#")


def test_a_checkpoint_resets_the_settings_of_another_network(folder, params_file):
    edited = params_file.read_text().replace("name: stgcnpp ", "name: dgstgcn ")
    params_file.write_text(edited.replace("settings: {}", "settings: {graphs: 4}"))
    assert read_params(params_file).model.settings == {"graphs": 4}
    take_checkpoint("joint", saved(folder / "j.pth", network().state_dict()), params_file)
    assert read_params(params_file).model.settings == {}


def test_a_checkpoint_of_ctrgcns_authors_sets_its_setting(folder, params_file):
    pyskls = network(name="ctrgcn", base_channels=8).state_dict()
    authors = authors_ctrgcn.random_state(pyskls)
    take_checkpoint("joint", saved(folder / "j.pt", authors), params_file)
    model = read_params(params_file).model
    assert (model.name, model.settings) == ("ctrgcn", {"temporal_relu": False})
    with pytest.raises(
        UserError, match=r"of ctrgcn of 8 base channels, temporal_relu: false, this"
    ):
        take_checkpoint("bone", saved(folder / "b.pth", pyskls), params_file)
    take_checkpoint("joint", saved(folder / "j.pth", pyskls), params_file)
    assert read_params(params_file).model.settings == {}


def test_a_preset_removes_checkpoints(folder, params_file):
    take_checkpoint("joint", saved(folder / "j.pth", network().state_dict()), params_file)
    shutil.copytree(HERE / "presets", folder / "presets")
    apply_preset("nw_ucla", params_file)
    assert read_params(params_file).streams == PARAMS.streams


def test_streams_share_one_network(folder, params_file):
    first = saved(folder / "j.pth", network().state_dict())
    second = saved(folder / "b.pth", network(base_channels=8).state_dict())
    take_checkpoint("joint", first, params_file)
    with pytest.raises(UserError, match=r"streams\.joint has a checkpoint of stgcnpp of 6 base.*8"):
        take_checkpoint("bone", second, params_file)
    take_checkpoint("joint", second, params_file)
    take_checkpoint("bone", second, params_file)
    assert read_params(params_file).model.base_channels == 8


def test_an_unknown_stream_or_file_is_named(folder, params_file):
    with pytest.raises(UserError, match=r"stream 'jont': params\.yaml has no such stream; it has"):
        take_checkpoint("jont", "j.pth", params_file)
    with pytest.raises(UserError, match=r"stream '': params\.yaml has no such stream"):
        train_again("", params_file)
    with pytest.raises(UserError, match=r"j\.pth: no such file; give a checkpoint, or none"):
        take_checkpoint("joint", "j.pth", params_file)


def test_the_check_finds_a_missing_or_changed_file(folder, params_file):
    saved(folder / "j.pth", network().state_dict())
    take_checkpoint("joint", "j.pth", params_file)  # from the project's root
    check(read_params(params_file))
    saved(folder / "j.pth", network(base_channels=8).state_dict())
    with pytest.raises(UserError, match=r"j\.pth: not the file that params.yaml records"):
        check(read_params(params_file))
    (folder / "j.pth").unlink()
    with pytest.raises(UserError, match=r"j\.pth: there is no such file; put it there, or"):
        check(read_params(params_file))


def test_a_mistake_in_the_section_is_explained(folder, params_file):
    text = params_file.read_text()
    for written, complaint in (
        ("{file: a, sha: b}", r"joint\.weights\.sha: unknown key; known here: file, sha256"),
        ("j.pth", r"streams\.joint\.weights: must be a block of `key: value` lines"),
    ):
        params_file.write_text(text.replace("  joint:\n", f"  joint:\n    weights: {written}\n", 1))
        with pytest.raises(UserError, match=complaint):
            read_params(params_file)


@pytest.fixture(scope="module")
def project(tmp_path_factory, warm):
    """A project with own clips, whose joint stream will use a checkpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRL_TRACKING", "off")
        project = Project(tmp_path_factory.mktemp("published"))
        patch.setenv("DVC_ROOT", str(project.folder))
        assert project.brl("preset", "custom").returncode == 0
        small = {key: value for key, value in SMALL.items() if not key.startswith("subsample")}
        project.edit(small)
        project.keep_streams("joint", "bone")
        write_stick_figures(project.folder / "own")
        yield project


@pytest.mark.slow
def test_a_pipeline_evaluates_a_checkpoint_without_training(project, monkeypatch):
    monkeypatch.setenv("BRL_TRACKING", "on")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = project.folder
    state = network(STICK, classes=2).state_dict()
    saved(folder / "j.pth", as_published(state))
    run = project.brl("weights", "joint", "j.pth")
    assert run.returncode == 0, run.stderr
    assert "j.pth: stgcnpp of 6 base channels, 2 classes, 5 joints x 3 channels" in run.stdout
    assert "Still to be trained: bone. Next: make repro" in run.stdout
    assert project.brl("check").returncode == 0
    assert project.reproduce() >= {"train@joint", "predict@joint", "ensemble", "evaluate"}
    weights = load_file(folder / "models/joint.safetensors")
    assert weights.keys() == state.keys()
    assert all(torch.equal(weights[key], state[key]) for key in state)
    assert (folder / "curves/joint.csv").read_text() == "epoch,loss,accuracy,lr\n"
    assert len(pd.read_csv(folder / "curves/bone.csv")) == 1
    results = pd.read_csv(folder / "reports/results.csv", index_col="stream")
    assert results.index.tolist() == ["joint", "bone", "ensemble"]
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    runs = mlflow.search_runs(experiment_names=[EXPERIMENT], order_by=["start_time"])
    (taken,) = runs[runs["tags.trained"] == "elsewhere"].to_dict("records")
    assert (taken["tags.streams"], taken["params.weights.file"]) == ("joint", "j.pth")
    assert taken["metrics.accuracy/top1"] == pytest.approx(results.loc["joint", "top1"], abs=0.01)
    assert runs.iloc[-1]["tags.run.joint"] == taken["run_id"]


@pytest.mark.slow
def test_another_checkpoint_only_runs_its_stream(project):
    state = network(STICK, classes=2).state_dict()
    state["cls_head.fc_cls.bias"] = torch.tensor([9.0, 0.0])
    saved(project.folder / "j.pth", state)
    run = project.brl("check")
    assert run.returncode == 1 and run.stderr.count("\n") == 1
    assert "j.pth: not the file that params.yaml records" in run.stderr
    assert project.brl("weights", "joint", "j.pth").returncode == 0
    affected = {
        "networks",
        *(f"{stage}@joint" for stage in ("train", "folds", "classify", "unseen", "predict")),
    }
    affected |= {"ensemble", "evaluate"}
    assert project.reproduce() == affected
    assert project.reproduce() == set()
    assert project.brl("weights", "joint", "none").returncode == 0
    assert project.reproduce() == affected | {"pretrain@joint"}
    assert len(pd.read_csv(project.folder / "curves/joint.csv")) == 1


@pytest.mark.slow
def test_a_stage_refuses_a_checkpoint_that_does_not_fit_in_one_line(project):
    folder = project.folder
    saved(folder / "j.pth", network(STICK, classes=3).state_dict())
    weights = {"file": "j.pth", "sha256": sha256(folder / "j.pth")}
    project.edit({"streams.joint.weights": weights})
    run = project.run("stages.train", "joint")
    assert run.returncode == 1 and run.stderr.count("\n") == 1
    assert "j.pth: its network is for 3 classes, the data have 2" in run.stderr
    project.edit({"model.base_channels": 12})
    assert "params.yaml has model.base_channels: 12" in project.run("stages.train", "joint").stderr
    assert (folder / "models/joint.safetensors").exists()
