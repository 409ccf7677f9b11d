"""Pictures of a run."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brl.support.files import written_whole

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUP_COLOURS = {"many": "#3b6fb6", "medium": "#6fa287", "few": "#d0743c"}


def draw_profile(path: Path, train_clips: np.ndarray, available: np.ndarray) -> None:
    """The long-tail profile: a bar a class, (C,) kept of (C,) available training clips."""
    figure, axes = _new_figure(float(np.clip(0.2 * len(train_clips), 6, 12)), 3)
    labels = np.arange(len(train_clips))
    axes.bar(labels, available, color="#e4e4e4", label="available")
    axes.bar(labels, train_clips, color=GROUP_COLOURS["many"], label="kept")
    axes.set_xlabel("class, by label")
    axes.set_ylabel("training clips")
    axes.margins(x=0.01)
    figure.suptitle(
        f"{train_clips.sum()} training clips, {train_clips.max()} to {train_clips.min()} a class"
    )
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    _save(figure, path)


def draw_by_class(path: Path, described: "pd.DataFrame", by_class: "pd.DataFrame") -> None:
    """Test accuracy of each class, most training clips first: bar the ensemble, dots the streams.

    A row a class: described `class`, `train_clips`, `group`; by_class a column a stream and
    `ensemble`, in %.
    """
    order = described.sort_values("train_clips", ascending=False, kind="stable").index
    described, by_class = described.loc[order], by_class.loc[order]
    places = np.arange(len(order))
    figure, axes = _new_figure(7, 1.2 + 0.24 * len(order))
    for group, colour in GROUP_COLOURS.items():
        rows = (described["group"] == group).to_numpy()
        if rows.any():
            accuracy = by_class["ensemble"].to_numpy()[rows]
            axes.barh(places[rows], accuracy, color=colour, label=f"ensemble, {group}-shot")
    for number, stream in enumerate(by_class.columns.drop("ensemble")):
        entry = None if number else "a stream"
        axes.plot(by_class[stream], places, ".", color="#222222", markersize=4, label=entry)
    names = [f"{row['class']} ({row['train_clips']})" for _, row in described.iterrows()]
    axes.set_yticks(places, names, fontsize=8)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlim(0, 101)
    axes.set_xlabel("test accuracy, %")
    axes.set_ylabel("class (training clips)")
    axes.grid(axis="x", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    _save(figure, path)


def _new_figure(width: float, height: float) -> tuple["Figure", "Axes"]:
    """A figure of one panel; width and height in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: "Figure", path: Path) -> None:
    with written_whole(path) as unfinished:
        # Without the version of matplotlib in it, equal pictures are equal files.
        figure.savefig(unfinished, dpi=110, metadata={"Software": None})
