"""Runs of a comparison: each is computed once, as the pipeline would, also after interruptions."""

import copy
import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from brl import classifier
from brl.balance.holdout import hold_out
from brl.clips.store import ClipStore
from brl.commands import pipeline
from brl.commands.clean import in_comparisons
from brl.comparison import run as running
from brl.comparison import share as sharing
from brl.comparison.data import unfinished_checkpoint
from brl.comparison.made import Code, facts, made_by_other_code, note_of, steps_of
from brl.comparison.plan import put
from brl.comparison.results import finished
from brl.comparison.run import Data, compute
from brl.config.presets import METHODS, overwrite
from brl.scores.scores import load_scores, rounded
from brl.streams.weights import load_weights
from brl.support.errors import UserError
from brl.support.locks import Lock
from brl.training.loop import Training
from stages import classify, predict, pretrain, train
from tests.command import brl
from tests.comparing import JOINT, Grid, no_workers
from tests.project import HERE
from tests.test_jobs import until

# The console script, of a folder in which DVC has nothing to do: the clips are there.
PROGRAM = """
from brl.commands import main, pipeline
pipeline.reproduce = lambda *_: None
main.main()
"""
COMMAND = [sys.executable, "-c", PROGRAM, "compare", "tiny"]


@pytest.fixture
def grid(grid, monkeypatch) -> Grid:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(sharing, "workers", no_workers)
    return grid


@pytest.fixture
def epochs(monkeypatch) -> list[tuple[str, int]]:
    """The epochs that are trained: the mix of the method and the epoch's number."""
    trained = []
    run_epoch = Training.run_epoch

    def noted(self, bar):
        trained.append((self.job.method.mix, self.epoch))
        return run_epoch(self, bar)

    monkeypatch.setattr(Training, "run_epoch", noted)
    return trained


def compute_all(grid: Grid) -> dict[str, np.ndarray]:
    """Computes the unfinished runs; returns the probabilities of all."""
    compute(grid.runs(), Data.read(), "tiny", jobs=1)
    return probabilities(grid)


def probabilities(grid: Grid) -> dict[str, np.ndarray]:
    data = Data.read()
    files = {run.title: data.scores_file(run) for run in grid.runs()}
    return {
        title: load_scores(file).probabilities for title, file in files.items() if file.exists()
    }


def test_finished_runs_are_not_computed_again(grid, epochs, monkeypatch):
    first = compute_all(grid)
    assert epochs == [("none", 0), ("none", 1)] and len(first) == 1
    scored = []
    score = running.score
    monkeypatch.setattr(
        running, "score", lambda run, *rest: scored.append(run.title) or score(run, *rest)
    )
    grid.compare({"cross_entropy": JOINT, "mixup": JOINT})
    second = compute_all(grid)
    assert epochs[2:] == [("mixup", 0), ("mixup", 1)] and scored == ["mixup joint, seed 0"]
    assert list(second) == ["cross_entropy joint, seed 0", "mixup joint, seed 0"]
    assert np.array_equal(*(each["cross_entropy joint, seed 0"] for each in (first, second)))
    (grid.folder / ".comparison").rename(grid.folder / "kept")
    assert len(compute_all(grid)) == 2 and len(epochs) == 8
    assert not list((grid.folder / ".comparison/unfinished").iterdir())


def test_methods_that_differ_after_the_training_share_it(grid, epochs):
    grid.compare(dict.fromkeys(("cross_entropy", "logit_adjustment", "retrained"), JOINT))
    computed = compute_all(grid)
    assert len(epochs) == 2 and len(computed) == 3
    assert len({array.tobytes() for array in computed.values()}) == 3
    prior = np.array([8, 5, 2]) / 15
    plain, adjusted = (
        computed["cross_entropy joint, seed 0"],
        computed["logit_adjustment joint, seed 0"],
    )
    expected = plain / prior
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(adjusted, expected, atol=2 / 2048)  # both are rounded


PRETRAINED = {
    "pretrain.kind": "masked", "pretrain.epochs": 3, "pretrain.batch_size": 8, "pretrain.lr": 0.05,
}  # fmt: skip


