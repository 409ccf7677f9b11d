"""Stale runs and checkpoints are listed, and removed on request; all others are kept."""

import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from dvc.repo import Repo

from brl.clips.store import ClipStore
from brl.commands import clean
from brl.comparison.data import Data, unfinished_folder, weights_file
from brl.comparison.made import note_of
from brl.subset.subset import read_summary
from brl.support.processes import is_gone, this_process
from brl.tracking.notes import unfinished_note, write_note
from brl.tracking.store import connect
from brl.training.job import Job
from brl.training.resuming import checkpoint_file, fingerprint
from brl.unseen.folds import FoldTraining
from tests.command import brl
from tests.comparing import Grid
from tests.conftest import STREAMS


@pytest.fixture
def grid(mlflow_db, tmp_path, monkeypatch) -> Grid:
    """Clips, parameters, and a store for runs of its own; the current folder."""
    grid = Grid(tmp_path / "grid")
    monkeypatch.chdir(grid.folder)
    monkeypatch.setenv("DVC_ROOT", str(grid.folder))
    monkeypatch.setenv("BRL_TRACKING", "on")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Repo.init(no_scm=True).close()
    shutil.copy(mlflow_db, grid.folder)
    return grid


def a_run(name: str, status: str | None, **tags: str) -> str:
    client, experiment_id = connect()
    run = client.create_run(experiment_id, run_name=name, tags=tags)
    client.log_text(run.info.run_id, "much", "log.txt")
    if status:
        client.set_terminated(run.info.run_id, status)
    return run.info.run_id


def names() -> set[str]:
    client, experiment_id = connect()
    return {run.info.run_name for run in client.search_runs([experiment_id])}


def cleaned(*arguments: str) -> str:
    """What the command says."""
    done = brl("clean", *arguments)
    assert done.exit_code == 0 and done.stderr == ""
    return done.stdout


def of_a_dead_process() -> str:
    code = "from brl.support.processes import this_process; print(this_process())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def test_whose_process_is_gone():
    here = this_process()
    machine, number, began = here.rsplit(" ", 2)
    assert not is_gone(here)
    assert is_gone(of_a_dead_process())
    assert is_gone(f"{machine} {number} {int(began) - 5}"), "another process had that number"
    assert not is_gone(f"elsewhere {number} 1") and not is_gone("") and not is_gone("x y z")


def test_what_failed_is_shown_then_removed_and_what_goes_on_stays(grid):
    digest, _ = read_summary(Path("data/subset"))
    data = [ClipStore.open(Path("data/store")).digest, digest]
    present = fingerprint(Job.of(grid.params(), "bone"), data)
    gone = a_run("failed", "FAILED", fingerprint="former")
    a_run("orphaned", None, process=of_a_dead_process())
    for name, status, tags in (
        ("goes on", "FAILED", {"fingerprint": present}),
        ("finished", "FINISHED", {}),
        ("running", None, {"process": this_process()}),
        ("running elsewhere", None, {"process": "elsewhere 1 1"}),
    ):
        a_run(name, status, **tags)
    for identity in (present, "former"):
        file = checkpoint_file(STREAMS["bone"], identity)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"0" * 3_000_000)
    write_note(unfinished_note(file), [])  # of the former one
    all_runs = names()

    shown = cleaned()
    assert "bone-former.pt" in shown and "3.0 MB" in shown and present not in shown
    assert "run failed" in shown and "run orphaned" in shown and "its process is gone" in shown
    assert shown.endswith("3 to remove: brl clean --yes\n")
    assert names() == all_runs and checkpoint_file(STREAMS["bone"], "former").exists()

    removed = cleaned("--yes")
    assert removed.endswith("Removed: 3.\n")
    assert names() == all_runs - {"failed", "orphaned"}
    assert [file.name for file in Path(".checkpoints").iterdir()] == [f"bone-{present}.pt"]
    assert not list(Path("mlartifacts").rglob(f"{gone}/artifacts/log.txt"))
    assert cleaned() == "Nothing to remove.\n"
    with pytest.raises(mlflow.MlflowException):
        connect()[0].get_run(gone)


