"""A model that cannot be logged or registered leaves the run of its pipeline as it is."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from brl.serving.mlflow_model import check_name, log
from brl.support.errors import UserError
from brl.tracking.runs import Runs


@pytest.fixture
def runs(mlflow_db, tmp_path, monkeypatch) -> Runs:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "")  # MLflow sets it; afterwards it is unset again
    shutil.copy(mlflow_db, tmp_path)
    return Runs()


class FullDisk:
    """Stands for a recogniser that cannot be written."""

    classes = ("first", "second")

    def save(self, _folder: Path) -> None:
        raise OSError("no space left on device")


@pytest.mark.parametrize("name", ["a/b", "a:b", " "])
def test_a_name_that_mlflow_refuses_is_refused_first(runs, name):
    with pytest.raises(UserError, match="--register") as caught:
        check_name(name)
    assert "\n" not in str(caught.value)


def test_a_good_name_passes(runs):
    check_name("gestures")
    runs.client.create_registered_model("gestures")
    check_name("gestures")


def test_a_failure_does_not_touch_the_status_of_a_finished_run(runs):
    run_id = runs.create("pipeline", {"kind": "pipeline"})
    runs.client.set_terminated(run_id)
    before = runs.client.get_run(run_id).info
    with pytest.raises(OSError):
        log(FullDisk(), run_id, np.zeros(1), None)
    after = runs.client.get_run(run_id).info
    assert (after.status, after.end_time) == ("FINISHED", before.end_time)
