"""The runs of trainings: a fresh start is a fresh run, only a resumed training resumes its run."""

import os
import platform
import signal
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from brl.report.words import method_in_words
from brl.support.processes import this_process
from brl.tracking import training as tracked
from brl.tracking.runs import Runs
from brl.tracking.training import training_run
from stages import folds, pretrain
from stages.train import train
from tests.comparing import Grid
from tests.recorded import describe
from tests.tiny import PARAMS

PRETRAINED = {"kind": "masked", "clips": "subset", "epochs": 3, "batch_size": 8, "lr": 0.05}
PRETRAINED |= {"masked": {"parts": 2, "loss": "cosine"}}
ROW = {"epoch": 1, "loss": 2.0, "accuracy": 50.0, "lr": 0.1}


@pytest.fixture
def root(tracked) -> Path:
    return tracked


@pytest.fixture
def grid(root, monkeypatch) -> Grid:
    grid = Grid(root)
    monkeypatch.chdir(root)
    return grid


def curve(run_id: str) -> list[int]:
    history = Runs().client.get_metric_history(run_id, "train/loss")
    return sorted(point.step for point in history)


def interrupt(monkeypatch, after: int) -> None:
    """Has the training end as Ctrl-C ends it, once it has logged so many epochs."""
    log_epoch = tracked.RecordedTraining.log_epoch

    def logged(self, row):
        log_epoch(self, row)
        if row["epoch"] == after:
            monkeypatch.setattr(tracked.RecordedTraining, "log_epoch", log_epoch)
            raise KeyboardInterrupt

    monkeypatch.setattr(tracked.RecordedTraining, "log_epoch", logged)


@pytest.mark.parametrize("checkpoint", ["there", "gone", "unreadable"])
def test_only_a_training_that_resumes_goes_on_in_its_run(grid, monkeypatch, checkpoint):
    interrupt(monkeypatch, after=1)
    with pytest.raises(KeyboardInterrupt):
        train(grid.params(), "joint")
    (first,) = Runs().search()
    assert first.info.status == "FAILED" and curve(first.info.run_id) == [1]
    (file,) = Path(".checkpoints").glob("*.pt")
    if checkpoint == "gone":
        file.unlink()
    elif checkpoint == "unreadable":
        file.write_bytes(b"no checkpoint")
    train(grid.params(), "joint")
    runs = Runs().search()
    assert runs[0].info.status == "FINISHED" and curve(runs[0].info.run_id) == [1, 2]
    if checkpoint == "there":
        assert [run.info.run_id for run in runs] == [first.info.run_id]
    else:
        assert len(runs) == 2 and curve(first.info.run_id) == [1]


def another_living_process() -> str:
    parent = psutil.Process(os.getppid())
    return f"{platform.node()} {parent.pid} {parent.create_time():.0f}"


@pytest.mark.parametrize(
    ("process", "shared"),
    [
        (another_living_process(), False),
        (f"{platform.node()} {os.getpid()} 1", True),  # gone: another process has its number now
        ("another machine 1 1", True),  # nobody knows, but the checkpoint is here
    ],
    ids=["alive", "gone", "elsewhere"],
)
def test_a_run_that_a_living_process_writes_is_not_joined(root, process, shared):
    runs = Runs()
    with training_run(describe("joint"), "f") as first:
        theirs = first.start("")
        first.log_epoch(ROW)
    runs.set_tags(theirs, {"process": process})
    with training_run(describe("joint"), "f") as second:
        ours = second.start(theirs)
        for epoch in (1, 2):
            second.log_epoch(ROW | {"epoch": epoch})
    assert (ours == theirs) == shared
    assert curve(ours) == [1, 2] and curve(theirs) == ([1, 2] if shared else [1])
    assert runs.client.get_run(ours).data.tags["process"] == this_process()


def test_an_equal_training_elsewhere_keeps_its_run(root):
    """On a common tracking server: their checkpoint is not here."""
    with (
        training_run(describe("joint"), "f") as theirs,
        training_run(describe("joint"), "f") as own,
    ):
        assert theirs.start("") != own.start("")


