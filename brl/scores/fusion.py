"""Fusion of streams: `ensemble.kind` in params.yaml names a row of FUSIONS."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save
from scipy.special import softmax

from brl.config.params import EnsembleParams
from brl.scores.scores import Scores, blocks
from brl.support.checked import read_safetensors, write_safetensors
from brl.support.errors import OR_DAMAGED, UserError
from brl.support.paths import FUSION, stream_scores, unseen_scores

StreamScores = Mapping[str, Scores]
Fitted = Mapping[str, np.ndarray]  # what a fusion has learned; empty for one that learns nothing
# Below it a probability counts as this one: half of the step in which comparisons keep scores.
SMALLEST = 2.0**-12
BIAS = "bias"
ITERATIONS = 1000  # at most; scikit-learn's 100 do not suffice for many classes


class Fusion(NamedTuple):
    """A row of the table.

    fuse  class probabilities (n, C) float32 of clips, from the streams' scores of them
    fit   what the fusion learns from the streams' scores of training clips on which they were not
          trained: arrays, which `fuse` gets; None: it learns nothing
    """

    fuse: Callable[[StreamScores, EnsembleParams, Fitted], np.ndarray]
    fit: Callable[[StreamScores], Fitted] | None = None


def weighted(test: StreamScores, params: EnsembleParams, _fitted: Fitted) -> np.ndarray:
    """Weighted mean of the streams' probabilities, as in BRL, arXiv 2308.14024.

    Weights of streams without scores are ignored. Raises UserError where the others are all zero.
    """
    of_streams = np.array(list(shares(test, params).values()))
    stacked = np.stack([scores.probabilities for scores in test.values()])
    return np.tensordot(of_streams, stacked, axes=1).astype(np.float32)


def logits(test: StreamScores, params: EnsembleParams, _fitted: Fitted) -> np.ndarray:
    """Softmax of the weighted mean of the streams' log probabilities.

    It ranks classes as the weighted sum of logits in PSUMNet (arXiv 2208.05775) and Shap-Mix
    (arXiv 2407.12312), but for the floor, without which a stream could veto a class.
    """
    of_streams = np.array(list(shares(test, params).values()))
    mean = np.tensordot(of_streams, np.stack(list(_logs(test).values())), axes=1)
    return softmax(mean, axis=1).astype(np.float32)


def shares(streams: Iterable[str], params: EnsembleParams) -> dict[str, float]:
    """Each stream's share of the weighted mean; the shares sum to one.

    Raises UserError where the streams' weights are all zero.
    """
    weights = {name: params.weights[name] for name in streams}
    if not weighed(weights, params):
        raise UserError(
            f"ensemble.weights: the weights of {', '.join(weights)} are all zero; one must be "
            "above zero"
        )
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def weighed(streams: Iterable[str], params: EnsembleParams) -> bool:
    """Whether a stream among these has a weight above zero, so that their fusion is defined."""
    return any(weight > 0 for name, weight in params.weights.items() if name in set(streams))


def stacked(test: StreamScores, _params: EnsembleParams, fitted: Fitted) -> np.ndarray:
    """Stacked generalisation: the softmax of an affine function of all log probabilities.

    Raises UserError where it was fitted to other streams.
    """
    if set(fitted) != {BIAS, *map(weights_of, test)}:
        raise not_learned_for(test)
    logits = sum(logs @ fitted[weights_of(name)].T for name, logs in _logs(test).items())
    return softmax(logits + fitted[BIAS], axis=1).astype(np.float32)


def fit_stacked(training: StreamScores) -> Fitted:
    """Scikit-learn's logistic regression on the log probabilities of all streams.

    What follows is our choice. The settings are scikit-learn's own. From the bias of class c,
    log(n_c / n) is taken, n_c the clips of the class: classes then count as equally frequent, as in
    post-hoc logit adjustment, arXiv 2007.07314, section 3.

    Returns the weights (C, C) of each stream, from log probabilities (columns) to logits (rows),
    and the bias (C,), float32.
    """
    from sklearn.linear_model import LogisticRegression  # slow to import, and rarely needed

    logs, labels = _logs(training), next(iter(training.values())).labels
    num_classes = next(iter(logs.values())).shape[1]
    counts = np.bincount(labels, minlength=num_classes)
    assert counts.all(), "every class has unseen clips: see brl.unseen.clips"
    regression = LogisticRegression(max_iter=ITERATIONS)
    regression.fit(np.concatenate(list(logs.values()), axis=1), labels)
    weights, bias = regression.coef_, regression.intercept_
    if num_classes == 2:  # scikit-learn has one logit, that of the second class minus the first's
        weights, bias = (np.concatenate([-each, each]) / 2 for each in (weights, bias))
    of_streams = np.split(weights, len(logs), axis=1)
    fitted = {weights_of(name): own for name, own in zip(logs, of_streams, strict=True)}
    fitted[BIAS] = bias - np.log(counts / counts.sum())
    return {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in fitted.items()}


def not_learned_for(streams: Iterable[str]) -> UserError:
    """The error of a fusion that was not learned for these streams."""
    names = ", ".join(streams)
    return UserError(f"{FUSION}: not learned for the streams {names}; make repro writes it anew")


def weights_of(stream: str) -> str:
    """The name under which `stacked` has a stream's weights."""
    return f"weights.{stream}"