def test_rows_share_the_encoder_that_they_start_from(grid, epochs):
    """It depends neither on the method nor on the head."""
    row = JOINT | {"settings": PRETRAINED}
    scratch = {"preset": "cross_entropy"} | JOINT
    rows = {"cross_entropy": row, "ldam": row, "mixup": row, "scratch": scratch}
    grid.compare(rows, reference="scratch")
    computed = compute_all(grid)
    assert len(computed) == 4 and len(epochs) == 3 + 4 * 2
    assert len({array.tobytes() for array in computed.values()}) == 4
    data, runs = Data.read(), grid.runs()
    (encoder,) = {running.encoder_file(data.encoder_key(run)) for run in runs if run.job.pretrain}
    assert encoder.exists() and encoder.with_suffix(".csv").exists()
    assert made_by_other_code(runs, data) == (0, 0)
    steps = [steps_of(running.weights_file(data.trained_key(run))) for run in runs]
    assert steps == [2 * 2 + 3 * 2] * 3 + [2 * 2]
    compute_all(grid)
    assert len(epochs) == 11


def test_a_row_on_all_clips_of_the_split_has_an_encoder_of_its_own(grid):
    rows = {
        clips: JOINT
        | {"preset": "cross_entropy", "settings": PRETRAINED | {"pretrain.clips": clips}}
        for clips in ("subset", "split")
    }
    grid.compare(rows)
    data, runs = Data.read(), grid.runs()
    assert [len(data.pretraining_clips(run)) for run in runs] == [15, 24]
    assert not set(data.pretraining_clips(runs[1])) & set(data.store.part("half", "test"))
    first, second = compute_all(grid).values()
    assert not np.array_equal(first, second)
    assert len(list((grid.folder / ".comparison/pretrained").glob("*.safetensors"))) == 2


def test_the_clips_that_judge_do_not_pretrain(grid):
    row = JOINT | {"settings": PRETRAINED}
    grid.compare({"cross_entropy": row}, settings={"train.validation": 0.4})
    data, (run,) = Data.read(), grid.runs()
    kept, held_out = data.parts(run)
    assert data.pretraining_clips(run).tolist() == kept.clips.tolist()
    assert not set(kept.clips) & set(held_out)
    grid.compare({"cross_entropy": row})
    (other,) = grid.runs()
    assert data.encoder_key(run) != data.encoder_key(other)


def test_an_interrupted_pretraining_resumes(grid, epochs, monkeypatch):
    grid.compare({"cross_entropy": JOINT | {"settings": PRETRAINED}})
    with monkeypatch.context() as patch:
        patch.setattr(Training, "save", interrupted)
        with pytest.raises(UserError, match=r"1 of 2 trainings failed: .*the light went out"):
            compute_all(grid)
    assert len(epochs) == 1
    data, (run,) = Data.read(), grid.runs()
    assert set(in_comparisons(grid.params(), data)) == {
        data.trained_key(run),
        data.encoder_key(run),
    }
    (computed,) = compute_all(grid).values()
    assert len(epochs) == 5
    assert set(in_comparisons(grid.params(), data)) == set()
    (grid.folder / ".comparison").rename(grid.folder / "kept")
    np.testing.assert_array_equal(*compute_all(grid).values(), computed)


SAVE = Training.save


def interrupted(training: Training, checkpoint: Path) -> None:
    """Stands for the method that saves a checkpoint: the first one is the last."""
    SAVE(training, checkpoint)
    raise OSError("the light went out")


def test_an_interrupted_training_resumes(grid, epochs, monkeypatch):
    grid.compare({"mixup": JOINT})
    with monkeypatch.context() as patch:
        patch.setattr(Training, "save", interrupted)
        with pytest.raises(UserError, match="mixup joint, seed 0: the light went out"):
            compute_all(grid)
    computed = compute_all(grid)
    assert epochs == [("mixup", 0), ("mixup", 1)]
    (grid.folder / ".comparison").rename(grid.folder / "kept")
    np.testing.assert_array_equal(
        *(each["mixup joint, seed 0"] for each in (computed, compute_all(grid)))
    )


def test_a_full_disk_on_this_machine_is_said_with_the_remedy(grid, monkeypatch):
    def full(_training: Training, checkpoint: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(checkpoint))

    monkeypatch.setattr(Training, "save", full)
    with pytest.raises(UserError, match=r"1 of 1 .*: No space left on device; free some space"):
        compute_all(grid)


