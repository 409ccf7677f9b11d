"""Accuracy: overall, by class, and by the number of training clips of a class."""

import numpy as np
from sklearn.metrics import recall_score, top_k_accuracy_score

from brl.config.params import EvaluateParams
from brl.scores.scores import Scores

Headline = dict[str, float | None]
GROUPS = ("many", "medium", "few")


def accuracy_by_class(scores: Scores) -> np.ndarray:
    """Accuracy of each class, (C,), in %: the recognised share of its test clips.

    NaN for a class without test clips.
    """
    return 100 * recall_score(
        scores.labels,
        scores.predicted,
        labels=np.arange(scores.probabilities.shape[1]),
        average=None,
        zero_division=np.nan,
    )


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

    def top(k: int) -> float:
        share = top_k_accuracy_score(
            scores.labels, scores.probabilities, k=k, labels=np.arange(num_classes)
        )
        return round(100 * float(share), 4)

    return {
        "top1": round(100 * float(scores.correct.mean()), 4),
        "top5": top(5) if num_classes > 5 else None,
        "mean_class": _mean(by_class),
    }


def _mean(values: np.ndarray) -> float | None:
    """Mean over the classes that have test clips."""
    tested = values[~np.isnan(values)]
    return round(float(tested.mean()), 4) if len(tested) else None
