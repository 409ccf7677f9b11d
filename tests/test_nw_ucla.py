"""Northwestern-UCLA: the real clips, and the whole pipeline on them with a small network."""

import json
import os
import signal
import subprocess
import time
import zipfile
from collections import Counter
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from brl.clips.store import ClipStore
from brl.datasets import nw_ucla
from brl.datasets.data_report import findings
from brl.datasets.facts import Facts
from brl.datasets.prepare import prepare
from brl.report.words import method_in_words
from brl.subset.subsample import choose_clips, profile_counts
from brl.support.errors import UserError
from brl.tracking.store import EXPERIMENT
from tests.project import SMALL, Project
from tests.reference import SHARED, shared
from tests.tiny import PARAMS

ACTIONS = ("a01", "a02", "a03", "a04", "a05", "a06", "a08", "a09", "a11", "a12")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> tuple[ClipStore, list[Facts]]:
    folder = tmp_path_factory.mktemp("nw_ucla")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_ROOT", str(folder))
        nw_ucla.SOURCE.fetch(folder / "raw", str(shared("data")))
    dataset = nw_ucla.SOURCE.open(folder / "raw")
    facts = prepare("nw_ucla", dataset, folder / "store", max_bodies=1)
    return ClipStore.open(folder / "store"), facts


@pytest.fixture
def store(prepared) -> ClipStore:
    return prepared[0]


def test_the_test_clips_of_two_classes_are_copies_of_training_clips(prepared):
    """docs/results.md warns of it, and gives the mean of the ensemble on the other classes."""
    store, facts = prepared
    train, test = (store.part("cross_view", part) for part in ("train", "test"))
    trained = {facts[clip].digest for clip in train}
    copied = np.array([facts[clip].digest in trained for clip in test])
    (row,) = findings(store, facts, 1).query("finding.str.contains('equal to a training')").values
    assert copied.sum() == row[1] == 95
    of_class = pd.Series(copied).groupby(np.array(store.classes)[store.labels[test]]).mean()
    affected = ["drop trash", "pick up with two hands"]
    assert of_class.index[of_class > 0].tolist() == affected and (of_class[affected] == 1).all()
    by_class = pd.read_csv("reports/nw_ucla/by_class.csv", index_col="class")["ensemble"]
    page = " ".join(Path("docs/results.md").read_text(encoding="utf-8").split())
    assert "95 of the 464 test clips" in page
    assert f"eight classes the ensemble's mean is {by_class.drop(affected).mean():.1f}" in page


def test_no_copy_of_a_test_clip_judges_a_recipe(prepared):
    """All 95 clips of two classes in view 2 are copies; view 1 has none."""
    store, facts = prepared
    tested = {facts[clip].digest for clip in store.part("cross_view", "test")}
    for split, number in (("view_1_to_2", 504 - 95), ("view_2_to_1", 516)):
        judging = store.part(split, "test")
        assert len(judging) == number
        assert not tested & {facts[clip].digest for clip in judging}
    judged = np.bincount(store.labels[store.part("view_1_to_2", "test")], minlength=10)
    assert np.flatnonzero(judged == 0).tolist() == [1, 2]
    assert len(store.part("view_2_to_1", "train")) == 504  # as it is in the field's training part


def test_published_numbers_of_clips(store):
    train, test = (store.part("cross_view", part) for part in ("train", "test"))
    assert (len(train), len(test)) == (1020, 464)
    available = np.bincount(store.labels[train], minlength=10)
    subset = choose_clips(store, train, profile_counts("exp", available, 100, 10), seed=0)
    assert subset.counts.tolist() == [100, 77, 59, 46, 35, 27, 21, 16, 12, 10]
    assert np.isin(subset.clips, train).all()


def drawn(names: list[str]) -> list[str]:
    """The draw of the published subset: each class is shuffled, and its first clips are kept."""
    generator, kept = np.random.RandomState(0), []
    for action, count in zip(ACTIONS, (100, 77, 59, 46, 35, 27, 21, 16, 12, 10), strict=True):
        of_class = [name for name in names if name.startswith(action)]
        generator.shuffle(of_class)
        kept += of_class[:count]
    return kept


