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
    figure, axes = _new_figure(len(train_clips))
    labels = np.arange(len(train_clips))
    axes.bar(labels, available, color="#e4e4e4", label="available")
    axes.bar(labels, train_clips, color=GROUP_COLOURS["many"], label="kept")
    axes.set_xlabel("class, by label")
    axes.set_ylabel("training clips")
    axes.set_title(
        f"{train_clips.sum()} training clips, {train_clips.max()} to {train_clips.min()}"
    )
    axes.legend(frameon=False)
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
    figure, axes = _new_figure(len(classes), tall=True)
    places = np.arange(len(classes))
    colours = [GROUP_COLOURS[group] for group in groups[order]]
    axes.bar(places, ensemble[order], color=colours, width=0.8)
    for accuracy in streams.values():
        axes.plot(places, accuracy[order], ".", color="#222222", markersize=3, alpha=0.6)
    names = [f"{classes[label]}  ({train_clips[label]})" for label in order]
    axes.set_xticks(places, names, rotation=90, fontsize=8)
    axes.set_ylim(0, 100)
    axes.set_ylabel("test accuracy, %")
    axes.set_title("Accuracy by class and its training clips; bar: ensemble, dots: streams")
    for group, colour in GROUP_COLOURS.items():
        if (groups == group).any():
            axes.bar([0], [0], color=colour, label=f"{group}-shot")
    axes.legend(frameon=False, ncols=3, loc="upper right", bbox_to_anchor=(1, -0.02))
    _save(figure, path)


def _new_figure(num_classes: int, tall: bool = False) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(6, 0.32 * num_classes), 5 if tall else 3), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: "Figure", path: Path) -> None:
    with written_whole(path) as unfinished:
        # Without the version of matplotlib in it, equal pictures are equal files.
        figure.savefig(unfinished, dpi=110, metadata={"Software": None})
