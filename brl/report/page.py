"""The page, put together: one file that works from a disk, without a network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from brl.clips.store import ClipStore
from brl.config.params import Params
from brl.report import charts
from brl.report.analysis import (
    calibration,
    confused_pairs,
    equally_weighted,
    hardest_clips,
    intervals,
    without_each,
)
from brl.report.columns import COLUMNS
from brl.report.skeletons import View, bones, moving_bodies
from brl.report.words import data_in_words, method_in_words
from brl.scores.metrics import GROUPS, Headline, accuracy_by_class, headline
from brl.scores.scores import Scores
from brl.support.files import written_whole

PAIRS, MOVING = 12, 8
TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class Results:
    """What a page is about.

    described  a row a class: `class`, `train_clips`, `group`
    streams    scores of each stream, fused: of their ensemble
    curves     training curve of each stream; without a row where it was not trained here
    """

    params: Params
    described: pd.DataFrame
    streams: dict[str, Scores]
    fused: Scores
    curves: dict[str, pd.DataFrame]
    store: ClipStore

    @property
    def groups(self) -> np.ndarray:
        """`many`, `medium` or `few` of each class, (C,)."""
        return self.described["group"].to_numpy()

    @property
    def weights(self) -> dict[str, float]:
        """Of the streams, in the ensemble."""
        return {str(name): weight for name, weight in self.params.ensemble.weights.items()}


def write_page(path: Path, results: Results) -> None:
    """Writes the page."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    with written_whole(path) as unfinished:
        unfinished.write_text(template.render(contents(results)), encoding="utf-8")


def contents(results: Results) -> dict[str, Any]:
    """All that the template asks for."""
    params, fused, groups = results.params, results.fused, results.groups
    counts = results.described["train_clips"].to_numpy()
    by_class = accuracy_by_class(fused)
    found = calibration(fused)
    names = results.described["class"].tolist()
    order = np.argsort(-counts, kind="stable")
    confusion = confusion_matrix(
        fused.labels, fused.probabilities.argmax(axis=1), labels=order, normalize="true"
    )
    pairs = confused_pairs(fused, PAIRS)
    curves = {
        label: charts.draw_curves(results.curves, column, label)
        for column, label in {
            "loss": "training loss",
            "accuracy": "accuracy of training batches, %",
            "validation": "mean class accuracy of the validation part, %",
        }.items()
    }
    return {
        "title": data_in_words(params),
        "facts": facts(results),
        "columns": COLUMNS,
        "numbers": numbers(results),
        "classes": class_rows(results, order),
        "scatter": charts.draw_accuracy_by_count(counts, by_class, groups),
        "profile": charts.draw_profile(counts, groups),
        "streams": stream_rows(results),
        "contributions": contribution_rows(results),
        "confusion": charts.draw_confusion(confusion, [names[label] for label in order]),
        "pairs": [
            {"true": names[p.label], "predicted": names[p.predicted], "clips": p.clips}
            | {"share": p.share, "group": groups[p.label]}
            for p in pairs.itertuples()
        ],
        "calibration": charts.draw_calibration(found),
        "ece": found.error,
        "curves": {label: svg for label, svg in curves.items() if svg},
        "moving": moving(results, hardest_clips(fused, pairs.head(MOVING))),
        "bones": bones(results.store.layout),
    }


def facts(results: Results) -> list[str]:
    """Clips, method, network, seed."""
    params, counts = results.params, results.described["train_clips"]
    model = params.model
    return [
        f"{counts.sum()} training clips, {counts.max()} to {counts.min()} a class",
        f"{len(results.fused.labels)} test clips of {len(counts)} classes",
        method_in_words(params),
        f"{model.name}, {model.base_channels} channels, {len(results.streams)} streams",
        f"seed {params.seed}",
    ]


def numbers(results: Results) -> list[dict[str, Any]]:
    """The headline of the ensemble: `name`, `value`, `low`, `high`, of `classes` classes."""
    values = headline(results.fused, results.groups)
    sure = intervals(results.fused, results.groups)
    sizes = {group: int((results.groups == group).sum()) for group in GROUPS}
    return [
        {"key": key, "name": name, "value": values[key], "classes": sizes.get(key)}
        | dict(zip(("low", "high"), sure[key], strict=True))
        for key, name in COLUMNS.items()
        if values[key] is not None
    ]


def class_rows(results: Results, order: np.ndarray) -> list[dict[str, Any]]:
    """A row a class, most training clips first; NaN accuracies are None."""
    by_stream = {name: accuracy_by_class(scores) for name, scores in results.streams.items()}
    fused = accuracy_by_class(results.fused)
    tested = np.bincount(results.fused.labels, minlength=len(order))
    rows = []
    for label in order:
        described = results.described.iloc[label]
        rows.append(
            {"name": described["class"], "group": described["group"]}
            | {"train_clips": int(described["train_clips"]), "test_clips": int(tested[label])}
            | {"ensemble": _number(fused[label])}
            | {"streams": {name: _number(found[label]) for name, found in by_stream.items()}}
        )
    return rows


def stream_rows(results: Results) -> dict[str, Headline]:
    """The headline of each stream, and of the ensemble."""
    every = {**results.streams, "ensemble": results.fused}
    return {name: headline(scores, results.groups) for name, scores in every.items()}


def contribution_rows(results: Results) -> list[tuple[str, Headline]]:
    """What the ensemble has that it would not have: without each stream, with equal weights;
    differences in points."""
    if len(results.streams) < 2:
        return []
    whole = headline(results.fused, results.groups)
    others = [
        (f"{name} (weight {results.weights[name]:g})", rest)
        for name, rest in without_each(results.streams, results.weights, results.groups).items()
    ]
    others.append(
        ("these weights, not equal ones", equally_weighted(results.streams, results.groups))
    )
    return [
        (name, {key: _difference(whole[key], rest[key]) for key in COLUMNS})
        for name, rest in others
    ]


def moving(results: Results, places: np.ndarray) -> list[dict[str, Any]]:
    """Clips to draw, each with its name, its label, and the likeliest three classes."""
    fused, names = results.fused, results.described["class"].tolist()
    place_in_store = {name: number for number, name in enumerate(results.store.names)}
    view = View.of(results.store)
    clips = []
    for place in places:
        probabilities = fused.probabilities[place]
        likeliest = np.argsort(-probabilities, kind="stable")[:3]
        label = int(fused.labels[place])
        shown = [*likeliest, *([] if label in likeliest else [label])]
        clips.append(
            {"name": str(fused.names[place]), "true": names[label]}
            | {"predicted": names[likeliest[0]]}
            | {"scores": [(names[c], float(probabilities[c]), c == label) for c in shown]}
            | moving_bodies(results.store, view, place_in_store[fused.names[place]])
        )
    return clips


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _difference(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other
