"""The scores that git keeps with a report: from them a comparison goes on on another machine."""

import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brl.comparison.kept import KEPT
from brl.comparison.made import noted, steps_of
from brl.comparison.results import finished
from brl.comparison.run import Data, weights_file
from brl.comparison.tables import COSTS
from brl.scores.scores import load_scores, rounded
from tests.command import brl
from tests.comparing import JOINT, Grid, compute_here

METHODS = {"cross_entropy": JOINT, "brl": {"streams": ["joint", "bone"]}}


@pytest.fixture
def grid(grid, monkeypatch) -> Grid:
    compute_here(monkeypatch)
    return grid


def texts(folder) -> dict[str, str]:
    """The tables and the page of a report."""
    return {
        path.name: path.read_text() for path in folder.iterdir() if path.suffix in (".csv", ".md")
    }


def test_another_machine_goes_on_with_what_git_keeps(grid):
    report = grid.folder / "reports/comparisons/tiny"
    grid.compare(METHODS, seeds=[0])
    assert brl("compare", "tiny").exit_code == 0
    first, kept = texts(report), (report / KEPT).read_bytes()
    costs = pd.read_csv(report / "results.csv")
    alone, fused = (costs[costs["what"] == what] for what in ("joint", "2 streams"))
    brl_joint = alone[alone["method"] == "brl"].iloc[0]
    bone = costs[costs["what"] == "bone"].iloc[0]
    for cost in COSTS:
        assert (costs[cost] > 0).all()
        assert fused[cost].item() == pytest.approx(brl_joint[cost] + bone[cost], abs=1e-3)

    shutil.rmtree(grid.folder / ".comparison")  # another machine
    done = brl("compare", "tiny", "--report")
    assert "tiny: 3 files of scores taken from" in done.stderr
    assert texts(report) == first and (report / KEPT).read_bytes() == kept

    shutil.rmtree(grid.folder / ".comparison")
    grid.compare(METHODS, seeds=[0, 1])
    done = brl("compare", "tiny")
    assert "6 runs, 3 to do" in done.stderr
    table = pd.read_csv(report / "results.csv")
    pd.testing.assert_frame_equal(table[table["seed"] == 0].reset_index(drop=True), costs)


def test_scores_of_other_parameters_are_not_taken(grid):
    grid.compare({"cross_entropy": JOINT})
    assert brl("compare", "tiny").exit_code == 0
    shutil.rmtree(grid.folder / ".comparison")
    grid.compare({"cross_entropy": JOINT}, settings={"train.lr": 0.04})
    done = brl("compare", "tiny")
    assert "taken" not in done.stderr and "1 runs, 1 to do" in done.stderr


def test_each_held_out_part_is_kept_in_the_order_of_its_clips(grid):
    grid.compare({"cross_entropy": JOINT}, seeds=[0, 1], settings={"train.validation": 0.4})
    grid.pretend(lambda run, labels: (labels + run.seed) % 3)
    assert brl("compare", "tiny", "--report").exit_code == 0
    before = [vars(one.clips) for one in finished(grid.runs(), Data.read())]
    assert set(before[0]["names"]) != set(before[1]["names"])
    shutil.rmtree(grid.folder / ".comparison")
    assert brl("compare", "tiny", "--report").exit_code == 0
    after = [vars(one.clips) for one in finished(grid.runs(), Data.read())]
    for each, again in zip(before, after, strict=True):
        for name, values in each.items():
            np.testing.assert_array_equal(values, again[name])


def test_notes_come_along(grid):
    grid.compare({"cross_entropy": JOINT})
    assert brl("compare", "tiny").exit_code == 0
    data, (run,) = Data.read(), grid.runs()
    files = (weights_file(data.trained_key(run)), data.scores_file(run))
    before = [noted(file) for file in files]
    assert steps_of(files[0]) == 2 * 2  # epochs of 15 clips in batches of up to 8
    shutil.rmtree(grid.folder / ".comparison")
    assert brl("compare", "tiny", "--report").exit_code == 0
    assert [noted(file) for file in files] == before


@given(arrays(np.float32, (5, 3), elements=st.floats(0, 1, width=32)))
def test_rounded_probabilities_survive_float16(probabilities):
    kept = rounded(probabilities)
    np.testing.assert_array_equal(kept.astype(np.float16).astype(np.float32), kept)
    np.testing.assert_allclose(kept, probabilities, atol=1 / 4096)


def test_scores_are_rounded_where_they_are_made(grid):
    grid.compare({"cross_entropy": JOINT})
    assert brl("compare", "tiny").exit_code == 0
    probabilities = load_scores(Data.read().scores_file(grid.runs()[0])).probabilities
    np.testing.assert_array_equal(probabilities, rounded(probabilities))