def test_the_subset_is_the_published_one(store):
    """Of the subset drawn from sorted names, 232 clips are published; order matters."""
    order = shared("data/nw_ucla_train_order.txt").read_text(encoding="utf-8").split()
    train = store.part("cross_view", "train")
    assert store.names[train].tolist() == order
    available = np.bincount(store.labels[train])
    subset = choose_clips(store, train, profile_counts("exp", available, 100, 10), seed=0)
    published = drawn(order)
    assert store.names[subset.clips].tolist() == published
    assert len({*published} & {*drawn(sorted(order))}) == 232


def test_the_listed_training_clips():
    names = nw_ucla.TRAIN_ORDER.read_text(encoding="utf-8").split()
    assert len(names) == len({*names}) == 1020 and names != sorted(names)
    assert Counter(name[-3:] for name in names) == {"v01": 516, "v02": 504}
    of_action = Counter(name[:3] for name in names)
    assert [of_action[action] for action in ACTIONS] == [
        102, 102, 96, 124, 101, 102, 99, 99, 98, 97,
    ]  # fmt: skip


def test_all_splits_keep_the_listed_order():
    listed = nw_ucla.TRAIN_ORDER.read_text(encoding="utf-8").split()
    tested = ["a02_s01_e00_v03", "a01_s01_e00_v03"]
    splits = nw_ucla.splits(sorted(listed) + tested)
    first, second = ([name for name in listed if name[-3:] == view] for view in ("v01", "v02"))
    assert splits == {
        "cross_view": {"train": listed, "test": tested},
        "view_2_to_1": {"train": second, "test": first},
        "view_1_to_2": {"train": first, "test": second},
    }


def test_clips_equal_those_in_the_files(store):
    assert (store.frames.min(), store.frames.max(), np.median(store.frames)) == (1, 201, 31)
    with zipfile.ZipFile(shared("data/all_sqe.zip")) as archive:
        name = next(n for n in archive.namelist() if n.endswith("a02_s03_e01_v02.json"))
        content = json.loads(archive.read(name))
    (index,) = np.flatnonzero(store.names == "a02_s03_e01_v02")
    joints = np.array(content["skeletons"], dtype=np.float32)
    start, frames = store.starts[index], store.frames[index]
    np.testing.assert_allclose(store.rows[start : start + frames], joints - joints[0, 1], atol=1e-5)
    assert store.labels[index] == content["label"] - 1
    assert store.classes[store.labels[index]] == "pick up with two hands"


def damaged(folder: Path, damage: str) -> Path:
    """A mirror whose archive is broken in one way."""
    folder.mkdir()
    original, copy = shared("data/all_sqe.zip"), folder / "all_sqe.zip"
    if damage == "cut off":
        copy.write_bytes(original.read_bytes()[:1_000_000])
    elif damage == "no zip":
        copy.write_text("<html>not found</html>")
    elif damage == "a bit flipped":
        content = bytearray(original.read_bytes())
        content[len(content) // 2] ^= 0xFF
        copy.write_bytes(content)
    elif damage == "clips missing":
        with zipfile.ZipFile(copy, "w") as archive:
            archive.writestr("all_sqe/a01_s01_e00_v01.json", "{}")
    return folder


@pytest.mark.parametrize(
    ("damage", "complaint"),
    {
        "cut off": "all_sqe.zip from .*: not a whole zip file",
        "no zip": "all_sqe.zip from .*: not a whole zip file",
        "a bit flipped": "all_sqe.zip from .*: (the file .*json in it is damaged|not a whole zip)",
        "clips missing": "holds 1 clips; must be 1484",
        "no file": "dataset.mirror: .* holds no all_sqe.zip",
    }.items(),
)
def test_a_damaged_archive_is_named_and_not_kept(tmp_path, monkeypatch, damage, complaint):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    mirror = damaged(tmp_path / "mirror", damage)
    with pytest.raises(UserError, match=complaint):
        nw_ucla.SOURCE.fetch(tmp_path / "raw", str(mirror))
    assert not list((tmp_path / "raw").glob("*"))
    assert not (tmp_path / "checksums.json").exists()


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"label": 1}', '{"skeletons": [[1, 2], [3]], "label": 1}',
     '{"skeletons": [], "label": 1}', '{"skeletons": [[[0, 0, 0]]], "label": 1}',
     '{"skeletons": null, "label": "x"}'],
)  # fmt: skip
def test_an_invalid_clip_is_named(tmp_path, content):
    with zipfile.ZipFile(tmp_path / nw_ucla.ARCHIVE, "w") as archive:
        archive.writestr("all_sqe/a01_s01_e00_v01.json", content)
    with pytest.raises(UserError, match=r"all_sqe\.zip: all_sqe/a01_s01_e00_v01\.json: "):
        dataset = nw_ucla.SOURCE.open(tmp_path)
        dataset.read(dataset.items[0])


