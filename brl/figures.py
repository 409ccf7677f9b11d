"""Style and output shared by the figures of a run."""

from pathlib import Path
from typing import TYPE_CHECKING

from brl.support.files import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUP_COLOURS = {"many": "#3b6fb6", "medium": "#6fa287", "few": "#d0743c"}


def new_figure(width: float, height: float) -> tuple["Figure", "Axes"]:
    """An empty figure with one panel. width, height: inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save_figure(figure: "Figure", path: Path) -> None:
    """Writes a figure to a file, in the format of its suffix. Equal figures give equal bytes."""
    with written_whole(path) as unfinished:
        # The default metadata holds the version of matplotlib.
        figure.savefig(unfinished, dpi=110, metadata={"Software": None})
