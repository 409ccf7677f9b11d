"""brl killed with all that it has started, and stores whose first creation is killed."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.killed import Killed, Measured, assert_same, dvc, finished_runs
from tests.project import BRL

pytestmark = pytest.mark.faults
REPRO = (*BRL, "repro", "--jobs", "2")
COMPARE = (*BRL, "compare", "tiny")
NOWHERE = "http://127.0.0.1:1"


def untrained(undisturbed: Killed, folder: Path) -> Killed:
    """A project in which both streams are still to be trained; DVC can restore nothing."""
    project = Killed.copied(undisturbed, folder)
    shutil.rmtree(project.folder / ".dvc/cache/runs", ignore_errors=True)
    lock = project.lock()
    lock["stages"] = {
        name: entry for name, entry in lock["stages"].items() if not name.startswith("train@")
    }
    (project.folder / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    return project


@pytest.fixture(scope="module")
def reproduced(undisturbed, tmp_path_factory) -> tuple[Killed, Measured]:
    project = untrained(undisturbed[0], tmp_path_factory.mktemp("repro") / "project")
    return project, project.measure(*REPRO)


@pytest.fixture(scope="module")
def compared(undisturbed, tmp_path_factory) -> tuple[Killed, Measured]:
    project = Killed.copied(undisturbed[0], tmp_path_factory.mktemp("compare") / "project")
    return project, project.measure(*COMPARE)


@pytest.mark.parametrize("number", range(4))
def test_brl_repro_goes_on_after_a_kill(undisturbed, reproduced, tmp_path, figure, number):
    whole, measured = reproduced
    project = untrained(undisturbed[0], tmp_path / "project")
    project.kill(measured.moment("repro", number), *REPRO)
    figure("processes killed")
    project.measure(*REPRO)
    assert_same(project, whole)
    finished_runs(project.folder / "mlflow.db")


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("number", range(4))
def test_brl_compare_goes_on_after_a_kill(undisturbed, compared, tmp_path, figure, jobs, number):
    whole, measured = compared
    command = (*COMPARE, "--jobs", jobs)
    project = Killed.copied(undisturbed[0], tmp_path / "project")
    project.kill(measured.moment(f"compare {jobs}", number), *command)
    figure("processes killed")
    project.measure(*command)
    assert_same(project, whole)
    runs = [kind for kind, _ in finished_runs(project.folder / "mlflow.db")]
    assert runs.count("compared") >= 2


@pytest.mark.parametrize("number", range(3))
def test_the_store_of_runs_is_created_after_a_kill(undisturbed, tmp_path, figure, number):
    whole, measured = undisturbed
    project = Killed.copied(whole, tmp_path / "project")
    (project.folder / "mlflow.db").unlink()
    project.kill(measured["train@joint"].moment("store", number), *dvc("train@joint"))
    figure("processes killed")
    project.measure(*dvc("train@joint"))
    assert_same(project, whole)
    assert finished_runs(project.folder / "mlflow.db").count(("stream", "")) >= 1


@pytest.mark.parametrize("number", range(3))
def test_runs_that_wait_are_kept_and_sent_after_a_kill(undisturbed, tmp_path, figure, number):
    whole, measured = undisturbed
    project = Killed.copied(whole, tmp_path / "project", MLFLOW_TRACKING_URI=NOWHERE)
    project.kill(measured["train@joint"].moment("unsent", number), *dvc("train@joint"))
    figure("processes killed")
    project.measure(*dvc("train@joint"))
    assert_same(project, whole)
    kept = project.folder / ".mlflow_unsent/mlflow.db"
    assert finished_runs(kept).count(("stream", "")) >= 1
    before = finished_runs(whole.folder / "mlflow.db")
    sent = Killed(project.folder)
    sent.measure(*BRL, "record")
    assert finished_runs(kept) == []
    assert len(finished_runs(project.folder / "mlflow.db")) > len(before)