@pytest.fixture(scope="module")
def project(tmp_path_factory, warm):
    shared("data/all_sqe.zip")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRL_TRACKING", "on")
        project = Project(tmp_path_factory.mktemp("real"))
        patch.setenv("DVC_ROOT", str(project.folder))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        run = project.brl("preset", "nw_ucla", "--mirror", str(SHARED / "data"))
        assert run.returncode == 0, run.stderr
        small = {key: value for key, value in SMALL.items() if not key.startswith("subsample")}
        project.edit(small | {"train.epochs": 3, "train.passes": 3, "train.lr": 0.1})
        project.keep_streams("joint", "skip")
        yield project


def tracked(project) -> pd.DataFrame:
    """All recorded runs, oldest first."""
    local = f"sqlite:///{project.folder}/mlflow.db"
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", local))
    return mlflow.search_runs(experiment_names=[EXPERIMENT], order_by=["start_time"])


@pytest.mark.slow
def test_the_whole_pipeline_on_the_real_clips(project):
    assert "train@joint" in project.reproduce()
    results = pd.read_csv(project.folder / "reports/results.csv", index_col="stream")
    assert results.index.tolist() == ["joint", "skip", "ensemble"]
    assert results.loc["ensemble", "top1"] > 15, results  # ten classes: better than chance already
    counts = pd.read_csv(project.folder / "data/subset/counts.csv")["train_clips"]
    assert counts.sum() == 403
    for picture in ("long_tail.png", "by_class.png"):
        assert (project.folder / "reports" / picture).read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_its_runs_hold_parameters_curves_and_every_class(project):
    runs = tracked(project)
    assert runs["tags.kind"].tolist() == ["stream", "stream", "pipeline"]
    assert (runs["status"] == "FINISHED").all()
    assert (runs["tags.subset.digest"].nunique(), runs["tags.dvc.stage"].tolist()) == (
        1, ["train@joint", "train@skip", "evaluate"],
    )  # fmt: skip
    by_class = [name for name in runs if name.startswith("metrics.accuracy/class/")]
    assert sorted(by_class)[0] == "metrics.accuracy/class/0_pick_up_with_one_hand"
    assert len(by_class) == 10 and runs[by_class].notna().all(axis=None)
    written = pd.read_csv(project.folder / "reports/by_class.csv")
    for stream, run in zip(("joint", "skip", "ensemble"), runs.to_dict("records"), strict=True):
        np.testing.assert_allclose(
            [run[name] for name in sorted(by_class)], written[stream], atol=0.01
        )
    streams = runs[runs["tags.kind"] == "stream"]
    assert (streams["params.train.epochs"] == "3").all()
    assert streams["params.subsample.imbalance_factor"].astype(float).tolist() == [10, 10]
    client = mlflow.MlflowClient()
    for run_id in streams["run_id"]:
        curve = client.get_metric_history(run_id, "train/loss")
        assert [point.step for point in curve] == [1, 2, 3]
    for run_id in runs["run_id"]:
        assert client.get_run(run_id).inputs.dataset_inputs[0].dataset.name == "nw_ucla"
    parent = runs.iloc[-1]
    words = "nw_ucla (cross_view), long-tailed at factor 10"
    data = f"{words}, at most 100 clips of a class, subset seed 0"
    method = method_in_words(PARAMS)
    assert (runs["tags.method"] == method).all() and (runs["tags.data"] == data).all()
    assert parent["tags.mlflow.runName"] == f"{method}: {words}, seed 0"
    assert (runs["metrics.subset/imbalance_factor"] == 10).all()
    assert (runs["metrics.subset/clips"] == 403).all()
    groups = [parent[f"metrics.subset/{group}_shot_classes"] for group in ("many", "medium", "few")]
    assert groups == [0, 7, 3]
    pictures = {file.path for file in client.list_artifacts(parent["run_id"])}
    assert {"long_tail.png", "by_class.png", "index.html"} <= pictures
    assert (streams["tags.mlflow.parentRunId"] == parent["run_id"]).all()
    assert parent[["tags.run.joint", "tags.run.skip"]].tolist() == streams["run_id"].tolist()


