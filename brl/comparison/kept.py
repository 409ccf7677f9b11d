"""The scores that are kept with a report, in git.

`scores.npz` beside a report holds the scores of all its runs and learned fusions, so that its
tables can be computed again without a training, and a comparison that was begun on one machine goes
on on another. Millions of clips of a thousand classes are not kept: see `MOST`.

Its arrays: `names` (N,) and `labels` (N,) of all clips that a run is judged by; `keys` (R,) of the
files of scores; `scores` (N, C, R) float16, NaN for clips that do not judge a run (equal clips and
classes lie together, which compresses best); `runs`, a list in JSON: method, stream and seed of
each run, the keys of its scores and of its training, and the notes on both. A learned fusion is
listed with its streams together, and with the notes on its further trainings by their keys.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brl.comparison.learned import LearnedFusion, learned_fusions
from brl.comparison.made import note_of, noted
from brl.comparison.plan import Run
from brl.comparison.run import Data, weights_file
from brl.scores.scores import Scores, load_scores, save_scores
from brl.support.checked import read_npz
from brl.support.files import written_whole
from brl.tracking.notes import write_note

KEPT = "scores.npz"
MOST = 2**30  # scores that are kept: 2 GB in memory; more are nothing for git


def keep(report: Path, runs: list[Run], data: Data) -> None:
    """Writes the scores of all finished runs and learned fusions beside a report.

    More than `MOST` are not written, and a line on stderr says so.
    """
    finished = [run for run in runs if data.scores_file(run).exists()]
    fused = [each for each in learned_fusions(runs) if data.fused_file(each).exists()]
    paths = [*map(data.scores_file, finished), *map(data.fused_file, fused)]
    number = len(paths) * len(data.parts(finished[0])[1]) * len(data.store.classes)
    if number > MOST:
        print(
            f"{report / KEPT}: not written: {number:,} scores, of which at most {MOST:,} are kept "
            "beside a report; they are in .comparison",
            file=sys.stderr,
        )
        return
    files = {path.stem: load_scores(path) for path in paths}
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
            runs=json.dumps(
                [
                    *(about(run, data) for run in finished),
                    *(about_fusion(each, data) for each in fused),
                ]
            ),
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


def about_fusion(fusion: LearnedFusion, data: Data) -> dict[str, Any]:
    """What `runs` says of a learned fusion."""
    file = data.fused_file(fusion)
    trainings = map(data.trained_key, fusion.further)
    return {
        "method": fusion.method,
        "stream": ", ".join(run.stream for run in fusion.runs),
        "seed": fusion.seed,
        "scores": file.stem,
        "scored_by": noted(file),
        "further": {key: noted(weights_file(key)) for key in trainings},
    }


@dataclass(frozen=True)
class Kept:
    """What a report keeps: `numbers` are the places of the keys in `scores`."""

    names: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    numbers: dict[str, int]
    listed: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, report: Path) -> "Kept":
        """Reads what lies beside a report; nothing if nothing does."""
        file = report / KEPT
        if not file.exists():
            return cls(np.empty(0, dtype=str), np.empty(0), np.empty(0), {}, {})
        kept = read_npz(file)
        names, labels, scores = (kept[name] for name in ("names", "labels", "scores"))
        numbers = {str(key): number for number, key in enumerate(kept["keys"])}
        listed = {each["scores"]: each for each in json.loads(str(kept["runs"]))}
        return cls(names, labels, scores, numbers, listed)

    def of(self, key: str, judging: np.ndarray) -> Scores:
        """The scores of a key, of the clips of these names (n,)."""
        rows = np.searchsorted(self.names, judging)
        probabilities = self.scores[rows, :, self.numbers[key]].astype(np.float32)
        return Scores(judging, self.labels[rows], probabilities)


def restore(report: Path, runs: list[Run], data: Data) -> int:
    """Takes scores that are missing in .comparison/ from a report; returns their number.

    Taken are those of the same parameters and clips.
    """
    wanted = {data.scores_file(run): run for run in runs}
    wanted |= {data.fused_file(each): each.runs[0] for each in learned_fusions(runs)}
    missing = {path.stem: (path, run) for path, run in wanted.items() if not path.exists()}
    if not missing:
        return 0
    kept = Kept.read(report)
    taken = missing.keys() & kept.numbers.keys()
    for key in taken:
        path, run = missing[key]
        write_note(note_of(path), kept.listed[key]["scored_by"])
        for training, lines in trainings_of(kept.listed[key]).items():
            if not weights_file(training).exists():
                write_note(note_of(weights_file(training)), lines)
        save_scores(path, kept.of(key, data.store.names[data.parts(run)[1]]))
    return len(taken)


def trainings_of(entry: dict[str, Any]) -> dict[str, Any]:
    """The notes on the trainings of an entry of `runs`, by their keys."""
    further: dict[str, Any] | None = entry.get("further")
    return {entry["training"]: entry["trained_by"]} if further is None else further
