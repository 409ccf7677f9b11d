"""A published run is computed again: the same scores, or a reason."""

import json
import shutil

import numpy as np
import pytest

from brl.comparison.kept import KEPT
from tests.command import brl
from tests.comparing import JOINT, Grid, compute_here

METHODS = {"cross_entropy": JOINT, "brl": JOINT}


@pytest.fixture
def published(grid, monkeypatch) -> Grid:
    """Two methods from three seeds, of which only the report is left."""
    compute_here(monkeypatch)
    grid.compare(METHODS, seeds=[0, 1, 2])
    assert brl("compare", "tiny").exit_code == 0
    shutil.rmtree(grid.folder / ".comparison")
    return grid


def edit(grid, *, scores=lambda kept, _: kept, **facts: str) -> None:
    """Changes the scores that are published, and what is noted of their trainings."""
    file = grid.folder / "reports/comparisons/tiny" / KEPT
    with np.load(file) as kept:
        content = dict(kept)
    runs = json.loads(str(content["runs"]))
    for run in runs:
        run["trained_by"] = [line | facts for line in run["trained_by"]]
    content |= {"runs": json.dumps(runs), "scores": scores(content["scores"], content["labels"])}
    np.savez_compressed(file, **content)


def always_wrong(kept: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Scores (N, C, R) of runs from seeds that all miss every clip: another seed would, too."""
    classes = np.arange(kept.shape[1])
    wrong = (labels[:, None] + 1) % len(classes) == classes
    return np.broadcast_to(wrong[:, :, None], kept.shape).astype(kept.dtype)


@pytest.mark.parametrize("row", [(), ("--row", "brl")])
def test_on_the_same_machine_the_scores_are_the_same(published, row):
    done = brl("verify", "tiny", *row)
    assert done.exit_code == 0, done.stderr
    assert "identical: the same scores for all" in done.stdout
    assert not (published.folder / ".comparison").exists()


def test_other_scores_of_the_same_code_on_the_same_machine_are_a_failure(published):
    edit(published, scores=lambda kept, _: kept[:, ::-1])
    done = brl("verify", "tiny")
    assert done.exit_code == 1
    assert "machine, versions and code are the same, so the scores should be" in done.stderr


def test_what_differs_is_told_and_another_accuracy_must_be_as_of_another_seed(published):
    edit(published, scores=lambda kept, _: kept[:, [1, 0, 2]], torch="1.0", code="f00")
    done = brl("verify", "tiny")
    assert "torch: 1.0 then" in done.stdout and "code: f00 then" in done.stdout
    edit(published, scores=always_wrong)
    done = brl("verify", "tiny")
    assert done.exit_code == 1 and "where 99 % of seeds are expected" in done.stderr


def test_a_row_that_is_not_there_is_told_with_those_that_are(published):
    done = brl("verify", "tiny", "--row", "best")
    assert done.exit_code == 1
    assert "--row: tiny has no 'best'; it has cross_entropy, brl" in done.stderr


def test_what_is_not_published_cannot_be_verified(published):
    (published.folder / "reports/comparisons/tiny" / KEPT).unlink()
    done = brl("verify", "tiny")
    assert done.exit_code == 1 and "keeps no scores of cross_entropy" in done.stderr