@pytest.mark.slow
def test_streams_that_dvc_skipped_or_restored_stay_linked(project):
    before = tracked(project)
    joint, skip = before["run_id"][:2]
    project.edit({"streams.skip.lr": 0.02})
    project.reproduce()
    retrained = tracked(project)
    assert retrained["tags.kind"].tolist()[3:] == ["stream", "pipeline"]
    assert retrained.iloc[-1]["tags.run.joint"] == joint
    assert retrained.iloc[-1]["tags.run.skip"] == retrained.iloc[3]["run_id"] != skip
    # Back to the first setting with other weights: the stream comes out of DVC's cache.
    project.edit({"streams.skip.lr": ..., "ensemble.weights.skip": 1})
    project.reproduce()
    restored = tracked(project)
    assert restored["tags.kind"].tolist()[5:] == ["pipeline"]
    assert restored.iloc[-1][["tags.run.joint", "tags.run.skip"]].tolist() == [joint, skip]


@pytest.mark.slow
def test_a_killed_training_resumes_in_its_own_run(project):
    project.edit({"train.epochs": 5, "ensemble.weights.skip": 2})
    checkpoints = project.folder / ".checkpoints"
    killed = subprocess.Popen(
        ["dvc", "repro", "--quiet", "train@joint"], cwd=project.folder, start_new_session=True
    )
    while not list(checkpoints.glob("joint-*.pt")):
        assert killed.poll() is None
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (project.folder / "models/joint.safetensors").exists()
    interrupted = tracked(project).iloc[-1]
    assert (interrupted["tags.streams"], interrupted["status"]) == ("joint", "RUNNING")

    project.reproduce()
    (run,) = tracked(project).query("run_id == @interrupted.run_id").to_dict("records")
    assert run["status"] == "FINISHED"
    curve = mlflow.MlflowClient().get_metric_history(run["run_id"], "train/loss")
    assert [point.step for point in curve] == [1, 2, 3, 4, 5]
    written = pd.read_csv(project.folder / "curves/joint.csv")
    assert written["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert list(checkpoints.iterdir()) == []


@pytest.mark.slow
def test_weights_without_a_run_in_the_tracking_store_get_one(project, monkeypatch):
    """After a `dvc pull`, or with a new tracking store, no run is missing."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project.folder}/elsewhere.db")
    project.edit({"ensemble.weights.skip": 7})
    assert "train@joint" not in project.reproduce()
    runs = tracked(project)
    assert sorted(runs["tags.kind"]) == ["pipeline", "stream", "stream"]
    parent = runs[runs["tags.kind"] == "pipeline"].iloc[0]
    known = set(runs["run_id"]) - {parent["run_id"]}
    assert {parent["tags.run.joint"], parent["tags.run.skip"]} == known
    assert runs["metrics.accuracy/top1"].notna().all()