@pytest.mark.parametrize("moment", ["create_of", "log_points"])
def test_an_interruption_while_the_store_is_written_fails_the_run(root, monkeypatch, moment):
    """SQLite would stay locked, and the store have a run whose id nobody knows."""
    write = getattr(Runs, moment)

    def interrupted(*arguments):
        written = write(*arguments)
        signal.raise_signal(signal.SIGINT)
        return written

    monkeypatch.setattr(Runs, moment, interrupted)
    with pytest.raises(KeyboardInterrupt), training_run(describe("joint"), "f") as run:
        run.start("")
        run.log_epoch(ROW)
    assert [run.info.status for run in Runs().search()] == ["FAILED"]


def test_a_run_that_was_deleted_is_not_joined(root):
    runs = Runs()
    with training_run(describe("joint"), "f") as first:
        deleted = first.start("")
    runs.client.delete_run(deleted)
    for lost in (deleted, "0" * 32):
        with training_run(describe("joint"), "f") as again:
            assert again.start(lost) != lost


def test_a_run_says_from_its_start_on_what_it_is_about(root):
    about = replace(describe("bone"), name="bone: as ever")
    with training_run(about, "f") as recorded:
        run = Runs().client.get_run(recorded.start(""))
        assert run.info.status == "RUNNING" and run.info.run_name == "bone: as ever"
        assert run.data.params["inputs"] == "['bone']" and run.data.params["train.epochs"] == "10"
        assert "predict.num_clips" not in run.data.params
        assert run.data.metrics == {"subset/clips": 3.0}
        expected = {"kind": "stream", "streams": "bone", "method": method_in_words(PARAMS)}
        expected |= {"fingerprint": "f", "process": this_process()}
        assert expected.items() <= run.data.tags.items() and "torch" in run.data.tags
        assert run.inputs.dataset_inputs[0].dataset.name == "t"


def test_an_error_fails_the_run_and_a_store_is_not_needed_before(root):
    with pytest.raises(ValueError), training_run(describe("joint"), "f") as run:
        run.start("")
        raise ValueError
    with pytest.raises(ValueError), training_run(describe("joint"), "f"):
        raise ValueError
    assert [run.info.status for run in Runs().search()] == ["FAILED"]


def test_a_pretraining_has_a_run_that_the_run_of_its_training_leads_to(grid):
    grid.edit_params("pretrain", PRETRAINED)
    pretrain.main("joint")
    (first,) = Runs().search()
    assert first.info.status == "FINISHED" and curve(first.info.run_id) == [1, 2, 3]
    assert first.data.tags["kind"] == "pretraining" and first.data.tags["streams"] == "joint"
    assert first.data.tags["method"] == "masked pre-training"
    shown = first.data.params
    assert shown["pretrain.epochs"] == "3" and shown["train.clip_len"] == "8"
    assert not {"method.loss", "train.epochs", "train.lr", "lr"} & shown.keys()
    (artifact,) = Runs().client.list_artifacts(first.info.run_id)
    assert artifact.path == "joint.safetensors"
    train(grid.params(), "joint")
    (second,) = Runs().search("tags.kind = 'stream'")
    assert second.data.tags["pretrained.digest"] == first.data.tags["weights.digest"]
    assert second.data.tags["method"].endswith("after masked pre-training")
    assert second.data.params["pretrain.masked.parts"] == "2"


def test_the_training_without_each_fold_has_a_run(grid, monkeypatch):
    """One that is interrupted goes on in its run; that of the finished fold before it stays."""
    grid.fold(2)
    log_epoch, logged = tracked.RecordedTraining.log_epoch, []

    def interrupting(self, row):
        log_epoch(self, row)
        logged.append(row["epoch"])
        if logged.count(1) == 2:
            monkeypatch.setattr(tracked.RecordedTraining, "log_epoch", log_epoch)
            raise KeyboardInterrupt

    monkeypatch.setattr(tracked.RecordedTraining, "log_epoch", interrupting)
    with pytest.raises(KeyboardInterrupt):
        folds.main("joint")
    folds.main("joint")
    runs = Runs().search("tags.kind = 'fold'")
    assert [run.info.status for run in runs] == ["FINISHED"] * 2
    assert {run.info.run_name.split(":")[0] for run in runs} == {"without fold 1", "without fold 2"}
    epochs = list(range(1, grid.params().train.epochs + 1))
    assert [curve(run.info.run_id) for run in runs] == [epochs] * 2
    assert {run.data.tags["streams"] for run in runs} == {"joint"}
    assert len(Runs().search()) == 2
