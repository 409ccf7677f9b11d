"""The report's page: one HTML file that opens from disk and needs no network."""

from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from brl.report import charts
from brl.report.analysis import (
    Calibration,
    calibration,
    confused_pairs,
    equally_weighted,
    hardest_clips,
    intervals,
    without_each,
)
from brl.report.columns import COLUMNS
from brl.report.data import HEADINGS
from brl.report.made import made_by
from brl.report.many import CONFUSED, MOST_CLASSES, most_confused
from brl.report.results import ENSEMBLE, Results
from brl.report.skeletons import View, bones, moving_bodies
from brl.report.words import data_in_words, fusion_in_words, method_in_words
from brl.scores.fusion import fuse
from brl.scores.metrics import GROUPS, Headline, headline
from brl.support.files import written_whole

PAIRS, MOVING = 12, 8
TEMPLATE = Path(__file__).with_name("page.html")
# Columns of a training curve, and the labels of their charts.
CURVES = {
    "loss": "training loss",
    "accuracy": "accuracy of training batches, %",
    "validation": "mean class accuracy of the validation part, %",
}


def write_page(path: Path, results: Results) -> None:
    """Writes the page."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    with written_whole(path) as unfinished:
        unfinished.write_text(template.render(contents(results)), encoding="utf-8")


def contents(results: Results) -> dict[str, Any]:
    """The variables of the template."""
    order = np.argsort(-results.train_clips, kind="stable")
    fused = results.fused.predictions
    pairs, calibrated = confused_pairs(fused, PAIRS), calibration(fused)
    parts, findings = results.data.of_split(results.params.dataset.split)
    return {
        "title": data_in_words(results.params),
        "facts": facts(results),
        "columns": COLUMNS,
        "numbers": numbers(results),
        "classes": class_rows(results, order),
        "shots": results.shot_limits,
        "streams": results.headlines,
        "contributions": contribution_rows(results),
        "pairs": pair_rows(results, pairs),
        "confused": CONFUSED if len(order) > MOST_CLASSES else None,
        "ece": calibrated.error,
        "moving": moving(results, hardest_clips(fused, pairs.head(MOVING))),
        "bones": bones(results.store.layout),
        "data_headings": HEADINGS,
        "data": parts,
        "findings": findings,
        "made": made_by(results.made),
        **drawings(results, order, calibrated),
    }


def drawings(results: Results, order: np.ndarray, calibrated: Calibration) -> dict[str, Any]:
    """The charts as SVG. order: (C,) labels, those with the most training clips first."""
    fused, groups, train_clips = results.fused.predictions, results.groups, results.train_clips
    accuracies = results.by_class[ENSEMBLE].to_numpy()
    shares = pd.crosstab(fused.labels, fused.predicted, normalize="index")
    if len(order) > MOST_CLASSES:
        order = order[np.isin(order, most_confused(fused, CONFUSED))]
    confusion = shares.reindex(index=order, columns=order, fill_value=0).to_numpy()
    names = [results.names[label] for label in order]
    curves = {
        label: charts.draw_curves(results.curves, column, label) for column, label in CURVES.items()
    }
    return {
        "scatter": charts.draw_accuracy_by_count(train_clips, accuracies, groups),
        "profile": charts.draw_profile(train_clips, groups),
        "confusion": charts.draw_confusion(confusion, names),
        "calibration": charts.draw_calibration(calibrated),
        "curves": {label: svg for label, svg in curves.items() if svg},
    }


def facts(results: Results) -> list[str]:
    """Clips, method, network and seed, in words."""
    params, counts = results.params, results.train_clips
    model = params.model
    return [
        f"{counts.sum()} training clips, {counts.max()} to {counts.min()} per class",
        f"{len(results.fused.labels)} test clips of {len(counts)} classes",
        method_in_words(params),
        f"{model.name}, {model.base_channels} channels, {len(results.streams)} streams",
        *([fusion_in_words(params.ensemble)] if params.ensemble.learns else []),
        f"seed {params.seed}",
    ]


def numbers(results: Results) -> list[dict[str, Any]]:
    """Headline numbers of the ensemble: `key`, `name`, `value`, `low` and `high` in %.

    `classes` is the number of classes of a group, None for the other numbers.
    """
    values = results.headlines[ENSEMBLE]
    accuracies = results.by_class[ENSEMBLE].to_numpy()
    bounds = intervals(results.fused.predictions, accuracies, results.groups)
    sizes = {group: int((results.groups == group).sum()) for group in GROUPS}
    return [
        {"key": key, "name": name, "value": values[key], "classes": sizes.get(key)}
        | dict(zip(("low", "high"), bounds[key], strict=True))
        for key, name in COLUMNS.items()
        if values[key] is not None
    ]


def class_rows(results: Results, order: np.ndarray) -> list[dict[str, Any]]:
    """One row for each class, in the given order of labels (C,). Undefined accuracies are None."""
    tested = np.bincount(results.fused.labels, minlength=len(order))
    rows = []
    for label in order:
        row = results.classes.iloc[label]
        accuracies = {
            name: _number(results.by_class[name].iloc[label]) for name in results.by_class
        }
        rows.append(
            {"name": row["class"], "group": row["group"]}
            | {"train_clips": int(row["train_clips"]), "test_clips": int(tested[label])}
            | {"ensemble": accuracies.pop(ENSEMBLE), "streams": accuracies}
        )
    return rows


def contribution_rows(results: Results) -> list[tuple[str, Headline]]:
    """Gains of the ensemble over itself without each stream, and with equal weights, in points.

    For an ensemble that learns: its gain over the weighted mean.
    """
    if len(results.streams) < 2:
        return []
    whole = results.headlines[ENSEMBLE]
    streams, ensemble, groups = results.streams, results.params.ensemble, results.groups
    if ensemble.learns:
        weights = ", ".join(f"{name} {results.weights[name]:g}" for name in streams)
        weighted = headline(fuse(streams, ensemble.weighted).predictions, groups)
        others = [(f"{ensemble.kind} fusion instead of the weighted one ({weights})", weighted)]
    else:
        others = [
            (f"{name} (weight {results.weights[name]:g})", rest)
            for name, rest in without_each(streams, ensemble, groups).items()
        ]
        equal = equally_weighted(streams, ensemble, groups)
        others.append(("these weights instead of equal ones", equal))
    return [
        (name, {key: _difference(whole[key], rest[key]) for key in COLUMNS})
        for name, rest in others
    ]


def pair_rows(results: Results, pairs: pd.DataFrame) -> list[dict[str, Any]]:
    """The confused pairs with the names of their classes, and the true class's group."""
    return [
        {"true": results.names[pair.label], "predicted": results.names[pair.predicted]}
        | {"clips": pair.clips, "share": pair.share, "group": results.groups[pair.label]}
        for pair in pairs.itertuples()
    ]


def moving(results: Results, indices: np.ndarray) -> list[dict[str, Any]]:
    """Clips to draw: name, true and predicted class, frames, the three most probable classes.

    indices: into the ensemble's scores. The true class is added to the three if it is not among
    them.
    """
    fused, names = results.fused, results.names
    view = View.of(results.store)
    clips = []
    for index in indices:
        probabilities = fused.probabilities[index]
        likeliest = np.argsort(-probabilities, kind="stable")[:3]
        label, name = int(fused.labels[index]), fused.names[index]
        shown = [*likeliest, *([] if label in likeliest else [label])]
        clips.append(
            {"name": str(name), "true": names[label]}
            | {"predicted": names[likeliest[0]]}
            | {"scores": [(names[c], float(probabilities[c]), c == label) for c in shown]}
            | moving_bodies(results.store, view, int(np.argmax(results.store.names == name)))
        )
    return clips


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _difference(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other