def test_a_run_that_fails_leaves_the_others(grid, monkeypatch):
    wrong = {"preset": "cross_entropy", "settings": {"train.lr": 1e30}} | JOINT
    grid.compare({"wrong": wrong, "cross_entropy": JOINT}, reference="cross_entropy")
    monkeypatch.setattr(pipeline, "reproduce", lambda *_: None)
    done = brl("compare", "tiny")
    said = done.stderr.splitlines()
    assert done.exit_code == 1 and not any("Traceback" in line for line in said)
    assert said[-1].startswith(
        "error: 1 of 2 trainings failed: wrong joint, seed 0: joint: the loss is not finite"
    )
    assert list(probabilities(grid)) == ["cross_entropy joint, seed 0"]
    assert (
        "| cross_entropy | 1 |" in (grid.folder / "reports/comparisons/tiny/README.md").read_text()
    )


def test_a_bug_in_one_run_shows_where_and_leaves_the_others(grid, monkeypatch, capsys):
    grid.compare({"cross_entropy": JOINT, "mixup": JOINT})
    score = running.score

    def broken(run, *rest):
        if run.method == "cross_entropy":
            raise ZeroDivisionError("a bug")
        return score(run, *rest)

    monkeypatch.setattr(running, "score", broken)
    with pytest.raises(UserError, match="1 of 2 trainings failed: cross_entropy joint, seed 0"):
        compute_all(grid)
    assert "in broken" in capsys.readouterr().err
    assert list(probabilities(grid)) == ["mixup joint, seed 0"]


def test_with_a_validation_part_test_clips_are_not_used(grid, monkeypatch):
    grid.compare({"cross_entropy": JOINT}, seeds=[0, 1], settings={"train.validation": 0.4})
    part = ClipStore.part
    opened = []
    monkeypatch.setattr(
        ClipStore, "part", lambda self, split, name: opened.append(name) or part(self, split, name)
    )
    compute_all(grid)
    data, runs = Data.read(), grid.runs()
    for one in finished(runs, data):
        _, held_out = hold_out(data.store, data.subset, 0.4, one.seed)
        assert list(one.clips.names) == list(data.store.names[held_out.clips])
        assert held_out.counts.tolist() == [3, 2, 1]
    assert "test" not in opened


def test_the_clips_that_judge_do_not_choose_the_epoch(grid, monkeypatch):
    """The first epoch would be the best by them: the last one is kept."""
    grid.compare({"cross_entropy": JOINT}, settings={"train.validation": 0.4})
    curve = iter([0.9, 0.1])
    monkeypatch.setattr("sklearn.metrics.balanced_accuracy_score", lambda *_: next(curve))
    run_epoch, states = Training.run_epoch, []

    def followed(self, bar):
        row = run_epoch(self, bar)
        states.append(copy.deepcopy(self.model.state_dict()))
        return row

    monkeypatch.setattr(Training, "run_epoch", followed)
    compute_all(grid)
    kept = load_weights(running.weights_file(Data.read().trained_key(grid.runs()[0])))
    same = [
        all(torch.equal(tensor, state[name]) for name, tensor in kept.model.state_dict().items())
        for state in states
    ]
    assert same == [False, True]


@pytest.mark.parametrize("method", ["logit_adjustment", "retrained"])
def test_a_changed_classifier_does_not_know_the_clips_that_judge(grid, monkeypatch, method):
    grid.compare({method: JOINT}, settings={"train.validation": 0.4})
    known = []
    monkeypatch.setitem(
        classifier.ADJUSTMENTS, method, lambda _, part, _tau: known.append(part.subset)
    )
    compute_all(grid)
    data = Data.read()
    kept, _ = hold_out(data.store, data.subset, 0.4, 0)
    assert known[0].clips.tolist() == kept.clips.tolist()
    assert known[0].counts.tolist() == kept.counts.tolist() == [5, 3, 1]


@pytest.mark.parametrize(
    ("method", "pretrained"), [("brl", {}), ("retrained", {}), ("brl", PRETRAINED)], ids=str
)
def test_a_run_is_what_the_pipeline_makes_of_the_same_parameters(grid, method, pretrained):
    grid.compare({method: JOINT}, seeds=[2], settings={"train.validation": 0.0, **pretrained})
    (computed,) = compute_all(grid).values()
    content = grid.params().model_dump()
    overwrite(content, METHODS.read(method))
    put(content, pretrained)
    content["seed"] = 2
    grid.write_params(content)
    for stage in (pretrain, train, classify, predict):
        stage.main("joint")
    ours = running.weights_file(Data.read().trained_key(grid.runs()[0]))
    assert ours.read_bytes() == (grid.folder / "models/joint.safetensors").read_bytes()
    curve = (grid.folder / "curves/joint.csv").read_bytes()
    assert ours.with_suffix(".csv").read_bytes() == curve
    theirs = load_scores(grid.folder / "scores/joint.npz")
    np.testing.assert_array_equal(computed, rounded(theirs.probabilities))


