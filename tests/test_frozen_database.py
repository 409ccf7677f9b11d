"""A PostgreSQL server that stops to answer costs no training, and no run."""

from contextlib import ExitStack

import pytest

from brl.tracking import postgresql
from brl.tracking.runs import Runs
from brl.tracking.training import training_run
from brl.tracking.unsent import open_store, waiting
from tests.postgresql import a_server, frozen
from tests.recorded import describe

pytestmark = pytest.mark.faults


@pytest.fixture
def address(tracked, monkeypatch):
    monkeypatch.setattr(postgresql, "SECONDS", 1.0)
    monkeypatch.chdir(tracked)  # MLflow keeps artifacts there
    with a_server() as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        yield uri


@pytest.mark.parametrize("answered", [0, 2], ids=["before the run", "in its third epoch"])
def test_a_training_ends_and_its_run_is_sent_later(address, tracked, capsys, answered):
    Runs()  # makes the tables
    weights = tracked / "joint.safetensors"
    weights.write_bytes(b"weights")
    with ExitStack() as until_the_end:
        if not answered:
            until_the_end.enter_context(frozen(address))
        with training_run(describe("joint"), "f") as run:
            run.start("")
            for epoch in range(1, 4):
                if answered and epoch == answered + 1:
                    until_the_end.enter_context(frozen(address))
                run.log_epoch({"epoch": epoch, "loss": 1 / epoch, "lr": 0.1})
            run.finish(weights, "digest")
        assert waiting() == 1
    (told,) = [line for line in capsys.readouterr().err.splitlines() if "warning: " in line]
    assert "cannot be used (no answer within 1 seconds)" in told
    runs = open_store()  # sends it
    (sent,) = runs.search()
    assert waiting() == 0 and sent.info.status == "FINISHED"
    history = runs.client.get_metric_history(sent.info.run_id, "train/loss")
    assert [point.step for point in history] == [1, 2, 3]
