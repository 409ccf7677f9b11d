"""The figure of a long-tailed profile."""

from pathlib import Path

import numpy as np

from brl.figures import GROUP_COLOURS, new_figure, save_figure


def draw_profile(path: Path, train_clips: np.ndarray, available: np.ndarray) -> None:
    """Draws the long-tailed profile to a file: one bar per class.

    train_clips: (C,), training clips that each class keeps. available: (C,), those that it has.
    """
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_figure(float(np.clip(0.2 * len(train_clips), 6, 12)), 3)
    labels = np.arange(len(train_clips))
    axes.bar(labels, available, color="#e4e4e4", label="available")
    axes.bar(labels, train_clips, color=GROUP_COLOURS["many"], label="kept")
    axes.set_xlabel("class, by label")
    axes.set_ylabel("training clips")
    axes.margins(x=0.01)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(
        f"{train_clips.sum()} training clips, {train_clips.max()} to {train_clips.min()} a class"
    )
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    save_figure(figure, path)
