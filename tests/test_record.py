"""`brl record`: which results it accepts."""

import pytest

from brl.commands.record import has_changed


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
