"""Charts of the page as SVG. Lines and text follow the page's colours, light or dark."""

import hashlib
import io
import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from brl.figures import fonts_for, in_picture
from brl.report.analysis import Calibration
from brl.scores.metrics import GROUPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Matplotlib cannot use CSS variables: it draws with these colours, which are then replaced.
PAGE_COLOURS = {
    "#010101": "currentColor",
    "#020202": "var(--line)",
    "#030303": "var(--accent)",
    "#040404": "var(--many)",
    "#050505": "var(--medium)",
    "#060606": "var(--few)",
}
INK, LINE, ACCENT, *OF_GROUPS = PAGE_COLOURS
GROUP_COLOURS = dict(zip(GROUPS, OF_GROUPS, strict=True))
STREAM_COLOURS = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#9c755f")


def draw_accuracy_by_count(
    train_clips: np.ndarray, accuracy: np.ndarray, groups: np.ndarray
) -> str:
    """Scatter plot of test accuracies (C,) in % against training clips (C,)."""
    figure, axes = _new_figure("training clips", "test accuracy, %")
    for group, colour in GROUP_COLOURS.items():
        of_group = groups == group
        axes.plot(train_clips[of_group], accuracy[of_group], "o", ms=5, color=colour, alpha=0.8)
    axes.set_xscale("log")
    _plain_ticks(axes, train_clips)
    axes.set_ylim(-4, 104)
    return _svg(figure)


def draw_profile(train_clips: np.ndarray, groups: np.ndarray) -> str:
    """Bar chart of training clips (C,), most first: the long tail."""
    figure, axes = _new_figure("class, most training clips first", "training clips")
    order = np.argsort(-train_clips, kind="stable")
    colours = [GROUP_COLOURS[group] for group in groups[order]]
    axes.bar(np.arange(1, len(order) + 1), train_clips[order], color=colours, width=0.9)
    axes.margins(x=0.01)
    _whole_ticks(axes)
    return _svg(figure)


def draw_calibration(calibrated: Calibration) -> str:
    """Reliability diagram: accuracy by confidence. Calibrated bars end at the diagonal."""
    figure, axes = _new_figure("confidence", "accuracy")
    bins = calibrated.bins
    width = (bins["high"] - bins["low"]) * 0.92
    middle = (bins["low"] + bins["high"]) / 2
    share = bins["clips"] / bins["clips"].sum()
    axes.bar(middle, bins["accuracy"], width, color=ACCENT, alpha=0.55, label="accuracy")
    axes.bar(middle, share, width / 3, color=INK, label="share of clips")
    axes.plot([0, 1], [0, 1], "--", color=INK, lw=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    _legend(axes)
    return _svg(figure)


def draw_curves(curves: dict[str, pd.DataFrame], column: str, label: str) -> str:
    """Training curves: one column by epoch, one line per stream. Empty if no curve has it."""
    shown = {name: curve for name, curve in curves.items() if column in curve and len(curve)}
    if not shown:
        return ""
    figure, axes = _new_figure("epoch", label)
    for number, (name, curve) in enumerate(shown.items()):
        colour = STREAM_COLOURS[number % len(STREAM_COLOURS)]
        marker = "o" if len(curve) == 1 else None
        axes.plot(curve["epoch"], curve[column], color=colour, label=name, lw=1.5, marker=marker)
    _whole_ticks(axes)
    _legend(axes)
    return _svg(figure)


def draw_confusion(confusion: np.ndarray, names: list[str]) -> str:
    """Confusion matrix, which grows with the number of classes so that names stay readable.

    confusion: (C, C), shares from 0 to 1 of a true class (row) by predicted class (column).
    """
    with fonts_for(names):  # to measure them; a browser writes them in fonts of its own
        return _svg(_confusion_figure(confusion, [in_picture(name) for name in names]))


def _confusion_figure(confusion: np.ndarray, names: list[str]) -> "Figure":
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    count = len(names)
    cell = 0.42 if count <= 25 else 0.17  # inches
    letters = 9 if count <= 25 else 7.5
    margin = 0.075 * letters / 9 * max(map(len, names)) + 0.4
    figure, axes = _new_figure("predicted", "true", count * cell + margin, count * cell + margin)
    fading = LinearSegmentedColormap.from_list(
        "fading", [(0.80, 0.36, 0.16, 0), (0.80, 0.36, 0.16, 1)]
    )
    visible = PowerNorm(0.5, vmin=0, vmax=1)  # small shares stay visible
    axes.imshow(confusion, cmap=fading, norm=visible, interpolation="none")
    axes.set_xticks(range(count), names, rotation=90, fontsize=letters)
    axes.set_yticks(range(count), names, fontsize=letters)
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(False)
    axes.grid(which="minor", color=LINE, lw=0.5)
    axes.tick_params(which="minor", length=0)
    if count <= 25:
        for row, column in np.argwhere(confusion >= 0.005):
            share = confusion[row, column]
            axes.text(
                column, row, f"{100 * share:.0f}", ha="center", va="center", color=INK, fontsize=8
            )
    return figure


def _new_figure(
    xlabel: str, ylabel: str, width: float = 4.7, height: float = 3.1
) -> tuple["Figure", "Axes"]:
    """A figure of one panel with labelled axes; width and height in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot(facecolor="none")
    axes.set_xlabel(xlabel, color=INK)
    axes.set_ylabel(ylabel, color=INK)
    axes.tick_params(colors=INK, which="both")
    axes.spines[:].set_color(LINE)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=LINE, lw=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _whole_ticks(axes: "Axes") -> None:
    """Puts whole numbers on the x axis."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _plain_ticks(axes: "Axes", values: np.ndarray) -> None:
    """Puts a few plain numbers, instead of powers of ten, on a logarithmic x axis."""
    from matplotlib.ticker import NullFormatter

    ticks = np.unique(np.geomspace(max(values.min(), 1), values.max(), 5).round().astype(int))
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())


def _legend(axes: "Axes") -> None:
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)


def _svg(figure: "Figure") -> str:
    """The figure as an SVG element; equal figures give equal text."""
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "brl"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    # Ids must be unique on a page with several charts; the font is the page's.
    mark = "c" + hashlib.sha256(svg.encode()).hexdigest()[:8]

    def of_the_page(tag: re.Match[str]) -> str:
        text = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{mark}", tag[0])
        text = text.replace("'DejaVu Sans', 'Bitstream Vera Sans'", "system-ui")
        for colour, variable in PAGE_COLOURS.items():
            text = text.replace(colour, variable)
        return text

    # Not what stands between tags: names of classes.
    return re.sub(r"<[^>]*>", of_the_page, svg)
