"""Computes the learned fusions of a comparison, as the pipeline's stage `ensemble` does."""

from pathlib import Path

import numpy as np

from brl.comparison.data import Data, weights_file
from brl.comparison.learned import LearnedFusion, unseen_runs
from brl.comparison.made import Code, code_of, is_of, keep_scores
from brl.comparison.plan import Run
from brl.mixer.fit import Networks, mix
from brl.scores.fusion import fit, fuse
from brl.scores.scores import Scores, load_scores, rounded
from brl.streams.weights import load_weights


def is_to_fuse(fusion: LearnedFusion, data: Data, present: dict[str, Code]) -> bool:
    """Whether a fusion has no scores, or scores of other code that can be renewed."""
    file = data.fused_file(fusion)
    if not file.exists():
        return True
    return not lacking(fusion, data) and not is_of(file, code_of(fusion, present))


def lacking(fusion: LearnedFusion, data: Data) -> set[Path]:
    """Those files that are missing of which a fusion learns: weights for a mixer, else scores."""
    runs = [*fusion.runs, *fusion.unseen]
    if fusion.kind == "mixer":
        files = {weights_file(data.trained_key(run)) for run in runs}
    else:
        files = {data.scores_file(run) for run in runs}
    return {file for file in files if not file.exists()}


def fuse_learned(streams: list[Run], _name: str, present: dict[str, Code]) -> list[str]:
    """Writes the scores of the learned fusion of these runs; returns a line with its accuracy."""
    fusion, data = LearnedFusion(tuple(streams)), Data.read()
    if not is_to_fuse(fusion, data, present):  # another process has done it in the meantime
        return [f"{fusion.title}: has its scores"]
    scores = mixed(fusion, data) if fusion.kind == "mixer" else stacked(fusion, data)
    kept = Scores(scores.names, scores.labels, rounded(scores.probabilities))
    precision = streams[0].params.predict.precision
    told = keep_scores(data.fused_file(fusion), kept, code_of(fusion, present), precision)
    return [f"{fusion.title}: {told}"]


def stacked(fusion: LearnedFusion, data: Data) -> Scores:
    """The scores of a fusion that reads the streams' scores."""
    ensemble = fusion.runs[0].params.ensemble
    training = {run.stream: unseen_scores(run, data) for run in fusion.runs}
    judging = {run.stream: load_scores(data.scores_file(run)) for run in fusion.runs}
    return fuse(judging, ensemble, fit(training, ensemble))


def unseen_scores(run: Run, data: Data) -> Scores:
    """A stream's scores of the unseen clips, in their order."""
    store, (_, unseen) = data.store, data.divided(run)
    probabilities = np.empty((len(unseen.clips), len(store.classes)), dtype=np.float32)
    for each in unseen_runs(run):
        probabilities[unseen.folds == each.unseen] = load_scores(
            data.scores_file(each)
        ).probabilities
    return Scores(store.names[unseen.clips], store.labels[unseen.clips], probabilities)


def mixed(fusion: LearnedFusion, data: Data) -> Scores:
    """The scores of a mixer, which reads frame features."""
    run, store = fusion.runs[0], data.store
    whole, judging = data.judged(run)
    streams = {run.stream: networks(run, data) for run in fusion.runs}
    unseen, predict = data.divided(run)[1], run.params.predict
    _, probabilities = mix(streams, store, unseen, whole.counts, judging, predict, run.seed)
    return Scores(store.names[judging], store.labels[judging], probabilities)


def networks(run: Run, data: Data) -> Networks:
    """The networks of the stream of a run; a change of the classifier leaves features alone."""
    folds = {
        each.unseen: weights_file(data.trained_key(each))
        for each in unseen_runs(run)
        if each.unseen  # not HELD_OUT, whose network is the stream's own
    }
    return Networks(load_weights(weights_file(data.trained_key(run))), folds)
