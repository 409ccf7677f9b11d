"""The runs of results: one result is one run, and what DVC restored is recorded afterwards."""

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run

from brl.scores.scores import Scores
from brl.subset.subset import read_summary
from brl.support import paths
from brl.support.files import sha256
from brl.tracking import unsent
from brl.tracking.description import SubsetRecord, of_training
from brl.tracking.present import find_pipeline, record
from brl.tracking.results import Result, record_fused
from brl.tracking.runs import Runs
from brl.tracking.training import training_run
from brl.tracking.view import run_address
from tests.comparing import Grid
from tests.recorded import write_results

LABELS = [0, 1, 2, 2]


class Workspace(Grid):
    """A project folder with the results of one stream."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        content = self.params().model_dump()
        content["streams"] = {"joint": content["streams"]["joint"]}
        self.write_params(content)

    def set(self, section: str, **values: Any) -> None:
        content = self.params().model_dump()
        content[section] |= values
        self.write_params(content)

    def evaluate(self, predicted: list[int]) -> None:
        """What the stages after the training do."""
        write_results("joint", LABELS, predicted)
        record(self.params(), evaluated_now=True)

    def train(self) -> str:
        """Records a training that gave the present weights; returns the id of its run."""
        write_results("joint", LABELS, LABELS)
        weights = paths.tested_weights("joint")
        subset = SubsetRecord("t", *read_summary(paths.SUBSET))
        with training_run(of_training(self.params(), "joint", subset), "f") as run:
            run_id = run.start("")
            for row in pd.read_csv(paths.training_curve("joint")).to_dict("records"):
                run.log_epoch(row)
            run.finish(weights, sha256(weights))
        return run_id


@pytest.fixture
def workspace(tracked, monkeypatch) -> Workspace:
    workspace = Workspace(tracked)
    monkeypatch.chdir(tracked)
    return workspace


def recorded(kind: str) -> list[Run]:
    """The runs of a kind, oldest first."""
    return Runs().search(f"tags.kind = '{kind}'")[::-1]


def test_each_result_is_one_run_with_all_that_made_it(workspace):
    """With five test views, and back with one: both results stay as they were."""
    training = workspace.train()
    workspace.evaluate([0, 1, 2, 2])
    workspace.set("predict", num_clips=5)
    workspace.evaluate([0, 1, 2, 0])
    workspace.set("predict", num_clips=1)
    workspace.evaluate([0, 1, 2, 2])
    first, second = recorded("stream")
    assert first.info.run_id == training
    for run, views, top1 in ((first, "1", 100.0), (second, "5", 75.0)):
        assert run.info.status == "FINISHED"
        assert run.data.params["predict.num_clips"] == views
        assert run.data.params["evaluate.few_shot_below"] == "4" and "inputs" in run.data.params
        assert run.data.metrics["accuracy/top1"] == top1
        (history,) = Runs().client.get_metric_history(run.info.run_id, "accuracy/top1")
        assert history.value == top1
        assert run.inputs.dataset_inputs[0].dataset.name == "t"
    assert second.data.tags["trained.run"] == training
    assert "train/loss" in first.data.metrics and "train/loss" not in second.data.metrics
    assert (
        second.data.metrics["accuracy/few"] == 50.0 == second.data.metrics["accuracy/class/2_third"]
    )
    pipelines = recorded("pipeline")
    assert [run.data.tags["run.joint"] for run in pipelines] == [training, second.info.run_id]
    assert [run.data.metrics["streams/joint/top1"] for run in pipelines] == [100.0, 75.0]


def test_the_runs_say_what_they_are_in_the_same_words(workspace):
    workspace.train()
    workspace.evaluate(LABELS)
    stream, pipeline = recorded("stream")[0], recorded("pipeline")[0]
    for name in ("streams", "method", "data", "subset.digest"):
        assert stream.data.tags[name] == pipeline.data.tags[name]
    assert stream.data.tags["streams"] == "joint" and "device" in pipeline.data.tags
    assert stream.data.tags["mlflow.parentRunId"] == pipeline.info.run_id
    assert pipeline.data.metrics["subset/few_shot_classes"] == 1
    assert pipeline.data.metrics["subset/few_shot_below"] == 4


def test_scores_that_came_out_otherwise_are_another_result(workspace):
    """With the same parameters, after a change of code."""
    workspace.evaluate([0, 1, 2, 0])
    workspace.evaluate([0, 1, 2, 2])
    for kind in ("stream", "pipeline"):
        assert [run.data.metrics["accuracy/top1"] for run in recorded(kind)] == [75.0, 100.0]


def test_a_training_that_gave_the_same_weights_again_has_its_result(workspace):
    first = workspace.train()
    workspace.evaluate(LABELS)
    workspace.set("method", tau=2.0)  # no influence on cross-entropy
    second = workspace.train()
    workspace.evaluate(LABELS)
    assert [run.info.run_id for run in recorded("stream")] == [first, second]
    assert all(run.data.metrics["accuracy/top1"] == 100.0 for run in recorded("stream"))
    assert [run.data.tags["run.joint"] for run in recorded("pipeline")] == [first, second]


def test_equal_weights_of_a_comparison_are_not_linked(workspace):
    training = workspace.train()
    digest = sha256(paths.tested_weights("joint"))
    runs = Runs()
    of_comparison = runs.create("compared", {"kind": "compared", "weights.digest": digest})
    runs.client.set_terminated(of_comparison)
    workspace.evaluate(LABELS)
    assert recorded("pipeline")[0].data.tags["run.joint"] == training
    assert recorded("compared")[0].data.metrics == {}


def test_what_was_restored_is_recorded_with_curve_and_weights(workspace):
    """A fresh clone after `dvc pull`."""
    write_results("joint", LABELS, [0, 1, 2, 0])
    record(workspace.params())
    (stream,), (pipeline,) = recorded("stream"), recorded("pipeline")
    assert pipeline.data.tags["run.joint"] == stream.info.run_id
    assert stream.data.params["train.epochs"] == "2" and stream.data.params["inputs"] == "['joint']"
    assert stream.data.metrics["accuracy/top1"] == 75.0
    losses = Runs().client.get_metric_history(stream.info.run_id, "train/loss")
    assert [(point.step, point.value) for point in losses] == [(1, 3.0), (2, 2.0)]
    (weights,) = Runs().client.list_artifacts(stream.info.run_id)
    assert weights.path == "joint.safetensors"
    # Nobody knows on which machine it was computed.
    assert "device" not in stream.data.tags and "device" not in pipeline.data.tags
    assert find_pipeline(workspace.params()) == pipeline.info.run_id

    Runs().client.delete_run(pipeline.info.run_id)
    record(workspace.params())
    assert (
        len(recorded("stream")) == 1 and recorded("pipeline")[0].info.run_id != pipeline.info.run_id
    )


def test_nothing_slow_is_loaded_where_all_is_recorded(workspace):
    workspace.evaluate(LABELS)
    code = (
        "import sys\nfrom brl.config.params import read_params\n"
        "from brl.tracking.present import record\nrecord(read_params())\n"
        "print(sorted({'torch', 'mlflow', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert len(recorded("pipeline")) == 1


def test_the_run_of_a_checkpoint_names_the_file_and_no_training(workspace):
    content = workspace.params().model_dump()
    content["streams"]["joint"]["weights"] = {"file": "far/j.pth", "sha256": "0"}
    workspace.write_params(content)
    workspace.evaluate(LABELS)
    (run,) = recorded("stream")
    assert run.data.tags["trained"] == "elsewhere"
    assert run.data.tags["method"] == "checkpoint j.pth"
    assert run.data.params["weights.file"] == "far/j.pth"
    assert not {"method.loss", "train.epochs", "lr"} & set(run.data.params)


def test_a_changed_classifier_is_a_result_linked_to_the_training(workspace):
    training = workspace.train()
    workspace.evaluate(LABELS)
    workspace.set("classifier", kind="logit_adjustment", tau=0.5)
    write_results("joint", LABELS, [0, 1, 1, 1])
    paths.tested_weights("joint").write_bytes(b"changed")
    record(workspace.params())
    trained, changed = recorded("stream")
    assert trained.info.run_id == training and trained.data.metrics["accuracy/top1"] == 100.0
    assert changed.data.tags["trained.run"] == training
    assert changed.data.params["classifier.tau"] == "0.5"
    link = f"/runs/{training}?workflowType=machine_learning)"
    assert changed.data.tags["mlflow.note.content"].endswith(link)
    assert changed.data.metrics["accuracy/top1"] == 50.0


def test_the_accuracies_of_many_classes_are_a_table(workspace):
    names = [f"class {number}" for number in range(101)]
    labels = np.arange(101)
    scores = Scores(labels.astype(str), labels, np.eye(101, dtype=np.float32)[labels // 2 * 2])
    about = of_training(workspace.params(), "joint", SubsetRecord("t", "d", {"clips": 3}))
    classes = pd.DataFrame({"class": names, "train_clips": 1})
    result = Result.of(about, "digest", scores.predictions, classes, workspace.params().evaluate)
    run_id = record_fused(Runs(), result, {}, {})
    (run,) = Runs().search()
    shown = [name for name in run.data.metrics if name.startswith("accuracy/class/")]
    assert len(shown) == 10
    table = Runs().client.load_table(Runs().experiment_id, "by_class.json", [run_id])
    assert table["class"].tolist() == names
    assert table["accuracy"].tolist() == [100.0 if label % 2 == 0 else 0.0 for label in labels]


@pytest.mark.parametrize("failing", [(True, False), (False, True), (True, True)])
def test_what_the_store_did_not_take_is_the_same_when_it_is_sent(
    workspace, mlflow_db, monkeypatch, failing
):
    """The store fails during the training, during the evaluation, or both."""
    unsent.folder().mkdir()
    shutil.copy(mlflow_db, unsent.folder())
    works = workspace.train, partial(workspace.evaluate, LABELS)
    for fails, work in zip(failing, works, strict=True):
        with monkeypatch.context() as patch:
            if fails:
                patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
            work()
    record(workspace.params())
    assert unsent.waiting() == 0
    (stream,), (pipeline,) = recorded("stream"), recorded("pipeline")
    assert stream.data.tags["mlflow.parentRunId"] == pipeline.info.run_id
    assert pipeline.data.tags["run.joint"] == stream.info.run_id
    link = f"[joint]({run_address(stream.info.experiment_id, stream.info.run_id)})"
    assert pipeline.data.tags["mlflow.note.content"].endswith(link)
    assert {stream.info.status, pipeline.info.status} == {"FINISHED"}
    assert stream.data.metrics["accuracy/top1"] == pipeline.data.metrics["accuracy/top1"] == 100
    assert stream.data.params["predict.num_clips"] == "1" and "device" in pipeline.data.tags
    assert {"fingerprint", "weights.digest", "training.digest"} <= stream.data.tags.keys()
    curve = Runs().client.get_metric_history(stream.info.run_id, "train/loss")
    assert [(point.step, point.value) for point in curve] == [(1, 3.0), (2, 2.0)]
