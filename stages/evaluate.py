"""Stage `evaluate`: metrics, tables, figures and the report page of streams and ensemble."""

from pathlib import Path

import numpy as np
import pandas as pd

from brl.clips.store import ClipStore
from brl.config.params import Params, read_params
from brl.report.data import DataReport
from brl.report.figure import draw_by_class
from brl.report.made import STAGES
from brl.report.many import listed_clips
from brl.report.page import write_page
from brl.report.results import ENSEMBLE, Results
from brl.scores.metrics import Headline, shot_groups
from brl.scores.scores import load_scores
from brl.subset.subset import read_counts
from brl.support.files import write_csv, write_report, written_whole
from brl.support.json_text import json_text
from brl.support.paths import (
    BY_CLASS,
    BY_CLASS_FIGURE,
    CONFUSION,
    FUSED_SCORES,
    METRICS,
    PAGE,
    REPORTS,
    RESULTS,
    STORE,
    SUBSET,
    stage_note,
    stream_metrics,
    stream_scores,
    training_curve,
)
from brl.support.stage import stage
from brl.tracking.notes import read_note
from brl.tracking.present import record

CURVES = REPORTS / "curves.csv"


def main() -> None:
    """Runs the stage."""
    results = read_results(read_params())
    write_tables(results)
    draw_by_class(BY_CLASS_FIGURE, results.classes, results.by_class)
    write_page(PAGE, results)
    record(results.params, evaluated_now=True)


def read_results(params: Params) -> Results:
    """Reads the outputs of the earlier stages."""
    counts = read_counts(SUBSET)
    groups = shot_groups(counts["train_clips"].to_numpy(), params.evaluate)
    return Results(
        params=params,
        classes=counts.assign(group=groups)[["class", "group", "train_clips"]],
        streams={name: load_scores(stream_scores(name)) for name in params.streams},
        fused=load_scores(FUSED_SCORES),
        curves={name: pd.read_csv(training_curve(name)) for name in params.streams},
        store=ClipStore.open(STORE),
        data=DataReport.read(REPORTS),
        made={
            work: {name: read_note(stage_note(work, name)) for name in params.streams}
            for work in STAGES
        },
    )


def write_tables(results: Results) -> None:
    """Writes the tables and metrics that are kept in git."""
    headlines = pd.DataFrame(results.headlines).T.rename_axis("stream").reset_index()
    names = results.classes["class"].to_numpy()
    fused = results.fused.predictions
    listed = listed_clips(fused)
    if not listed.all():
        shown = len(np.unique(fused.labels[listed]))
        print(f"{CONFUSION}: the {shown} of {len(names)} classes with the most misclassified clips")
    confusion = pd.DataFrame(
        {"actual": names[fused.labels[listed]], "predicted": names[fused.predicted[listed]]}
    )
    write_csv(headlines, RESULTS)
    write_report(results.classes.join(results.by_class.round(2)), BY_CLASS)
    write_report(confusion, CONFUSION)
    write_csv(pd.concat(results.curves, names=["stream"]).reset_index("stream"), CURVES)
    # Of limits that are numbers, params.yaml tells.
    limits = results.shot_limits.by_name if results.params.evaluate.in_thirds else {}
    write_json(results.headlines[ENSEMBLE] | limits, METRICS)
    for stream in results.streams:
        write_json(results.headlines[stream], stream_metrics(stream))


def write_json(content: Headline, path: Path) -> None:
    """Writes metrics as JSON, whole or not at all."""
    with written_whole(path) as unfinished:
        unfinished.write_text(json_text(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with stage():
        main()
