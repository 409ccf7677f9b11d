"""The picture of mean ranks over datasets, with the critical difference."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from brl.comparison.summary.ranks import critical_difference
from brl.figures import fonts_for, in_picture, save_figure


def draw_ranks(path: Path, panels: dict[str, pd.DataFrame]) -> None:
    """Draws mean ranks with bars of half a critical difference to either side.

    Two methods differ, by Nemenyi's test, if their bars do not overlap. Dots are the ranks on each
    dataset.

    panels: ranks (methods, datasets) by title, each of two or more methods and datasets.
    """
    names = {name for ranked in panels.values() for name in (*ranked.index, *ranked)}
    with fonts_for(map(str, names)):
        save_figure(ranks_figure(panels), path)


def ranks_figure(panels: dict[str, pd.DataFrame]) -> Figure:
    """The figure that `draw_ranks` saves."""
    columns = 2
    rows = -(-len(panels) // columns)
    tallest = max(len(ranked) for ranked in panels.values())
    figure = Figure(figsize=(11, 0.6 + rows * (1.0 + 0.36 * tallest)), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    datasets = list(dict.fromkeys(name for ranked in panels.values() for name in ranked))
    colours = {name: f"C{number}" for number, name in enumerate(datasets)}
    legend: dict[str, Artist] = {}
    for axes, (title, ranked) in zip(grid.flat, panels.items(), strict=False):
        draw_panel(axes, ranked, colours)
        axes.set_title(title, fontsize=10)
        found, labels = axes.get_legend_handles_labels()
        legend |= dict(zip(labels, found, strict=True))
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    figure.legend(
        list(legend.values()),
        list(legend),
        loc="outside lower center",
        ncols=6,
        frameon=False,
        fontsize=8,
    )
    return figure


def draw_panel(axes: Axes, ranked: pd.DataFrame, colours: dict[str, str]) -> None:
    """Draws one table of ranks, the best mean at the top."""
    order = ranked.mean(axis="columns").sort_values(kind="stable").index
    ranked, lines = ranked.loc[order], np.arange(len(order))
    places = np.linspace(0.15, 0.5, len(ranked.columns))  # below the bar, so that all are seen
    for place, (dataset, of_dataset) in zip(places, ranked.items(), strict=True):
        axes.plot(of_dataset, lines + place, ".", color=colours[str(dataset)], label=dataset)
    half = critical_difference(*ranked.shape) / 2
    means = ranked.mean(axis="columns")
    label = "mean ± half the critical difference"
    axes.errorbar(means, lines, xerr=half, fmt="D", ms=5, capsize=3, color="#222222", label=label)
    axes.set_yticks(lines, [in_picture(str(name)) for name in order], fontsize=8)
    axes.set_ylim(len(order) - 0.3, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("rank; 1 is best", fontsize=9)
    axes.grid(axis="x", color="#dddddd", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)
