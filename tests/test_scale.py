"""Many clips and classes: the benchmark, and what the report shows in part."""

import re

import numpy as np
import pandas as pd
import pytest

from benchmarks import scale_steps
from benchmarks.scale import Project
from brl.comparison import kept
from brl.report import many
from brl.report.figure import figure_by_class
from brl.report.many import listed_clips, most_confused
from brl.report.page import write_page
from brl.scores.scores import Predictions
from brl.support.paths import COMPARISON_REPORTS, CONFUSION, METRICS
from stages import ensemble, evaluate, subsample
from tests.reported import class_names, results


def test_the_benchmark_of_scale_runs_on_few_clips(tmp_path, monkeypatch, capsys):
    """120 test clips of 12 classes: all its steps, but those of MLflow and DVC."""
    project = Project(tmp_path)
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("BRL_TRACKING", "off")
    scale_steps.store(120, 12)
    scale_steps.report_data()
    subsample.main()
    for step in (scale_steps.sample, scale_steps.batch, scale_steps.predict):
        step()
    ensemble.main()
    evaluate.main()
    assert METRICS.exists() and len(pd.read_csv(CONFUSION)) == 120
    scale_steps.score()
    monkeypatch.setattr(kept, "MOST", 33 * 120 * 12 - 1)
    scale_steps.compare()
    written = pd.read_csv(COMPARISON_REPORTS / "scale/results.csv")
    assert written["method"].nunique() == 10 and {"joint", "2 streams"} < {*written["what"]}
    assert "not written: 47,520 scores" in capsys.readouterr().err
    assert not (COMPARISON_REPORTS / "scale" / kept.KEPT).exists()


def recognised(labels: list[int], predicted: list[int], num_classes: int) -> Predictions:
    shown, sure = np.array(labels), np.ones(len(labels), dtype=np.float32)
    return Predictions(shown.astype(str), shown, np.array(predicted), sure, sure > 0, num_classes)


def test_classes_with_the_most_misclassified_clips_come_first():
    clips = recognised([0, 0, 1, 2, 2, 2, 3], [0, 1, 1, 0, 0, 2, 0], 5)
    assert most_confused(clips, 3).tolist() == [2, 0, 3]


@pytest.mark.parametrize(
    ("most", "listed"),
    [(7, [0, 0, 1, 2, 2, 2, 3]), (6, [0, 0, 2, 2, 2, 3]), (4, [2, 2, 2]), (1, [2, 2, 2])],
)
def test_of_too_many_clips_whole_classes_are_listed(monkeypatch, most, listed):
    """Those with the most misclassified clips, as many as fit, but at least one."""
    monkeypatch.setattr(many, "MOST_CLIPS", most)
    clips = recognised([0, 0, 1, 2, 2, 2, 3], [0, 1, 1, 0, 0, 2, 0], 5)
    assert clips.labels[listed_clips(clips)].tolist() == listed


def test_many_classes_are_named_in_the_table_and_the_most_confused_in_the_matrix(
    tmp_path, monkeypatch
):
    """With one class more than are shown one by one."""
    shown = results(tmp_path, class_names(12))
    for module in ("page", "figure"):
        monkeypatch.setattr(f"brl.report.{module}.MOST_CLASSES", 11)
    monkeypatch.setattr("brl.report.page.CONFUSED", 5)
    write_page(tmp_path / "index.html", shown)
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "The 5 classes with the most misclassified clips, in %" in text
    matrix = text[text.index("<summary>") : text.index("</details>")]
    confused = {shown.names[label] for label in most_confused(shown.fused.predictions, 5)}
    assert set(re.findall(r">(action number \d+)<", matrix)) == confused
    assert all(text.count(f">{name}</td>") for name in shown.names)
    (axes,) = figure_by_class(shown.classes, shown.by_class).axes
    assert not axes.patches and len(axes.get_yticks()) == 11
    points = sum(len(line.get_xdata()) for line in axes.lines if line.get_linestyle() == "None")
    assert points == 12