@pytest.fixture
def code(grid) -> Path:
    """A copy of brl/, to change it."""
    (grid.folder / "brl").unlink()
    shutil.copytree(HERE / "brl", "brl", ignore=shutil.ignore_patterns("__pycache__"))
    return grid.folder / "brl"


def append(file: Path) -> None:
    with file.open("a") as text:
        text.write("# may have an influence\n")


def test_trainings_of_other_code_are_counted_but_not_repeated(grid, epochs, code):
    grid.compare({"cross_entropy": JOINT, "logit_adjustment": JOINT, "mixup": JOINT})
    compute_all(grid)
    runs, data = grid.runs(), Data.read()
    assert made_by_other_code(runs, data) == (0, 0)
    note_of(running.weights_file(data.trained_key(runs[2]))).unlink()
    assert made_by_other_code(runs, data) == (1, 0)
    append(code / "training/losses.py")
    assert made_by_other_code(runs, data) == (2, 0)
    compute_all(grid)
    assert len(epochs) == 4


@pytest.mark.parametrize("module", ["classifier.py", "prediction.py"])
def test_scores_of_other_code_are_computed_again_from_kept_weights(
    grid, epochs, code, monkeypatch, module
):
    grid.compare({"logit_adjustment": JOINT})
    first = compute_all(grid)
    stronger = classifier.logit_adjustment
    monkeypatch.setitem(
        classifier.ADJUSTMENTS, "logit_adjustment", lambda *given: stronger(*given[:2], 5.0)
    )
    compute_all(grid)
    data, (run,) = Data.read(), grid.runs()
    append(code / module)
    assert made_by_other_code([run], data)[1] == 1
    second = compute_all(grid)
    assert len(epochs) == 2 and not np.array_equal(first[run.title], second[run.title])
    assert made_by_other_code([run], data)[1] == 0


def test_without_weights_scores_of_other_code_stay_and_are_counted(grid, epochs, code):
    first = compute_all(grid)
    data, (run,) = Data.read(), grid.runs()
    running.weights_file(data.trained_key(run)).unlink()
    append(code / "prediction.py")
    second = compute_all(grid)
    assert len(epochs) == 2 and np.array_equal(first[run.title], second[run.title])
    assert made_by_other_code([run], data) == (1, 1)  # the validation of a training predicts, too


def test_code_without_influence_is_no_other_code(code):
    before = Code.of("stgcnpp")
    append(code / "comparison/run.py")
    append(code / "models/msg3d.py")
    assert Code.of("stgcnpp") == before
    append(code / "training/losses.py")
    after = Code.of("stgcnpp")
    assert after.training != before.training and after.scoring == before.scoring


def test_a_training_that_resumes_is_of_both_codes_and_both_machines(grid, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Training, "save", interrupted)
        patch.setattr("brl.tracking.machine.processor", lambda: "old")
        with pytest.raises(UserError, match="the light went out"):
            compute_all(grid)
    monkeypatch.setattr("brl.tracking.machine.processor", lambda: "new")
    compute_all(grid)
    data, (run,) = Data.read(), grid.runs()
    weights = running.weights_file(data.trained_key(run))
    assert facts([weights])["device"] == "old | new"
    assert facts([weights])["precision.train"] == "float32"
    assert facts([data.scores_file(run)])["device"] == "new"
    assert made_by_other_code([run], data) == (0, 0)


@pytest.mark.slow
def test_side_by_side_is_one_after_the_other(grid):
    grid.compare({"brl": {"streams": ["joint", "bone"]}})
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    there = subprocess.run(
        [*COMMAND, "--jobs", "2"], env=environment, capture_output=True, text=True
    )
    assert there.returncode == 0, there.stderr
    assert "## 2 streams" in there.stdout and "brl bone, seed 0: top-1" in there.stderr
    side_by_side = probabilities(grid)
    (grid.folder / ".comparison").rename(grid.folder / "kept")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = compute_all(grid)
    finally:
        torch.set_num_threads(threads)
    assert len(alone) == 2 and alone.keys() == side_by_side.keys()
    for title, computed in alone.items():
        np.testing.assert_array_equal(computed, side_by_side[title])


