"""The scores that are kept with a report, in git.

`scores.npz` beside a report holds the scores of all its runs, so that its tables can be computed
again without a training, and a comparison that was begun on one machine goes on on another.

Its arrays: `names` (N,) and `labels` (N,) of all clips that a run is judged by; `keys` (R,) of the
files of scores; `scores` (N, C, R) float16, NaN for clips that do not judge a run (equal clips and
classes lie together, which compresses best); `runs`, a list in JSON: method, stream and seed of
each run, the keys of its scores and of its training, and the notes on both.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from brl.comparison.made import noted, write_note
from brl.comparison.plan import Run
from brl.comparison.run import Data, weights_file
from brl.scores.scores import Scores, load_scores, save_scores
from brl.support.files import written_whole

KEPT = "scores.npz"


def keep(report: Path, runs: list[Run], data: Data) -> None:
    """Writes the scores of all finished runs beside a report."""
    finished = [run for run in runs if data.scores_file(run).exists()]
    files = {file.stem: load_scores(file) for file in map(data.scores_file, finished)}
    clips = np.unique(np.concatenate([each.names for each in files.values()]))
    labels = np.empty(len(clips), dtype=np.int64)
    shape = len(clips), len(data.store.classes), len(files)
    scores = np.full(shape, np.nan, dtype=np.float16)
    for number, each in enumerate(files.values()):
        rows = np.searchsorted(clips, each.names)
        labels[rows] = each.labels
        scores[rows, :, number] = each.probabilities
    with written_whole(report / KEPT) as unfinished:
        np.savez_compressed(
            unfinished,
            names=clips,
            labels=labels,
            keys=list(files),
            scores=scores,
            runs=json.dumps([about(run, data) for run in finished]),
        )


def about(run: Run, data: Data) -> dict[str, Any]:
    """What `runs` says of a run."""
    training, scores = data.trained_key(run), data.scores_file(run)
    return {
        "method": run.method,
        "stream": run.stream,
        "seed": run.seed,
        "scores": scores.stem,
        "training": training,
        "scored_by": noted(scores),
        "trained_by": noted(weights_file(training)),
    }


def restore(report: Path, runs: list[Run], data: Data) -> int:
    """Takes scores that are missing in .comparison/ from a report; returns their number.

    Taken are those of the same parameters and clips.
    """
    file = report / KEPT
    missing = {
        data.scores_file(run).stem: run for run in runs if not data.scores_file(run).exists()
    }
    if not missing or not file.exists():
        return 0
    with np.load(file, allow_pickle=False) as kept:
        names, labels, scores = (kept[name] for name in ("names", "labels", "scores"))
        numbers = {str(key): number for number, key in enumerate(kept["keys"])}
        listed = {each["scores"]: each for each in json.loads(str(kept["runs"]))}
    taken = missing.keys() & numbers.keys()
    for key in taken:
        judging = data.store.names[data.parts(missing[key])[1]]
        rows = np.searchsorted(names, judging)
        probabilities = scores[rows, :, numbers[key]].astype(np.float32)
        path = data.scores_file(missing[key])
        write_note(path, listed[key]["scored_by"])
        weights = weights_file(listed[key]["training"])
        if not weights.exists():
            write_note(weights, listed[key]["trained_by"])
        save_scores(path, Scores(judging, labels[rows], probabilities))
    return len(taken)
