"""Accuracy: overall, by class, and by the number of training clips of a class."""

from dataclasses import dataclass

import numpy as np

from brl.config.evaluate import EvaluateParams
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


@dataclass(frozen=True)
class ShotLimits:
    """What separates many-, medium- and few-shot classes, in training clips."""

    many_above: int
    few_below: int

    @classmethod
    def of(cls, train_clips: np.ndarray, params: EvaluateParams) -> "ShotLimits":
        """The limits for classes with these training clips, (C,).

        With `thirds`, a third of the classes, rounded down, is many-shot and a third few-shot;
        classes with as many clips as a medium-shot one are medium-shot, too.
        """
        many, few = params.many_shot_above, params.few_shot_below
        if isinstance(many, int) and isinstance(few, int):
            return cls(many, few)
        ascending, third = np.sort(train_clips), len(train_clips) // 3
        return cls(int(ascending[-1 - third]), int(ascending[third]))

    @property
    def by_name(self) -> dict[str, int]:
        """The limits by their names in params.yaml."""
        return {"many_shot_above": self.many_above, "few_shot_below": self.few_below}

    @property
    def in_words(self) -> str:
        """A sentence that says where the groups begin."""
        return (
            f"Many-shot classes have more than {self.many_above} training clips, few-shot classes "
            f"fewer than {self.few_below}."
        )


def shot_groups(train_clips: np.ndarray, params: EvaluateParams) -> np.ndarray:
    """The group of each class, (C,): `many`, `medium` or `few`, by its training clips (C,)."""
    limits = ShotLimits.of(train_clips, params)
    return np.select(
        [train_clips > limits.many_above, train_clips < limits.few_below],
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
