"""`brl record`, and when it is run."""

import pytest

from brl.commands import pipeline, results
from brl.commands.record import has_changed
from brl.tracking import present
from tests.command import brl


@pytest.mark.parametrize(
    ("status", "changed"),
    [
        ([], False),
        # After `dvc repro --pull --allow-missing`.
        ([{"changed outs": {"data/raw": "deleted"}}, {"changed deps": {"own": "deleted"}}], False),
        ([{"changed outs": {"models/joint.safetensors": "not in cache"}}], False),
        ([{"changed deps": {"params.yaml": {"seed": "modified"}}}], True),
        ([{"changed outs": {"scores/joint.npz": "modified"}}], True),
        (["changed command"], True),
        ([{"changed deps": {"data/raw": "deleted"}}, "changed command"], True),
    ],
)
def test_results_whose_files_are_missing_are_as_they_were(status, changed):
    assert has_changed(status) == changed


def test_the_pipeline_is_recorded_when_it_has_run(monkeypatch):
    """What DVC restored, no stage has recorded."""
    called = []
    monkeypatch.setattr(pipeline, "set_up", lambda: None)
    monkeypatch.setattr(pipeline, "changed_stages", lambda: ["evaluate"])
    for place, name in ((pipeline, "run_dvc"), (results, "show"), (present, "record")):
        monkeypatch.setattr(place, name, lambda *_, name=name: called.append(name))
    assert brl("repro").exit_code == 0
    assert called == ["run_dvc", "show", "record"]


def test_switched_off_it_says_so(monkeypatch):
    monkeypatch.setenv("BRL_TRACKING", "off")
    done = brl("record")
    assert done.exit_code == 1 and done.stderr.startswith("error: BRL_TRACKING=off: ")
