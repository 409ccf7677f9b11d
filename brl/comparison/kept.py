"""The scores that are kept with a report, in git.

`scores.npz` beside a report holds the scores of all its runs, so that its tables can be computed
again without a training, and a comparison that was begun on one machine goes on on another.

Its arrays: `names` (N,) and `labels` (N,) of all clips that a run is judged by; `KEY` (N, C)
float16 for each file of scores, NaN for clips that do not judge it; `runs`, a list in JSON: method,
stream and seed of each run, its KEY, that of its training, and the notes on both.
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
    scores = [load_scores(data.scores_file(run)) for run in finished]
    clips = np.unique(np.concatenate([each.names for each in scores]))
    labels = np.empty(len(clips), dtype=np.int64)
    arrays: dict[str, Any] = {}
    for run, each in zip(finished, scores, strict=True):
        rows = np.searchsorted(clips, each.names)
        labels[rows] = each.labels
        table = np.full((len(clips), each.probabilities.shape[1]), np.nan, dtype=np.float16)
        table[rows] = each.probabilities
        arrays[data.scores_file(run).stem] = table
    listed = json.dumps([about(run, data) for run in finished])
    with written_whole(report / KEPT) as unfinished:
        np.savez_compressed(unfinished, names=clips, labels=labels, runs=listed, **arrays)


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
        names, labels = kept["names"], kept["labels"]
        listed = {each["scores"]: each for each in json.loads(str(kept["runs"]))}
        taken = [key for key in missing if key in listed]
        for key in taken:
            judging = data.store.names[data.parts(missing[key])[1]]
            rows = np.searchsorted(names, judging)
            scores = Scores(judging, labels[rows], kept[key][rows].astype(np.float32))
            path = data.scores_file(missing[key])
            write_note(path, listed[key]["scored_by"])
            weights = weights_file(listed[key]["training"])
            if not weights.exists():
                write_note(weights, listed[key]["trained_by"])
            save_scores(path, scores)
    return len(taken)
