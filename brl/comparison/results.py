"""The results of a comparison: accuracies of each run, and predictions clip by clip."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from brl.comparison.file import Comparison
from brl.comparison.fusions import NAMES, fusions_of
from brl.comparison.learned import learned_fusions
from brl.comparison.plan import Run
from brl.comparison.run import Data
from brl.config.params import EvaluateParams
from brl.config.streams import MODALITIES
from brl.scores.fusion import fuse, weighed
from brl.scores.metrics import accuracy_by_class, headline, shot_groups
from brl.scores.scores import Predictions, load_scores

# The order of the report.
ORDER = ("joint", *NAMES, *(name for name in MODALITIES if name != "joint"))


@dataclass(frozen=True)
class Scored:
    """Predictions by a method from a seed. `source`: a stream, or one of `NAMES`."""

    method: str
    source: str
    seed: int
    clips: Predictions

    @property
    def correct(self) -> pd.Series:
        """Whether each clip is recognised, 0 or 1, by clip name."""
        return pd.Series(self.clips.correct.astype(float), index=self.clips.names)


def finished(runs: list[Run], data: Data) -> list[Scored]:
    """All finished scores: of streams, and of the fusions whose streams have all finished.

    A fusion of streams whose weights are all zero is not defined, and left out; one that learns
    must have finished itself. The scores are sorted as in `ORDER`, other streams come last; within
    a source they keep the order of the runs.
    """
    scored, fusions = [], fusions_of(runs)
    learned = {
        (each.method, each.seed): load_scores(file).predictions
        for each in learned_fusions(runs)
        if (file := data.fused_file(each)).exists()
    }
    by_seed: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        if data.scores_file(run).exists():
            by_seed.setdefault((run.method, run.seed), []).append(run)
    for (method, seed), of_seed in by_seed.items():
        streams = {run.stream: load_scores(data.scores_file(run)) for run in of_seed}
        clips = {stream: scores.predictions for stream, scores in streams.items()}
        ensemble = of_seed[0].params.ensemble
        if ensemble.learns:
            known = (method, seed) in learned
            clips |= dict.fromkeys(fusions[method], learned[method, seed]) if known else {}
        else:
            clips |= {
                name: fuse({stream: streams[stream] for stream in members}, ensemble).predictions
                for name, members in fusions[method].items()
                if set(members) <= set(streams) and weighed(members, ensemble)
            }
        scored += [Scored(method, source, seed, of_source) for source, of_source in clips.items()]
    return sorted(scored, key=lambda one: place(one.source))


def place(source: str) -> int:
    """The place of a stream or a fusion in the report."""
    return ORDER.index(source) if source in ORDER else len(ORDER)


def undefined(runs: list[Run]) -> dict[str, list[str]]:
    """The methods for which a fusion is not defined, by fusion: its streams' weights are zero."""
    ensembles = {run.method: run.params.ensemble for run in runs}
    methods: dict[str, list[str]] = {}
    for method, fusions in fusions_of(runs).items():
        for name, members in fusions.items():
            ensemble = ensembles[method]
            if not ensemble.learns and not weighed(members, ensemble):
                methods.setdefault(name, []).append(method)
    return methods


def accuracies(
    scored: list[Scored], comparison: Comparison, data: Data, params: EvaluateParams
) -> pd.DataFrame:
    """Accuracies in %, one row for each element of `scored`.

    Columns: `method`, `what` (the stream or the fusion), `seed`, `top1`, `mean_class`, `many`,
    `medium`, `few`, and `mean_other_classes`, the mean without `comparison.without_classes`.
    """
    groups = shot_groups(data.subset.counts, params)
    certain = ~np.isin(data.store.classes, comparison.without_classes)
    rows = []
    for one in scored:
        numbers = headline(one.clips, groups)
        others = np.nanmean(accuracy_by_class(one.clips)[certain])
        rows.append(
            {"method": one.method, "what": one.source, "seed": one.seed}
            | {name: value for name, value in numbers.items() if name != "top5"}
            | {"mean_other_classes": round(float(others), 4)}
        )
    # NaN for a group without classes, also in a column that holds None only.
    return pd.DataFrame(rows).replace({None: np.nan}).infer_objects()
