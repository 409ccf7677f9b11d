"""The report's analysis: intervals, confusions, the contribution of streams, calibration."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from brl.config.params import EnsembleParams
from brl.scores.fusion import fuse, weighed
from brl.scores.metrics import GROUPS, Headline, headline
from brl.scores.scores import Predictions, Scores

DRAWS = 4000
BINS = 15  # of the calibration curve, as in arXiv 1706.04599
Interval = tuple[float, float]


def intervals(
    clips: Predictions, accuracies: np.ndarray, groups: np.ndarray
) -> dict[str, Interval]:
    """95 % bootstrap intervals of top-1, mean class and group accuracies, in %.

    accuracies: (C,) in %, as `accuracy_by_class` gives them; groups: (C,). Test clips are resampled
    within each class. The number of recognised clips of a class is then binomial.
    """
    counts = np.bincount(clips.labels, minlength=len(groups))
    rates = np.nan_to_num(accuracies) / 100
    hits = np.random.default_rng(0).binomial(counts, rates, size=(DRAWS, len(groups)))
    tested = counts > 0
    by_class = hits[:, tested] / counts[tested]
    draws = {"top1": hits.sum(axis=1) / counts.sum(), "mean_class": by_class.mean(axis=1)}
    for group in GROUPS:
        members = groups[tested] == group
        if members.any():
            draws[group] = by_class[:, members].mean(axis=1)
    return {name: tuple(100 * np.quantile(d, [0.025, 0.975])) for name, d in draws.items()}


def confused_pairs(clips: Predictions, most: int) -> pd.DataFrame:
    """The `most` pairs of true and predicted class with the most misclassified clips.

    Columns: `label`, `predicted`, `clips`, and `share`, the clips in % of the label's test clips.
    The pair with the most clips comes first.
    """
    wrong = pd.DataFrame({"label": clips.labels, "predicted": clips.predicted})
    wrong = wrong[~clips.correct]
    pairs = wrong.value_counts().rename("clips").reset_index()
    tested = np.bincount(clips.labels, minlength=clips.num_classes)
    pairs["share"] = 100 * pairs["clips"] / tested[pairs["label"]]
    order = ["clips", "share", "label", "predicted"]
    return pairs.sort_values(order, ascending=[False, False, True, True]).head(most)


def hardest_clips(clips: Predictions, pairs: pd.DataFrame) -> np.ndarray:
    """The clip of each confused pair whose wrong class is most probable: indices into `clips`."""
    indices = []
    for pair in pairs.itertuples():
        of_pair = (clips.labels == pair.label) & (clips.predicted == pair.predicted)
        indices.append(int(np.where(of_pair, clips.confidence, -1).argmax()))
    return np.array(indices, dtype=np.int64)


@dataclass(frozen=True)
class Calibration:
    """How well confidence, the highest probability, matches accuracy.

    bins   one row for each bin with clips: `low` and `high` (its edges), `clips`, and the means
           `confidence` and `accuracy`, from 0 to 1
    error  expected calibration error (ECE) in percentage points

    Source: arXiv 1706.04599, sections 2 and 3.
    """

    bins: pd.DataFrame
    error: float


def calibration(clips: Predictions) -> Calibration:
    """Calibration in bins of equal width."""
    confidence = clips.confidence.astype(float)
    edges = np.linspace(0, 1, BINS + 1)
    numbers = np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1).astype(int)
    table = pd.DataFrame({"bin": numbers, "confidence": confidence, "accuracy": clips.correct})
    bins = table.groupby("bin").mean()
    bins["clips"] = table.groupby("bin").size()
    bins["low"], bins["high"] = edges[bins.index], edges[bins.index + 1]
    gaps = (bins["accuracy"] - bins["confidence"]).abs()
    return Calibration(bins, 100 * float((gaps * bins["clips"]).sum() / len(table)))


def without_each(
    streams: dict[str, Scores], ensemble: EnsembleParams, groups: np.ndarray
) -> dict[str, Headline]:
    """Headline numbers of the ensemble without one stream, for each stream by its name.

    A stream is left out if no other stream has a weight above zero.
    """
    headlines = {}
    for name in streams:
        rest = {other: scores for other, scores in streams.items() if other != name}
        if weighed(rest, ensemble):
            headlines[name] = headline(fuse(rest, ensemble).predictions, groups)
    return headlines


def equally_weighted(
    streams: dict[str, Scores], ensemble: EnsembleParams, groups: np.ndarray
) -> Headline:
    """Headline numbers of the ensemble if all streams had the same weight."""
    equal = ensemble.model_copy(update={"weights": dict.fromkeys(ensemble.weights, 1.0)})
    return headline(fuse(streams, equal).predictions, groups)