def test_a_damaged_checkpoint_is_removed_and_the_one_before_stays(grid):
    data = Data.read()
    identity = fingerprint(Job.of(grid.params(), "bone"), [data.store.digest, data.digest])
    file = checkpoint_file(STREAMS["bone"], identity)
    for suffix in (".pt", ".before", ".pt.damaged"):
        a_checkpoint(file.with_name(file.stem + suffix))
    assert "damaged" in cleaned() and cleaned("--yes").endswith("Removed: 1.\n")
    assert {each.suffix for each in file.parent.iterdir()} == {".pt", ".before"}


def test_checkpoints_of_folds_stay_until_all_are_trained(grid):
    grid.fold(2)
    trainings = FoldTraining.all_of(grid.params(), "bone", Data.read().store)
    for file in (*trainings[0].checkpoints, *trainings[1].checkpoints):
        a_checkpoint(file)
    assert cleaned() == "Nothing to remove.\n"
    (grid.folder / "data/unseen.csv").write_text("name,fold\n")
    assert cleaned().endswith("2 to remove: brl clean --yes\n")


def a_checkpoint(file: Path) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"0")
    return file


def test_what_no_comparison_resumes_is_removed_and_the_rest_stays(grid):
    grid.compare({"cross_entropy": {"streams": ["joint", "bone"]}})
    data = Data.read()
    resumes, finished = (data.trained_key(run) for run in grid.runs())
    (grid.folder / ".comparison/trained").mkdir(parents=True)
    weights_file(finished).touch()
    for key in (resumes, finished, "former"):
        a_checkpoint(unfinished_folder() / f"{key}.pt")
        note_of(weights_file(key)).touch()
        a_run(key, "FAILED", fingerprint=key)
    shown = cleaned()
    assert f"run {finished}" in shown and "run former" in shown and resumes not in shown
    assert shown.endswith("4 to remove: brl clean --yes\n")
    clean.remove(clean.old_checkpoints({resumes}))
    assert [file.name for file in unfinished_folder().iterdir()] == [f"{resumes}.pt"]
    kept = {f"{resumes}.made", f"{finished}.made", f"{finished}.safetensors"}
    assert {file.name for file in weights_file("").parent.iterdir()} == kept


def test_a_training_whose_result_was_restored_does_not_resume(grid, monkeypatch):
    identities = {}
    for stream in ("joint", "bone"):
        data = Data.read()
        digests = [data.store.digest, data.digest]
        identities[stream] = fingerprint(Job.of(grid.params(), stream), digests)
        a_checkpoint(checkpoint_file(STREAMS[stream], identities[stream]))
        a_run(stream, "FAILED", fingerprint=identities[stream])
    monkeypatch.setattr(clean, "reasons", lambda: {"train@joint": ["it never ran here"]})
    shown = cleaned()
    assert "run bone" in shown and f"bone-{identities['bone']}.pt" in shown
    assert shown.endswith("2 to remove: brl clean --yes\n")


def test_without_the_clips_no_checkpoint_is_called_stale(grid):
    file = checkpoint_file(STREAMS["bone"], "former")
    file.parent.mkdir()
    file.write_bytes(b"0")
    (grid.folder / "data/store/meta.json").unlink()
    assert "Checkpoints are kept" in cleaned("--yes")
    assert file.exists()


def test_artifacts_that_mlflow_cannot_remove_are_told(grid, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise OSError("Read-only file system")

    a_run("failed", "FAILED")
    monkeypatch.setattr("mlflow.cli.gc.main", fail)
    done = brl("clean", "--yes")
    assert done.exit_code == 1
    assert "are still there (Read-only file system)" in done.stderr.splitlines()[-1]
