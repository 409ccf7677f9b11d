"""Stage `evaluate`: metrics, tables and pictures of the streams and their ensemble."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from brl import tracking
from brl.data.subset import read_counts, subset_digest
from brl.errors import one_line_errors
from brl.figures import draw_by_class
from brl.files import written_whole
from brl.metrics import accuracy_by_class, headline, shot_groups
from brl.params import read_params
from brl.scores import load_scores

REPORTS = Path("reports")


def main() -> None:
    params = read_params()
    counts = read_counts(Path("data/subset"))
    classes, train_clips = counts["class"].tolist(), counts["train_clips"].to_numpy()
    groups = shot_groups(train_clips, params.evaluate)
    fused = load_scores(Path("fused/scores.npz"))
    streams = {name: load_scores(Path("scores") / f"{name}.npz") for name in params.streams}
    everything = {**streams, "ensemble": fused}

    results = pd.DataFrame({name: headline(s, groups) for name, s in everything.items()}).T
    by_class = pd.DataFrame({name: accuracy_by_class(s) for name, s in everything.items()})
    confusion = pd.DataFrame({"actual": fused.labels, "predicted": fused.probabilities.argmax(1)})
    confusion = confusion.map(lambda label: classes[label])
    described = pd.DataFrame({"class": classes, "group": groups, "train_clips": train_clips})
    write_csv(results.rename_axis("stream").reset_index(), "results.csv")
    write_csv(described.join(by_class.round(2)), "by_class.csv")
    write_csv(confusion, "confusion.csv")
    with written_whole(REPORTS / "metrics.json") as unfinished:
        text = json.dumps(headline(fused, groups), indent=2)
        unfinished.write_text(text + "\n", encoding="utf-8")
    picture = REPORTS / "by_class.png"
    accuracies = {name: by_class[name].to_numpy() for name in streams}
    draw_by_class(
        picture, classes, train_clips, groups, by_class["ensemble"].to_numpy(), accuracies
    )

    tracked = tracking.accuracy_metrics(
        headline(fused, groups), dict(zip(classes, by_class["ensemble"].tolist(), strict=True))
    )
    for name in streams:
        row = headline(streams[name], groups)
        tracked |= {f"streams/{name}/{key}": row[key] for key in row if row[key] is not None}
    chosen = params.subsample
    factor = "" if chosen.profile == "natural" else f" {chosen.imbalance_factor:g}"
    tracking.record_pipeline(
        name=f"ensemble {params.dataset.name} {chosen.profile}{factor} seed {params.seed}",
        params=params.model_dump(),
        tags={
            "subset.digest": subset_digest(Path("data/subset")),
            **{f"classes.{group}": str(int(np.sum(groups == group))) for group in set(groups)},
        },
        metrics=tracked,
        weights_digests={name: scores.weights_digest for name, scores in streams.items()},
        artifacts=[picture, REPORTS / "by_class.csv", REPORTS / "confusion.csv"],
    )


def write_csv(table: pd.DataFrame, name: str) -> None:
    with written_whole(REPORTS / name) as unfinished:
        table.to_csv(unfinished, index=False)


if __name__ == "__main__":
    with one_line_errors():
        main()