def _logs(streams: StreamScores) -> dict[str, np.ndarray]:
    """Each stream's log probabilities (n, C), not below the logarithm of `SMALLEST`."""
    return {
        name: np.log(np.maximum(scores.probabilities, SMALLEST)) for name, scores in streams.items()
    }


FUSIONS: dict[str, Fusion] = {
    "weighted": Fusion(weighted),
    "logits": Fusion(logits),
    "stacked": Fusion(stacked, fit_stacked),
}


def fit(training: StreamScores, params: EnsembleParams) -> Fitted:
    """What the fusion that `ensemble` in params.yaml names learns; nothing, if it does not learn.

    training: scores of training clips by networks that were not trained on them. Raises UserError
    if the streams scored different clips.
    """
    learn = FUSIONS[params.kind].fit
    if learn is None:
        return {}
    check_clips(training, unseen_scores)
    return learn(training)


def fuse(test: StreamScores, params: EnsembleParams, fitted: Fitted | None = None) -> Scores:
    """Fuses the streams' scores by `ensemble` in params.yaml; fitted: what `fit` returned.

    Raises UserError if the streams scored different clips, if their weights are all zero, or if the
    fusion was fitted to other streams.
    """
    check_clips(test, stream_scores)
    first = next(iter(test.values()))
    fused = np.empty(first.probabilities.shape, dtype=np.float32)
    for rows in blocks(fused.shape):
        of_clips = {
            name: Scores(scores.names[rows], scores.labels[rows], scores.probabilities[rows])
            for name, scores in test.items()
        }
        fused[rows] = FUSIONS[params.kind].fuse(of_clips, params, fitted or {})
    return Scores(first.names, first.labels, fused)


def save_fitted(path: Path, fitted: Fitted) -> None:
    """Writes what a fusion has learned to a safetensors file."""
    write_safetensors(path, save(dict(fitted)))


def load_fitted(path: Path) -> Fitted:
    """Reads what `save_fitted` wrote; UserError for any other file, and for a damaged one."""
    try:
        return load(read_safetensors(path)[0])
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(f"{path}: not a learned fusion, {OR_DAMAGED}") from error


def check_clips(streams: StreamScores, file_of: Callable[[str], Path]) -> None:
    """Raises UserError if the streams scored different clips; file_of: the file of a stream."""
    first = next(iter(streams.values()))
    for name, scores in streams.items():
        if not np.array_equal(scores.names, first.names):
            raise UserError(f"{file_of(name)}: not the clips that the other streams scored")
