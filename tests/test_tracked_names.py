"""Names in MLflow: metrics, data, and runs that are told apart."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from brl.config.params import Params
from brl.tracking.names import accuracy_metrics, class_metric, data_tag, run_name
from tests.tiny import PARAMS

BRL = "cross-entropy, action-aware weights, rebalanced sampling, partial mixing"
AS_COMMITTED = f"{BRL}: synthetic (cross_subject_view), long-tailed at factor 30, seed 0"


def test_metric_names_sort_by_label_and_hold_no_character_mlflow_refuses():
    assert class_metric(7, "eat meal/snack", 60) == "accuracy/class/07_eat_meal_snack"
    assert class_metric(7, "touch head (headache) 100%", 120) == (
        "accuracy/class/007_touch_head_headache_100"
    )
    assert class_metric(0, "Müller's", 10) == "accuracy/class/0_m_ller_s"
    assert len(class_metric(0, "w" * 240, 10)) < 250
    metrics = accuracy_metrics({"top1": 50.0, "few": None}, {"a": 1.0, "b": float("nan")})
    assert metrics == {"accuracy/top1": 50.0, "accuracy/class/0_a": 1.0}


def test_of_many_classes_the_extremes_are_metrics():
    accuracies = {f"c{label}": float((37 * label) % 101) for label in range(101)}
    shown = accuracy_metrics({}, accuracies, "held_out")
    assert sorted(shown.values()) == [0, 1, 2, 3, 4, 96, 97, 98, 99, 100]
    label = next(name for name, value in accuracies.items() if value == 96)
    assert shown[f"held_out/class/{int(label[1:]):03d}_{label}"] == 96
    del accuracies["c0"]
    assert len(accuracy_metrics({}, accuracies)) == 100


def changed(**changes: Any) -> Params:
    """The parameters with changed keys of sections; a whole section if it is no dictionary."""
    content = PARAMS.model_dump()
    for section, values in changes.items():
        content[section] = content[section] | values if isinstance(values, dict) else values
    return Params.model_validate(content)


def test_the_data_have_every_parameter_of_the_subset():
    words = data_tag(PARAMS)
    assert words == (
        "synthetic (cross_subject_view), long-tailed at factor 30, at most 150 clips of a class, "
        "subset seed 0"
    )
    for values in ({"max_per_class": 20}, {"seed": 1}, {"profile": "natural"}, {"profile": "step"}):
        assert data_tag(changed(subsample=values)) != words
    assert data_tag(changed(subsample={"list_file": "mine.txt"})).endswith("subset of mine.txt")


@pytest.fixture
def committed(tmp_path, monkeypatch) -> Path:
    """A git repository with params.yaml in a folder of it; the current folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    Path("params.yaml").write_text(yaml.safe_dump(PARAMS.model_dump()))
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "a"]):
        subprocess.run(["git", *command], check=True)
    return folder


def test_a_name_says_what_differs_from_the_committed_parameters(committed, monkeypatch):
    assert run_name(PARAMS) == AS_COMMITTED
    assert run_name(changed(train={"lr": 0.05}, seed=3)) == "seed 3, train.lr 0.05"
    assert run_name(changed(dataset={"mirror": "elsewhere"})) == AS_COMMITTED
    tail = changed(subsample={"imbalance_factor": 10})
    assert run_name(tail) == "subsample.imbalance_factor 10.0"
    method = changed(method={"mix": "mixup", "mix_share": 0.25})
    words = BRL.replace("partial", "mixup")
    assert run_name(method) == f"{words}, method.mix_share 0.25"
    other = changed(dataset={"name": "nw_ucla", "split": "cross_view"}, train={"epochs": 3})
    assert run_name(other) == ("nw_ucla (cross_view), long-tailed at factor 30, train.epochs 3")
    monkeypatch.setenv("DVC_EXP_NAME", "quick-fox")
    assert run_name(changed(train={"lr": 0.05})) == "quick-fox: train.lr 0.05"


def test_a_name_tells_of_streams(committed):
    streams = dict(PARAMS.streams)
    skip = streams.pop("skip").model_copy(update={"lr": 0.2})
    assert run_name(PARAMS.model_copy(update={"streams": streams})) == "without skip"
    edited = PARAMS.model_copy(update={"streams": streams | {"skip": skip}})
    assert run_name(edited) == "streams.skip.lr 0.2"
    assert run_name(edited, "skip") == "skip: streams.skip.lr 0.2"
    assert run_name(edited, "joint") == f"joint: {AS_COMMITTED}"


def test_only_parameters_that_matter_to_a_stream_are_in_its_name(committed):
    edited = changed(
        predict={"num_clips": 9}, ensemble={"weights": dict.fromkeys(PARAMS.streams, 1)}
    )
    assert run_name(edited, "joint", ("predict", "ensemble")) == f"joint: {AS_COMMITTED}"
    assert run_name(edited, "joint", ("ensemble",)) == "joint: predict.num_clips 9"


def test_a_long_name_ends_with_the_number_of_the_rest(committed):
    edited = changed(
        train={"epochs": 80, "passes": 7, "batch_size": 99, "lr": 0.3, "momentum": 0.5},
        predict={"num_clips": 3, "batch_size": 7},
        evaluate={"many_shot_above": 70, "few_shot_below": 30},
    )
    name = run_name(edited)
    assert len(name) < 200 and name.startswith("train.epochs 80, train.passes 7")
    assert name.endswith(" and 1 more")


def test_without_git_a_name_is_of_method_and_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    assert run_name(changed(train={"lr": 0.05})) == AS_COMMITTED
