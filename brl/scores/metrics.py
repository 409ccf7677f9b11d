"""Accuracy: overall, by class, and by the number of training clips of a class."""

import numpy as np

from brl.config.params import EvaluateParams
from brl.scores.scores import Scores

Headline = dict[str, float | None]
GROUPS = ("many", "medium", "few")


def accuracy_by_class(scores: Scores) -> np.ndarray:
    """Accuracy of each class, (C,), in %: the recognised share of its test clips.

    NaN for a class without test clips.
    """
    num_classes = scores.probabilities.shape[1]
    correct, clips = (
        np.bincount(labels, minlength=num_classes)
        for labels in (scores.labels[scores.correct], scores.labels)
    )
    return 100 * np.divide(correct, clips, out=np.full(num_classes, np.nan), where=clips > 0)


def shot_groups(train_clips: np.ndarray, params: EvaluateParams) -> np.ndarray:
    """The group of each class, (C,): `many`, `medium` or `few`, by its training clips (C,)."""
    return np.select(
        [train_clips > params.many_shot_above, train_clips < params.few_shot_below],
        ["many", "few"],
        "medium",
    )


def overall(scores: Scores) -> Headline:
    """Top-1, top-5 and mean class accuracy in %: `top1`, `top5` and `mean_class`.

    `top5` is None with five classes or fewer.
    """
    return _overall(scores, accuracy_by_class(scores))


def headline(scores: Scores, groups: np.ndarray) -> Headline:
    """`overall`, and the mean class accuracy of each group in %: `many`, `medium` and `few`.

    groups: (C,), as `shot_groups` gives them. A group without tested classes has None.
    """
    by_class = accuracy_by_class(scores)
    of_groups = {group: _mean(by_class[groups == group]) for group in GROUPS}
    return _overall(scores, by_class) | of_groups


def _overall(scores: Scores, by_class: np.ndarray) -> Headline:
    num_classes = scores.probabilities.shape[1]
    return {
        "top1": _percent(scores.correct),
        "top5": _percent(_among_top(scores, 5)) if num_classes > 5 else None,
        "mean_class": _mean(by_class),
    }


def _among_top(scores: Scores, k: int) -> np.ndarray:
    """Whether the label of each clip is among its k most probable classes, (N,) bool.

    Of equally probable classes the last come first, as in sklearn's `top_k_accuracy_score`.
    """
    ranked = np.argsort(scores.probabilities, axis=1, kind="stable")
    return (ranked[:, -k:] == scores.labels[:, None]).any(axis=1)


def _percent(correct: np.ndarray) -> float:
    return round(100 * float(correct.mean()), 4)


def _mean(values: np.ndarray) -> float | None:
    """Mean over the classes that have test clips."""
    tested = values[~np.isnan(values)]
    return round(float(tested.mean()), 4) if len(tested) else None
