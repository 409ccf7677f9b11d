"""Stage `evaluate`: metrics, tables, figures and the report page of streams and ensemble."""

import json

import pandas as pd

from brl.clips.store import ClipStore
from brl.config.params import Params, read_params
from brl.report.figure import draw_by_class
from brl.report.page import write_page
from brl.report.results import ENSEMBLE, Results
from brl.scores.metrics import GROUPS, shot_groups
from brl.scores.scores import load_scores
from brl.subset.subset import read_counts, read_summary
from brl.support.errors import one_line_errors
from brl.support.files import write_csv, written_whole
from brl.support.paths import (
    FUSED_SCORES,
    LONG_TAIL,
    METRICS,
    PAGE,
    REPORTS,
    RESULTS,
    STORE,
    SUBSET,
    stream_scores,
    training_curve,
)
from brl.tracking import runs as tracking

BY_CLASS = REPORTS / "by_class.csv"
BY_CLASS_FIGURE = REPORTS / "by_class.png"
CONFUSION = REPORTS / "confusion.csv"
CURVES = REPORTS / "curves.csv"


def main() -> None:
    """Runs the stage."""
    results = read_results(read_params())
    write_tables(results)
    draw_by_class(BY_CLASS_FIGURE, results.classes, results.by_class)
    write_page(PAGE, results)
    track(results)


def read_results(params: Params) -> Results:
    """Reads the outputs of the earlier stages."""
    counts = read_counts(SUBSET)
    groups = shot_groups(counts["train_clips"].to_numpy(), params.evaluate)
    names = [str(name) for name in params.streams]
    return Results(
        params=params,
        classes=counts.assign(group=groups)[["class", "group", "train_clips"]],
        streams={name: load_scores(stream_scores(name)) for name in names},
        fused=load_scores(FUSED_SCORES),
        curves={name: pd.read_csv(training_curve(name)) for name in names},
        store=ClipStore.open(STORE),
    )


def write_tables(results: Results) -> None:
    """Writes the tables and metrics that are kept in git."""
    headlines = pd.DataFrame(results.headlines).T.rename_axis("stream").reset_index()
    names = results.classes["class"].to_numpy()
    fused = results.fused
    confusion = pd.DataFrame({"actual": names[fused.labels], "predicted": names[fused.predicted]})
    write_csv(headlines, RESULTS)
    write_csv(results.classes.join(results.by_class.round(2)), BY_CLASS)
    write_csv(confusion, CONFUSION)
    write_csv(pd.concat(results.curves, names=["stream"]).reset_index("stream"), CURVES)
    with written_whole(METRICS) as unfinished:
        text = json.dumps(results.headlines[ENSEMBLE], indent=2)
        unfinished.write_text(text + "\n", encoding="utf-8")


def track(results: Results) -> None:
    """Records the pipeline and its metrics in MLflow."""
    params = results.params
    by_class = dict(zip(results.names, results.by_class[ENSEMBLE], strict=True))
    metrics = tracking.accuracy_metrics(results.headlines[ENSEMBLE], by_class)
    for stream in results.streams:
        metrics |= {
            f"streams/{stream}/{name}": value
            for name, value in results.headlines[stream].items()
            if value is not None
        }
    digest, summary = read_summary(SUBSET)
    sizes = results.classes["group"].value_counts()
    group_sizes = {f"{group}_shot_classes": float(sizes.get(group, 0)) for group in GROUPS}
    metrics |= tracking.subset_metrics(summary | group_sizes)
    tracking.record_pipeline(
        params,
        tracking.SubsetRecord(params.dataset.name, digest, summary),
        metrics=metrics,
        weights_digests={name: s.weights_digest for name, s in results.streams.items()},
        artifacts=[PAGE, BY_CLASS_FIGURE, BY_CLASS, CONFUSION, LONG_TAIL],
    )


if __name__ == "__main__":
    with one_line_errors():
        main()
