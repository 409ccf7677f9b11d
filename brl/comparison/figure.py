"""The picture of a comparison."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from brl.comparison.fusions import NAMES
from brl.comparison.statistics import interval
from brl.figures import fonts_for, in_picture
from brl.support.files import written_whole

PANELS = {"top1": "top-1, %", "few": "few-shot classes, %"}
GAP = 0.7  # between two methods, in lines


def draw_comparison(path: Path, results: pd.DataFrame, title: str) -> None:
    """Draws what `comparison_figure` makes into a file."""
    with fonts_for([title, *results["method"].unique()]), written_whole(path) as unfinished:
        figure = comparison_figure(results, title)
        figure.savefig(unfinished, dpi=120, metadata={"Software": None})


def comparison_figure(results: pd.DataFrame, title: str) -> Figure:
    """Top-1 and few-shot accuracy of every method, for its first stream and its fusions.

    A stream that is the first of one method is drawn for all that have it. Each has a line with the
    mean and its 95 % interval over seeds, and a dot for each seed.

    results: columns `method`, `what` (the stream or the fusion), `seed`, `top1` and `few` in %
    (NaN if there is no such class).
    """
    methods = list(dict.fromkeys(results["method"]))
    first = results.drop_duplicates("method")["what"]
    shown = list(dict.fromkeys([*first, *NAMES]))
    results = results[results["what"].isin(shown)]
    heights: dict[tuple[str, str], float] = {}
    centres, top = [], 0.0
    for method in methods:
        kinds = [kind for kind in shown if len(_of(results, method, kind))]
        heights |= {(method, kind): top + line for line, kind in enumerate(kinds)}
        centres.append(top + (len(kinds) - 1) / 2)
        top += len(kinds) + GAP
    figure = Figure(figsize=(10, 1.6 + 0.17 * top), layout="constrained")
    panels = [column for column in PANELS if results[column].notna().any()]
    all_axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
    for axes, column in zip(all_axes, panels, strict=True):
        for number, kind in enumerate(shown):
            rows = {m: _of(results, m, kind)[column] for m in methods if (m, kind) in heights}
            if not rows:
                continue
            lines = [heights[method, kind] for method in rows]
            means = [values.mean() for values in rows.values()]
            halves = [np.nan_to_num(interval(values.to_numpy())) for values in rows.values()]
            for line, values in zip(lines, rows.values(), strict=True):
                axes.plot(values, np.full(len(values), line), ".", color=f"C{number}", alpha=0.4)
            label = kind if column == panels[0] else None
            axes.errorbar(means, lines, xerr=halves, fmt="o", ms=4, color=f"C{number}", label=label)
        axes.set_xlabel(PANELS[column])
        axes.grid(axis="x", alpha=0.3)
    all_axes[0].set_yticks(centres, [in_picture(method) for method in methods])
    all_axes[0].invert_yaxis()
    figure.legend(loc="outside lower center", ncols=len(shown), frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=11)
    return figure


def _of(results: pd.DataFrame, method: str, kind: str) -> pd.DataFrame:
    return results[(results["method"] == method) & (results["what"] == kind)]
