"""What each class gains, from invented scores: 12 test clips, four of each of three classes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from brl.comparison.gain_figure import LONGEST, draw_gains
from brl.comparison.run import Data
from brl.comparison.sizes import size_groups
from tests.comparing import JOINT, Grid
from tests.test_comparison_report import first_wrong, report


def table(grid: Grid) -> pd.DataFrame:
    return pd.read_csv(grid.folder / "report/by_class.csv")


def test_accuracy_and_gain_are_those_by_hand(grid):
    """Seed 1 is far harder, and the reference lacks it: it is in the accuracy, not in the gain."""
    grid.compare({"cross_entropy": JOINT, "brl": JOINT}, seeds=[0, 1])
    missed = {"cross_entropy": [{0: 2, 2: 4}] * 2, "brl": [{0: 1}, {0: 4, 1: 4, 2: 4}]}
    grid.pretend(lambda run, labels: first_wrong(labels, missed[run.method][run.seed]))
    data = Data.read()
    gone = next(run for run in grid.runs() if (run.method, run.seed) == ("cross_entropy", 1))
    data.scores_file(gone).unlink()
    page = report(grid)
    assert "[numbers](by_class.csv)" in page and "![](gain.png)" in page
    assert (grid.folder / "report/gain.png").exists()
    names = list(data.store.classes)
    expected = {
        "class": names * 2,
        "training_clips": [8, 5, 2] * 2,
        "test_clips": [4] * 6,
        "group": ["many", "medium", "few"] * 2,
        "what": ["joint"] * 6,
        "method": ["cross_entropy"] * 3 + ["brl"] * 3,
        "seeds": [1, 1, 1, 2, 2, 2],
        "accuracy": [50.0, 100.0, 0.0, 37.5, 50.0, 50.0],
        "gain": [0.0, 0.0, 0.0, 25.0, 0.0, 100.0],
    }
    pd.testing.assert_frame_equal(table(grid), pd.DataFrame(expected))


def test_without_the_reference_there_is_no_gain(grid):
    grid.compare({"cross_entropy": JOINT, "brl": {"streams": ["skip"]}})
    grid.pretend(lambda run, labels: labels)
    page = report(grid)
    of_method = table(grid).set_index("method")["gain"]
    assert (of_method["cross_entropy"] == 0).all() and of_method["brl"].isna().all()
    assert "Accuracy by class: [by_class.csv](by_class.csv)." in page and "gain.png" not in page
    assert not (grid.folder / "report/gain.png").exists()


def classes(methods: list[str], what: str, gains: list[float]) -> pd.DataFrame:
    """Rows of a table by class: 2, 4, 8, ... training clips, and these gains in each method."""
    clips = 2 ** np.arange(1, len(gains) + 1)
    names = [f"class {number} with a name that is long" for number in clips]
    about = {"class": names, "training_clips": clips, "group": "few", "what": what, "gain": gains}
    return pd.concat([pd.DataFrame(about).assign(method=method) for method in methods])


@pytest.fixture
def drawn(monkeypatch) -> dict[str, list]:
    """What is drawn: titles of panels, names, and the lines with their labels."""
    seen: dict[str, list] = {"titles": [], "names": [], "lines": []}
    set_title, annotate, plot = Axes.set_title, Axes.annotate, Axes.plot

    def titled(axes, text, **settings):
        seen["titles"].append(text)
        return set_title(axes, text, **settings)

    def named(axes, text, *arguments, **settings):
        seen["names"].append(text)
        return annotate(axes, text, *arguments, **settings)

    def plotted(axes, x, y, *arguments, **settings):
        seen["lines"].append((settings["label"], np.array(x), np.array(y)))
        return plot(axes, x, y, *arguments, **settings)

    monkeypatch.setattr(Axes, "set_title", titled)
    monkeypatch.setattr(Axes, "annotate", named)
    monkeypatch.setattr(Axes, "plot", plotted)
    return seen


def test_the_picture_shows_the_first_stream_and_the_largest_fusion(tmp_path, drawn):
    table = pd.concat([
        classes(["brl", "ldam_drw"], "joint", [1.0, 2.0]),
        classes(["brl"], "2 streams", [1.0, 2.0]),
        classes(["best"], "4 streams", [1.0, 2.0]),
        classes(["brl"], "bone", [1.0, 2.0]),
    ])  # fmt: skip
    draw_gains(tmp_path / "gain.png", table, "cross_entropy")
    assert drawn["titles"] == ["brl", "ldam_drw", "best"]


def test_the_line_is_the_mean_of_each_group_of_sizes(tmp_path, drawn):
    """Classes with 2, 4, 8, 16, 32 and 64 clips: two in the first group."""
    table = classes(["brl"], "joint", [10.0, 20.0, -5.0, 0.0, 1.0, 2.0])
    draw_gains(tmp_path / "gain.png", table, "cross_entropy")
    ((_, points, gains), (label, centres, means)) = drawn["lines"]
    assert points.tolist() == [2, 4, 8, 16, 32, 64] and gains.tolist() == table["gain"].tolist()
    assert label == "mean" and means.tolist() == [15, -5, 0, 1, 2]
    assert centres == pytest.approx([8**0.5, 8, 16, 32, 64])
    assert drawn["names"][0] == table["class"].iloc[1][: LONGEST - 1] + "…"  # gains most


def test_the_groups_of_sizes():
    clips = pd.Series([1, 2, 4, 5, 9, 10, 19, 20, 49, 50, 5000])
    numbers = size_groups(clips).value_counts(sort=False)
    assert numbers.to_dict() == {
        "1–4": 3, "5–9": 2, "10–19": 2, "20–49": 2, "50 or more": 2,
    }  # fmt: skip
    assert size_groups(pd.Series([0])).isna().all()
