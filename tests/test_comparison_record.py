"""The runs of a comparison of invented scores: 12 test clips, four of each of three classes."""

import pytest
from mlflow.entities import Run

from brl.comparison.record import record
from brl.comparison.results import finished
from brl.comparison.run import Data, trained_once, weights_file
from brl.tracking.runs import Runs
from tests.comparing import JOINT, Grid
from tests.test_comparison_report import first_wrong

TWO = {"streams": ["joint", "bone"]}


@pytest.fixture
def grid(tracked, monkeypatch) -> Grid:
    grid = Grid(tracked)
    monkeypatch.chdir(tracked)
    return grid


def recorded(grid: Grid) -> dict[str, Run]:
    """Records the results; returns all runs by their names."""
    data = Data.read()
    record(finished(grid.runs(), data), grid.runs(), data, "tiny")
    runs = Runs().search()
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {run.info.run_name: run for run in runs}


def test_each_stream_and_each_fusion_is_one_run(grid, monkeypatch):
    grid.compare({"brl": TWO, "mixup": JOINT}, seeds=[4])
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("brl.tracking.machine.processor", lambda: "EPYC elsewhere")
        grid.pretend(
            lambda run, labels: first_wrong(labels, {} if run.stream == "joint" else {0: 4})
        )
    runs = recorded(grid)
    assert list(recorded(grid)) == list(runs)  # not recorded again
    top1 = {name: run.data.metrics["accuracy/top1"] for name, run in runs.items()}
    # Two streams of equal share, one for class 0 and one for class 1: the first of equals.
    assert top1 == {
        "tiny: brl joint, seed 4": 100.0,
        "tiny: brl bone, seed 4": pytest.approx(66.667, abs=1e-3),
        "tiny: brl 2 streams, seed 4": 100.0,
        "tiny: mixup joint, seed 4": 100.0,
    }
    joint, bone, fused = (
        runs[f"tiny: brl {source}, seed 4"] for source in ("joint", "bone", "2 streams")
    )
    streams = [run.data.tags["streams"] for run in (joint, bone, fused)]
    assert streams == ["joint", "bone", "joint, bone"]
    for run in runs.values():
        expected = {"kind": "compared", "comparison": "tiny", "subset.digest": Data.read().digest}
        expected |= {"device": "EPYC elsewhere", "precision.predict": "float32"}
        assert expected.items() <= run.data.tags.items() and run.info.status == "FINISHED"
        assert run.data.params["seed"] == "4" and "predict.num_clips" in run.data.params
        assert run.inputs.dataset_inputs[0].dataset.name == "t"
    words = "cross-entropy, action-aware weights, rebalanced sampling, partial mixing"
    assert {run.data.tags["method"] for run in (joint, bone, fused)} == {words}
    assert {run.data.tags["row"] for run in (joint, bone, fused)} == {"brl"}
    assert fused.data.tags["run.bone"] == bone.info.run_id
    assert bone.data.tags["mlflow.parentRunId"] == fused.info.run_id
    assert bone.data.params["inputs"] == "['bone']" and bone.data.params["method.mix"] == "partial"
    assert bone.data.metrics["accuracy/class/0_first"] == 0.0


def test_a_fusion_of_more_streams_is_another_run(grid):
    grid.compare({"mixup": JOINT}, seeds=[4])
    grid.pretend(lambda _, labels: labels)
    (joint,) = recorded(grid).values()
    grid.compare({"mixup": TWO}, seeds=[4])
    grid.pretend(lambda _, labels: labels)
    runs = recorded(grid)
    assert runs["tiny: mixup joint, seed 4"].info.run_id == joint.info.run_id and len(runs) == 3


def test_a_fusion_under_two_names_is_one_run_above_its_streams(grid):
    """Beside a row of other streams, two streams are also all streams."""
    grid.compare({"brl": TWO, "best": {"streams": ["joint", "skip"]}})
    grid.pretend(lambda _, labels: labels)
    runs = recorded(grid)
    fused, joint = runs["tiny: brl 2 streams, seed 0"], runs["tiny: brl joint, seed 0"]
    assert "tiny: brl all streams, seed 0" not in runs
    assert joint.data.tags["mlflow.parentRunId"] == fused.info.run_id
    assert "mlflow.parentRunId" not in fused.data.tags


def test_scores_computed_again_with_another_outcome_are_another_result(grid):
    grid.pretend(lambda _, labels: labels)
    recorded(grid)
    grid.pretend(lambda _, labels: first_wrong(labels, {0: 4}))
    data = Data.read()
    record(finished(grid.runs(), data), grid.runs(), data, "tiny")
    top1 = [run.data.metrics["accuracy/top1"] for run in Runs().search()]
    assert top1 == [pytest.approx(66.667, abs=1e-3), 100.0]


def test_clips_that_were_held_out_are_no_test_clips(grid):
    grid.compare({"cross_entropy": JOINT}, settings={"train.validation": 0.5})
    grid.pretend(lambda _, labels: labels)
    (run,) = recorded(grid).values()
    assert run.data.metrics["held_out/top1"] == 100.0
    assert not [name for name in run.data.metrics if name.startswith("accuracy/")]


def test_a_result_is_in_the_run_of_its_training(grid):
    """Two rows with one training: it belongs to the first, the other links it."""
    changed = {
        **JOINT,
        "preset": "cross_entropy",
        "settings": {"classifier.kind": "tau_normalised"},
    }
    grid.compare({"cross_entropy": JOINT, "changed": changed})
    data, runs = Data.read(), grid.runs()
    trained_once(runs[0], data, "tiny", "code")
    (training,) = Runs().search()
    grid.pretend(lambda run, labels: first_wrong(labels, {0: 4 * (run.method == "changed")}))
    one, other = (
        recorded(grid)[f"tiny: {row} joint, seed 0"] for row in ("cross_entropy", "changed")
    )
    assert one.info.run_id == training.info.run_id == other.data.tags["trained.run"]
    assert {"train/loss", "accuracy/top1"} <= set(one.data.metrics)
    assert other.data.metrics["accuracy/top1"] < one.data.metrics["accuracy/top1"] == 100.0
    assert weights_file(data.trained_key(runs[0])).exists()
