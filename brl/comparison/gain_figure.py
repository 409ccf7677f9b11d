"""The picture of what methods gain in classes of different size."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import Bbox

from brl.comparison.fusions import NAMES
from brl.comparison.sizes import size_groups
from brl.figures import GROUP_COLOURS, fonts_for, in_picture, save_figure
from brl.support.text import shortened

COLUMNS = 4
NAMED = 6  # the most classes of a panel that have their names written beside them
LONGEST = 24  # of such a name, in characters
POINT = 6  # width of a point, in pixels


def draw_gains(path: Path, classes: pd.DataFrame, reference: str) -> None:
    """Draws the gain of each class over the reference against its number of training clips.

    There is a panel for each method, for the first stream and, where there is one, the largest
    fusion. Points are classes; those that gain or lose most have names, as far as there is room.
    The line is the mean of each group of `brl.comparison.sizes`.

    classes: rows with a gain, of other methods than the reference, as `class_table` has them.
    """
    with fonts_for({*classes["class"], *classes["method"], reference}):
        save_figure(gain_figure(classes, reference), path)


def gain_figure(classes: pd.DataFrame, reference: str) -> Figure:
    """The figure that `draw_gains` saves."""
    whats = list(dict.fromkeys(classes["what"]))
    shown = list(dict.fromkeys([whats[0], *[what for what in NAMES if what in whats][-1:]]))
    numbers = [classes[classes["what"] == what]["method"].nunique() for what in shown]
    rows = [-(-number // COLUMNS) for number in numbers]
    figure = Figure(figsize=(13, 0.7 + 2.6 * sum(rows)), layout="constrained")
    parts = figure.subfigures(len(shown), 1, height_ratios=rows, squeeze=False)[:, 0]
    panels = []
    for what, part in zip(shown, parts, strict=True):
        panels += draw_panels(part, classes[classes["what"] == what])
        part.suptitle(what, fontsize=11)
        part.supxlabel("training clips", fontsize=9)
        part.supylabel(f"gain over {reference}, points", fontsize=9)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    figure.draw_without_rendering()  # places the panels, so that names can be fitted in
    figure.set_layout_engine("none")
    for axes, of_method in panels:
        name_points(axes, of_method)
    return figure


def draw_panels(part: SubFigure, classes: pd.DataFrame) -> list[tuple[Axes, pd.DataFrame]]:
    """Draws a panel for each method of one stream or fusion; returns them with their classes."""
    methods = list(classes.groupby("method", sort=False))
    grid = part.subplots(-(-len(methods) // COLUMNS), COLUMNS, sharex=True, sharey=True)
    for axes in grid.flat[len(methods) :]:
        axes.remove()
    panels = []
    for axes, (method, of_method) in zip(grid.flat, methods, strict=False):
        draw_method(axes, of_method)
        axes.set_title(in_picture(method), fontsize=9)
        panels.append((axes, of_method))
    return panels


def draw_method(axes: Axes, classes: pd.DataFrame) -> None:
    """Draws a point for each class, and the mean of each group of sizes."""
    axes.axhline(0, color="#888888", linewidth=0.8)
    for group, colour in GROUP_COLOURS.items():
        points = classes[classes["group"] == group]
        if len(points):
            label = f"{group}-shot class"
            axes.plot(points["training_clips"], points["gain"], ".", color=colour, label=label)
    logs = np.log(classes["training_clips"])
    means = classes.assign(log=logs).groupby(size_groups(classes["training_clips"]), observed=True)
    centres = np.exp(means["log"].mean())
    axes.plot(centres, means["gain"].mean(), "-", color="#222222", alpha=0.6, label="mean")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=8, labelbottom=True)
    axes.margins(x=0.08, y=0.12)
    axes.grid(color="#dddddd", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def name_points(axes: Axes, classes: pd.DataFrame) -> None:
    """Writes names beside the points with the largest gains and losses.

    A name that would cover a point or another name, or leave the panel, is left out.
    """
    points = axes.transData.transform(classes[["training_clips", "gain"]])
    taken = [Bbox.from_bounds(x - POINT / 2, y - POINT / 2, POINT, POINT) for x, y in points]
    order = classes["gain"].abs().sort_values(ascending=False, kind="stable").index[:NAMED]
    columns = classes.loc[order, ["class", "training_clips", "gain"]]
    for full, clips, gain in columns.itertuples(index=False):
        name = shortened(full, LONGEST)
        for side, shift in (("left", 4), ("right", -4)):
            text = axes.annotate(
                name,
                (clips, gain),
                (shift, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=6.5,
            )
            box = text.get_window_extent()
            inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1
            if inside and not box.count_overlaps(taken):
                taken.append(box)
                break
            text.remove()
