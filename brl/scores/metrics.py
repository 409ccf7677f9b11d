"""Accuracy: overall, by class, and by how often a class was seen in training."""

import numpy as np
from sklearn.metrics import recall_score, top_k_accuracy_score

from brl.config.params import EvaluateParams
from brl.scores.scores import Scores

Headline = dict[str, float | None]
GROUPS = ("many", "medium", "few")


def accuracy_by_class(scores: Scores) -> np.ndarray:
    """Share of each class's test clips that are recognised, (C,) in %; NaN without test clips."""
    return 100 * recall_score(
        scores.labels,
        scores.probabilities.argmax(axis=1),
        labels=np.arange(scores.probabilities.shape[1]),
        average=None,
        zero_division=np.nan,
    )


def shot_groups(train_clips: np.ndarray, params: EvaluateParams) -> np.ndarray:
    """`many`, `medium` or `few` for each class by its training clips (C,)."""
    return np.select(
        [train_clips > params.many_shot_above, train_clips < params.few_shot_below],
        ["many", "few"],
        "medium",
    )


def overall(scores: Scores) -> Headline:
    """`top1`, `top5` and `mean_class` in %; top5 is None with five classes or fewer."""
    num_classes = scores.probabilities.shape[1]

    def top(k: int) -> float:
        share = top_k_accuracy_score(
            scores.labels, scores.probabilities, k=k, labels=np.arange(num_classes)
        )
        return round(100 * float(share), 4)

    hits = scores.probabilities.argmax(axis=1) == scores.labels
    return {
        "top1": round(100 * float(hits.mean()), 4),
        "top5": top(5) if num_classes > 5 else None,
        "mean_class": _mean(accuracy_by_class(scores)),
    }


def headline(scores: Scores, groups: np.ndarray) -> Headline:
    """`overall`, and the mean class accuracy of each group of classes (C,), in %.

    None for a group without a class.
    """
    by_class = accuracy_by_class(scores)
    return overall(scores) | {group: _mean(by_class[groups == group]) for group in GROUPS}


def _mean(values: np.ndarray) -> float | None:
    """Mean over the classes that have test clips."""
    tested = values[~np.isnan(values)]
    return round(float(tested.mean()), 4) if len(tested) else None