@pytest.mark.slow
@pytest.mark.parametrize("by", ["Ctrl-C", "kill"])
def test_ctrl_c_ends_at_once_and_keeps_checkpoints(grid, by):
    """Ctrl-C reaches all processes of the terminal, a kill only the first one."""
    grid.compare({"cross_entropy": JOINT}, seeds=[0, 1, 2], settings={"train.epochs": 100_000})
    process = subprocess.Popen(
        [*COMMAND, "--jobs", "1"], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    checkpoints = grid.folder / ".comparison/unfinished"
    until(lambda: list(checkpoints.glob("[!.]*.pt")))
    children = psutil.Process(process.pid).children(recursive=True)
    if by == "Ctrl-C":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.terminate()
    output = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    first, dashboard, last = output.splitlines()
    assert first == "tiny: 3 runs, 3 to do"
    assert dashboard.startswith("dashboard: http://127.0.0.1:")
    assert last == "interrupted; run the same command again to resume"
    until(lambda: not any(child.is_running() for child in children))
    assert len(list(checkpoints.glob("[!.]*.pt"))) == 1
    assert not (grid.folder / "reports").exists()


@pytest.mark.slow
def test_two_processes_share_a_comparison_and_one_takes_over_from_a_killed_one(grid):
    grid.compare({"cross_entropy": JOINT}, seeds=[0, 1, 2], settings={"train.epochs": 60})
    alone = compute_all(grid)
    (grid.folder / ".comparison").rename(grid.folder / "kept")
    checkpoints = grid.folder / ".comparison/unfinished"
    trained = grid.folder / ".comparison/trained"
    first = subprocess.Popen(COMMAND, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until(lambda: list(checkpoints.glob("[!.]*.pt")))
    (key,) = (path.stem for path in checkpoints.glob("[!.]*.pt"))
    workers = psutil.Process(first.pid).children(recursive=True)
    for worker in workers:  # to be in the middle of its training for long
        worker.suspend()
    second = subprocess.Popen(COMMAND, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    until(lambda: len(list(trained.glob("*.safetensors"))) == 2)
    assert second.poll() is None and not (trained / f"{key}.safetensors").exists()
    first.kill()
    first.wait()
    for worker in workers:
        worker.resume()
    output, errors = second.communicate(timeout=300)
    assert second.returncode == 0, errors
    assert not any(worker.is_running() for worker in workers)
    assert errors.count(": computed by process ") == 1
    assert "| cross_entropy | 3 |" in output
    for title, probabilities_there in probabilities(grid).items():
        np.testing.assert_array_equal(probabilities_there, alone[title])
    for file in trained.glob("*.safetensors"):
        assert file.read_bytes() == (grid.folder / "kept/trained" / file.name).read_bytes()
        assert len(note_of(file).read_text().splitlines()) == (2 if file.stem == key else 1)


def test_what_another_process_computes_comes_last_and_is_not_computed_twice(
    grid, epochs, monkeypatch, capsys
):
    grid.compare({"cross_entropy": JOINT, "mixup": JOINT})
    data, (taken, _) = Data.read(), grid.runs()
    lock = Lock(unfinished_checkpoint(data.trained_key(taken)))
    assert lock.take()

    def the_other_computes(_seconds: float) -> None:
        assert epochs == [("mixup", 0), ("mixup", 1)]
        present = {taken.network: Code.of(taken.network)}
        running.compute_group([taken], "tiny", present)
        lock.give_back()

    monkeypatch.setattr(sharing.time, "sleep", the_other_computes)
    assert len(compute_all(grid)) == 2
    assert epochs[2:] == [("none", 0), ("none", 1)]
    said = capsys.readouterr().err
    assert said.count(f"cross_entropy joint, seed 0: computed by process {os.getpid()} on ") == 1
    assert "cross_entropy joint, seed 0: has its scores" in said


def test_what_another_process_leaves_when_it_is_killed_is_taken_over(grid, epochs, monkeypatch):
    grid.compare({"cross_entropy": JOINT | {"settings": PRETRAINED}})
    data, (run,) = Data.read(), grid.runs()
    lock = Lock(unfinished_checkpoint(data.encoder_key(run)))
    assert lock.take()
    monkeypatch.setattr(sharing.time, "sleep", lambda _: lock.give_back())
    assert len(compute_all(grid)) == 1 and len(epochs) == 3 + 2
