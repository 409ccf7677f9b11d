"""A fusion that learns, through DVC. The tests run in order, each after the previous one."""

import numpy as np
import pandas as pd
import pytest

from brl.scores.scores import load_scores
from tests.project import SMALL, Project

STREAMS = ("joint", "skip")
FUSED = {"ensemble", "evaluate"}
pytestmark = pytest.mark.slow


def of(*stages: str) -> set[str]:
    return {f"{stage}@{stream}" for stage in stages for stream in STREAMS}


@pytest.fixture(scope="module")
def project(tmp_path_factory, warm):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRL_TRACKING", "off")
        project = Project(tmp_path_factory.mktemp("project"))
        project.edit(SMALL)
        project.keep_streams(*STREAMS)
        project.use_stick_figures(clips=36)
        project.reproduce()
        yield project


def weights(project) -> dict[str, bytes]:
    return {s: (project.folder / f"models/{s}.safetensors").read_bytes() for s in STREAMS}


def fused(project) -> np.ndarray:
    return load_scores(project.folder / "fused/scores.npz").probabilities


def test_a_kind_that_does_not_learn_runs_the_fusion_alone(project):
    project.edit({"ensemble.kind": "logits"})
    assert project.reproduce() == FUSED
    project.edit({"ensemble.kind": "weighted"})
    assert project.reproduce() == FUSED  # from the cache


def test_folds_train_what_the_fusion_learns_from_and_no_stream(project):
    before, weighted = weights(project), fused(project)
    project.edit({"ensemble.kind": "stacked", "ensemble.folds": 2})
    assert project.reproduce() == {"subsample", *of("folds", "unseen"), *FUSED}
    assert project.reproduce() == set()
    assert weights(project) == before and np.abs(fused(project) - weighted).max() > 1e-3
    names = [path.name for path in sorted((project.folder / "folds/joint").iterdir())]
    assert names == ["1.safetensors", "2.safetensors"]
    clips = pd.read_csv(project.folder / "data/training/subset/train.csv")["name"]
    learned_from = load_scores(project.folder / "unseen/joint.npz")
    assert learned_from.names.tolist() == clips.tolist()


def test_what_comes_after_a_training_trains_no_fold_again(project):
    project.edit({"predict.num_clips": 2})
    assert project.reproduce() == {*of("unseen", "predict"), *FUSED}
    project.edit({"classifier.kind": "logit_adjustment"})
    assert project.reproduce() == {*of("classify", "unseen", "predict"), *FUSED}
    project.edit({"ensemble.weights.skip": 3, "pretrain.epochs": 9})
    assert project.reproduce() == {*of("pretrain"), *FUSED}


def test_what_was_fused_can_be_used_and_says_the_same(project):
    page = (project.folder / "reports/index.html").read_text()
    assert "stacked fusion, learned from unseen training clips: 2 folds" in page
    assert "stacked fusion instead of the weighted one (joint 2, skip 3)" in page
    recording = next((project.folder / "own").rglob("*.npy"))
    shown = project.brl("predict", str(recording), "--json")
    assert shown.returncode == 0, shown.stderr
    packed = project.brl("release")
    assert packed.returncode == 0, packed.stderr
    again = project.brl("predict", str(recording), "--json", "--from", "release/recognizer.zip")
    assert again.stdout == shown.stdout


def test_the_mixer_learns_from_the_same_folds(project):
    before = fused(project)
    project.edit({"ensemble.kind": "mixer"})
    assert project.reproduce() == FUSED
    assert np.abs(fused(project) - before).max() > 1e-3
    page = (project.folder / "reports/index.html").read_text()
    assert "mixer fusion, learned from unseen training clips: 2 folds" in page
    recording = next((project.folder / "own").rglob("*.npy"))
    shown = project.brl("predict", str(recording), "--json")
    assert shown.returncode == 0, shown.stderr
    project.edit({"ensemble.kind": "stacked"})
    assert project.reproduce() == FUSED  # from the cache


def test_a_held_out_share_trains_the_streams_without_it(project):
    before = weights(project)
    project.edit({"ensemble.held_out": 0.25, "ensemble.folds": 0})
    stages = ("pretrain", "train", "folds", "classify", "unseen", "predict")
    assert project.reproduce() == {"subsample", *of(*stages), *FUSED}
    assert weights(project) != before
    subset, trained, unseen = (
        pd.read_csv(project.folder / f"data/{name}.csv")["name"].tolist()
        for name in ("subset/train", "training/subset/train", "unseen")
    )
    assert sorted(trained + unseen) == sorted(subset) and not set(trained) & set(unseen)
    assert load_scores(project.folder / "unseen/skip.npz").names.tolist() == unseen


def test_a_mistake_gets_one_line_before_any_training(project):
    before = (project.folder / "params.yaml").read_text()
    for changes, says in (
        ({"folds": 50, "held_out": 0.0}, "ensemble.folds: 50, but the class '"),
        ({"folds": 1, "held_out": 0.0}, "ensemble: folds: 1 would train without any clip"),
        ({"folds": 2}, "ensemble: kind: stacked learns from clips on which"),
        ({"kind": "weighted"}, "ensemble: kind: weighted learns nothing: held_out must be 0.0"),
    ):
        project.edit({f"ensemble.{key}": value for key, value in changes.items()})
        run = project.run("stages.subsample")
        (project.folder / "params.yaml").write_text(before)
        assert run.returncode == 1 and run.stderr.count("\n") == 1
        assert run.stderr.startswith(f"error: params.yaml: {says}"), run.stderr


def test_without_it_everything_is_as_it_was(project):
    project.edit({"ensemble.kind": "weighted", "ensemble.held_out": 0.0})
    project.edit({"classifier.kind": "none", "predict.num_clips": 1})
    project.reproduce()
    learned = project.folder / "fused/fusion.safetensors"
    assert learned.stat().st_size < 200  # a checksum of nothing
    shown = project.brl("check")
    assert shown.returncode == 0, shown.stderr
