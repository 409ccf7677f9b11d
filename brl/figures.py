"""What the pictures of a run have in common."""

from pathlib import Path
from typing import TYPE_CHECKING

from brl.support.files import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GROUP_COLOURS = {"many": "#3b6fb6", "medium": "#6fa287", "few": "#d0743c"}


def new_figure(width: float, height: float) -> tuple["Figure", "Axes"]:
    """An empty figure of one panel; width and height in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save_figure(figure: "Figure", path: Path) -> None:
    """Writes a figure; equal figures give equal bytes."""
    with written_whole(path) as unfinished:
        # Without the version of matplotlib in it, equal pictures are equal files.
        figure.savefig(unfinished, dpi=110, metadata={"Software": None})
