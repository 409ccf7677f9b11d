"""Pictures of a run."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brl.files import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUP_COLOURS = {"many": "#3b6fb6", "medium": "#6fa287", "few": "#d0743c"}


def draw_profile(path: Path, train_clips: np.ndarray, available: np.ndarray) -> None:
    """The long-tail profile: a bar a class, (C,) kept of (C,) available training clips."""
    figure, axes = _new_figure(max(6, 0.2 * len(train_clips)), 3)
    labels = np.arange(len(train_clips))
    axes.bar(labels, available, color="#e4e4e4", label="available")
    axes.bar(labels, train_clips, color=GROUP_COLOURS["many"], label="kept")
    axes.set_xlabel("class, by label")
    axes.set_ylabel("training clips")
    figure.suptitle(
        f"{train_clips.sum()} training clips, {train_clips.max()} to {train_clips.min()} a class"
    )
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    _save(figure, path)


def draw_by_class(
    path: Path,
    classes: list[str],
    train_clips: np.ndarray,
    groups: np.ndarray,
    ensemble: np.ndarray,
    streams: dict[str, np.ndarray],
) -> None:
    """Test accuracy of each class, most training clips first: bar the ensemble, dots the streams.

    train_clips, groups, ensemble and each stream's accuracy (in %): (C,).
    """
    order = np.argsort(-train_clips, kind="stable")
    places = np.arange(len(classes))
    figure, axes = _new_figure(7, 1.2 + 0.24 * len(classes))
    for group, colour in GROUP_COLOURS.items():
        rows = groups[order] == group
        if rows.any():
            label = f"ensemble, {group}-shot"
            axes.barh(places[rows], ensemble[order][rows], color=colour, label=label)
    for number, accuracy in enumerate(streams.values()):
        entry = None if number else "a stream"
        axes.plot(accuracy[order], places, ".", color="#222222", markersize=4, label=entry)
    names = [f"{classes[label]} ({train_clips[label]})" for label in order]
    axes.set_yticks(places, names, fontsize=8)
    axes.set_ylim(len(classes) - 0.4, -0.6)
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
