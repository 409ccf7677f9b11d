"""The picture of a comparison."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from brl.comparison.statistics import interval
from brl.files import written_whole

PANELS = {"top1": "top-1, %", "few": "few-shot classes, %"}


def draw_comparison(path: Path, results: pd.DataFrame, title: str) -> None:
    """Every method's top-1 and few-shot accuracy: mean and 95 % interval over seeds, each seed a
    dot; a colour for each of the streams and fusions.

    results: a row each, with method, what, seed, top1, few.
    """
    methods = list(dict.fromkeys(results["method"]))
    kinds = list(dict.fromkeys(results["what"]))
    height = 1.4 + 0.16 * len(results.groupby(["method", "what"])) + 0.22 * len(methods)
    figure = Figure(figsize=(10, height), layout="constrained")
    axes = figure.subplots(1, len(PANELS), sharey=True)
    for axis, (column, words) in zip(axes, PANELS.items(), strict=True):
        for number, kind in enumerate(kinds):
            of_kind = results[results["what"] == kind]
            places, means, halves = [], [], []
            for method, found in of_kind.groupby("method", sort=False)[column]:
                place = methods.index(method) + 0.7 * (number + 0.5) / len(kinds) - 0.35
                axis.plot(found, np.full(len(found), place), ".", color=f"C{number}", alpha=0.4)
                places.append(place)
                means.append(found.mean())
                halves.append(np.nan_to_num(interval(found.to_numpy())))
            axis.errorbar(means, places, xerr=halves, fmt="o", ms=4, color=f"C{number}", label=kind)
        axis.set_xlabel(words)
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_yticks(range(len(methods)), methods)
    axes[0].invert_yaxis()
    axes[-1].legend(fontsize=8)
    figure.suptitle(title, fontsize=11)
    with written_whole(path) as unfinished:
        figure.savefig(unfinished, dpi=120)
