"""The picture of accuracy by class."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brl.figures import GROUP_COLOURS, fonts_for, in_picture, new_figure, save_figure
from brl.report.many import MOST_CLASSES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEANS = 40  # over so many parts of the classes, in the picture of many


def draw_by_class(path: Path, classes: "pd.DataFrame", by_class: "pd.DataFrame") -> None:
    """Draws the test accuracy of each class, most training clips first.

    Bars show the ensemble, dots the streams; of more than `MOST_CLASSES`, dots show the ensemble.
    Both tables have one row for each class. classes: columns `class`, `train_clips` and `group`;
    by_class: accuracies in %, a column for each stream and `ensemble`.
    """
    with fonts_for(classes["class"]):
        save_figure(figure_by_class(classes, by_class), path)


def figure_by_class(classes: "pd.DataFrame", by_class: "pd.DataFrame") -> "Figure":
    """The figure that `draw_by_class` saves."""
    order = classes.sort_values("train_clips", ascending=False, kind="stable").index
    classes, by_class = classes.loc[order], by_class.loc[order]
    draw = draw_bars if len(order) <= MOST_CLASSES else draw_points
    figure, axes = draw(classes, by_class)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlim(0, 101)
    axes.set_xlabel("test accuracy, %")
    axes.grid(axis="x", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    return figure


def draw_bars(classes: "pd.DataFrame", by_class: "pd.DataFrame") -> tuple["Figure", "Axes"]:
    """A bar for each class with its name, and a dot for each stream."""
    positions = np.arange(len(classes))
    figure, axes = new_figure(7, 1.2 + 0.24 * len(classes))
    for group, colour in GROUP_COLOURS.items():
        rows = (classes["group"] == group).to_numpy()
        if rows.any():
            accuracy = by_class["ensemble"].to_numpy()[rows]
            axes.barh(positions[rows], accuracy, color=colour, label=f"ensemble, {group}-shot")
    for number, stream in enumerate(by_class.columns.drop("ensemble")):
        entry = None if number else "a stream"
        axes.plot(by_class[stream], positions, ".", color="#222222", markersize=4, label=entry)
    names = [f"{in_picture(row['class'])} ({row['train_clips']})" for _, row in classes.iterrows()]
    axes.set_yticks(positions, names, fontsize=8)
    axes.set_ylabel("class (training clips)")
    return figure, axes


def draw_points(classes: "pd.DataFrame", by_class: "pd.DataFrame") -> tuple["Figure", "Axes"]:
    """A dot for each of many classes without its name, and the means of neighbouring classes."""
    accuracy, positions = by_class["ensemble"].to_numpy(), np.arange(len(classes))
    figure, axes = new_figure(7, 9)
    for group, colour in GROUP_COLOURS.items():
        rows = (classes["group"] == group).to_numpy()
        if rows.any():
            label = f"ensemble, {group}-shot"
            axes.plot(accuracy[rows], positions[rows], ".", color=colour, ms=4, label=label)
    means = (
        by_class[["ensemble"]].assign(place=positions).groupby(positions * MEANS // len(classes))
    )
    axes.plot(*means.mean().to_numpy().T, color="#222222", label=f"means of {MEANS} parts")
    ticks = np.linspace(0, len(classes) - 1, 11).round().astype(int)
    axes.set_yticks(ticks, [str(clips) for clips in classes["train_clips"].iloc[ticks]])
    axes.set_ylabel(f"training clips of each of {len(classes)} classes")
    return figure, axes
