"""What the report shows of more classes and clips than can be read one by one."""

import numpy as np

from brl.scores.scores import Predictions

MOST_CLASSES = 400  # that are shown one by one, with their names: those of Kinetics-400
CONFUSED = 60  # classes in the confusion matrix if there are more
MOST_CLIPS = 200_000  # that are listed in confusion.csv: 10 MB


def most_confused(clips: Predictions, most: int) -> np.ndarray:
    """The labels of the `most` classes with the most misclassified clips, these first."""
    wrong = np.bincount(clips.labels[~clips.correct], minlength=clips.num_classes)
    return np.argsort(-wrong, kind="stable")[:most]


def listed_clips(clips: Predictions) -> np.ndarray:
    """Which clips confusion.csv lists, (N,) bool.

    Of more than `MOST_CLIPS`, they are those of the classes with the most misclassified clips: as
    many classes as fit, but at least one.
    """
    if len(clips.labels) <= MOST_CLIPS:
        return np.ones(len(clips.labels), dtype=bool)
    ranked = most_confused(clips, clips.num_classes)
    tested = np.bincount(clips.labels, minlength=clips.num_classes)[ranked]
    fitting = int((np.cumsum(tested) <= MOST_CLIPS).sum())
    return np.isin(clips.labels, ranked[: max(fitting, 1)])
