"""Stage `evaluate`: metrics, tables, pictures and the page of the streams and their ensemble."""

import json
from pathlib import Path

import pandas as pd

from brl.clips.store import ClipStore
from brl.config.params import Params, read_params
from brl.report.figure import draw_by_class
from brl.report.page import Results, write_page
from brl.scores.metrics import GROUPS, Headline, accuracy_by_class, headline, shot_groups
from brl.scores.scores import Scores, load_scores
from brl.subset.subset import read_counts, read_summary
from brl.support.errors import one_line_errors
from brl.support.files import written_whole
from brl.tracking import runs as tracking

REPORTS = Path("reports")
ARTIFACTS = ("index.html", "by_class.png", "by_class.csv", "confusion.csv", "long_tail.png")


def main() -> None:
    params = read_params()
    counts = read_counts(Path("data/subset"))
    groups = shot_groups(counts["train_clips"].to_numpy(), params.evaluate)
    streams = {name: load_scores(Path("scores") / f"{name}.npz") for name in params.streams}
    scores = {**streams, "ensemble": load_scores(Path("fused/scores.npz"))}
    headlines = {name: headline(s, groups) for name, s in scores.items()}
    by_class = pd.DataFrame({name: accuracy_by_class(s) for name, s in scores.items()})

    described = counts.assign(group=groups)[["class", "group", "train_clips"]]
    curves = {name: pd.read_csv(Path("curves") / f"{name}.csv") for name in streams}
    write_reports(scores["ensemble"], headlines, described, by_class)
    write_csv(pd.concat(curves, names=["stream"]).reset_index("stream"), "curves.csv")
    store = ClipStore.open(Path("data/store"))
    page = Results(params, described, streams, scores["ensemble"], curves, store)
    write_page(REPORTS / "index.html", page)
    digests = {name: stream.weights_digest for name, stream in streams.items()}
    track(params, headlines, described, by_class["ensemble"], digests)


def write_reports(
    fused: Scores, headlines: dict[str, Headline], described: pd.DataFrame, by_class: pd.DataFrame
) -> None:
    """What a person reads, and git compares. A row a class in `described` and `by_class`."""
    results = pd.DataFrame(headlines).T.rename_axis("stream").reset_index()
    classes = described["class"].to_numpy()
    predicted = fused.probabilities.argmax(axis=1)
    confusion = pd.DataFrame({"actual": classes[fused.labels], "predicted": classes[predicted]})
    write_csv(results, "results.csv")
    write_csv(described.join(by_class.round(2)), "by_class.csv")
    write_csv(confusion, "confusion.csv")
    with written_whole(REPORTS / "metrics.json") as unfinished:
        text = json.dumps(headlines["ensemble"], indent=2)
        unfinished.write_text(text + "\n", encoding="utf-8")
    draw_by_class(REPORTS / "by_class.png", described, by_class)


def track(
    params: Params,
    headlines: dict[str, Headline],
    described: pd.DataFrame,
    by_class: pd.Series,
    weights_digests: dict[str, str],
) -> None:
    """Records the evaluated pipeline; by_class (C,): the ensemble's accuracies."""
    metrics = tracking.accuracy_metrics(
        headlines["ensemble"], dict(zip(described["class"], by_class, strict=True))
    )
    for stream in weights_digests:
        metrics |= {
            f"streams/{stream}/{name}": value
            for name, value in headlines[stream].items()
            if value is not None
        }
    digest, summary = read_summary(Path("data/subset"))
    sizes = described["group"].value_counts()
    classes = {f"{group}_shot_classes": float(sizes.get(group, 0)) for group in GROUPS}
    metrics |= tracking.subset_metrics(summary | classes)
    tracking.record_pipeline(
        params,
        tracking.SubsetRecord(params.dataset.name, digest, summary),
        metrics=metrics,
        weights_digests=weights_digests,
        artifacts=[REPORTS / name for name in ARTIFACTS],
    )


def write_csv(table: pd.DataFrame, name: str) -> None:
    with written_whole(REPORTS / name) as unfinished:
        table.to_csv(unfinished, index=False)


if __name__ == "__main__":
    with one_line_errors():
        main()
