"""What a report tells beyond accuracies: how sure they are, who is taken for whom, what each
stream adds, whether probabilities can be believed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from brl.scores.fusion import fuse
from brl.scores.metrics import GROUPS, Headline, accuracy_by_class, headline
from brl.scores.scores import Scores

DRAWS = 4000
BINS = 15  # of the calibration curve, as arXiv 1706.04599 has it
Interval = tuple[float, float]


def intervals(scores: Scores, groups: np.ndarray) -> dict[str, Interval]:
    """95 % bootstrap intervals of top-1, mean class and group accuracies in %, over other test
    clips of the same classes, so many of each; groups (C,).

    Clips of a class that are drawn anew with replacement are recognised binomially often.
    """
    counts = np.bincount(scores.labels, minlength=len(groups))
    rates = np.nan_to_num(accuracy_by_class(scores)) / 100
    hits = np.random.default_rng(0).binomial(counts, rates, size=(DRAWS, len(groups)))
    tested = counts > 0
    by_class = hits[:, tested] / counts[tested]
    draws = {"top1": hits.sum(axis=1) / counts.sum(), "mean_class": by_class.mean(axis=1)}
    for group in GROUPS:
        members = groups[tested] == group
        if members.any():
            draws[group] = by_class[:, members].mean(axis=1)
    return {name: tuple(100 * np.quantile(d, [0.025, 0.975])) for name, d in draws.items()}


def confused_pairs(scores: Scores, most: int) -> pd.DataFrame:
    """The pairs of classes most often taken one for the other: `label`, `predicted`, `clips`, and
    `share` of the label's test clips in %; most clips first."""
    predicted = scores.probabilities.argmax(axis=1)
    wrong = pd.DataFrame({"label": scores.labels, "predicted": predicted})
    wrong = wrong[wrong["label"] != wrong["predicted"]]
    pairs = wrong.value_counts().rename("clips").reset_index()
    tested = np.bincount(scores.labels, minlength=scores.probabilities.shape[1])
    pairs["share"] = 100 * pairs["clips"] / tested[pairs["label"]]
    order = ["clips", "share", "label", "predicted"]
    return pairs.sort_values(order, ascending=[False, False, True, True]).head(most)


def hardest_clips(scores: Scores, pairs: pd.DataFrame) -> np.ndarray:
    """Of each pair the clip that is most surely taken for the wrong class, places in `scores`."""
    predicted = scores.probabilities.argmax(axis=1)
    places = []
    for pair in pairs.itertuples():
        of_pair = (scores.labels == pair.label) & (predicted == pair.predicted)
        surely = np.where(of_pair, scores.probabilities.max(axis=1), -1)
        places.append(int(surely.argmax()))
    return np.array(places, dtype=np.int64)


@dataclass(frozen=True)
class Calibration:
    """How far the highest probabilities can be believed. arXiv 1706.04599, sections 2 and 3.

    bins   a row a bin that has clips: `low`, `high`, `clips`, `confidence` and `accuracy`, shares
    error  expected calibration error (ECE) in points
    """

    bins: pd.DataFrame
    error: float


def calibration(scores: Scores) -> Calibration:
    """Of equally wide bins of the highest probability."""
    confidence = scores.probabilities.max(axis=1).astype(float)
    right = scores.probabilities.argmax(axis=1) == scores.labels
    edges = np.linspace(0, 1, BINS + 1)
    place = np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1).astype(int)
    table = pd.DataFrame({"bin": place, "confidence": confidence, "accuracy": right})
    bins = table.groupby("bin").mean()
    bins["clips"] = table.groupby("bin").size()
    bins["low"], bins["high"] = edges[bins.index], edges[bins.index + 1]
    gaps = (bins["accuracy"] - bins["confidence"]).abs()
    return Calibration(bins, 100 * float((gaps * bins["clips"]).sum() / len(right)))


def without_each(
    streams: dict[str, Scores], weights: dict[str, float], groups: np.ndarray
) -> dict[str, Headline]:
    """The ensemble without one stream, by that stream's name; none where there is one stream."""
    found = {}
    for name in streams:
        rest = {other: scores for other, scores in streams.items() if other != name}
        if any(weights[other] > 0 for other in rest):
            found[name] = headline(fuse(rest, weights), groups)
    return found


def equally_weighted(streams: dict[str, Scores], groups: np.ndarray) -> Headline:
    """The ensemble if all its streams had the same weight."""
    return headline(fuse(streams, dict.fromkeys(streams, 1.0)), groups)
