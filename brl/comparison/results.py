"""What the runs of a comparison came to: accuracies of each, and predictions clip by clip."""

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd

from brl.comparison.plan import Comparison, Run
from brl.comparison.run import Data
from brl.config.params import EvaluateParams, StreamName
from brl.scores.fusion import fuse
from brl.scores.metrics import accuracy_by_class, headline, shot_groups
from brl.scores.scores import Scores, load_scores

# Method: section 7.
FUSED = {
    "2 streams": ("joint", "bone"),
    "4 streams": ("joint", "bone", "joint_motion", "bone_motion"),
    "6 streams": ("joint", "bone", "skip", "joint_motion", "bone_motion", "skip_motion"),
}
# As the report has them.
ORDER = ("joint", *FUSED, *(name for name in get_args(StreamName) if name != "joint"))


@dataclass(frozen=True)
class Scored:
    """Scores of a method from a seed; `what` is a stream, or a number of fused ones."""

    method: str
    what: str
    seed: int
    scores: Scores

    @property
    def right(self) -> pd.Series:
        """Whether each clip is recognised, 0 or 1, by clip name."""
        hits = self.scores.probabilities.argmax(axis=1) == self.scores.labels
        return pd.Series(hits.astype(float), index=self.scores.names)


def finished(runs: list[Run], data: Data) -> list[Scored]:
    """All that is there of a comparison: streams, and the fusions whose streams are all there; by
    what it is, then as the runs come."""
    found = []
    by_seed: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        if data.scores_file(run).exists():
            by_seed.setdefault((run.method, run.seed), []).append(run)
    for (method, seed), of_seed in by_seed.items():
        streams = {str(run.stream): load_scores(data.scores_file(run)) for run in of_seed}
        ensemble = of_seed[0].params.ensemble
        together = {
            name: fuse({stream: streams[stream] for stream in members}, ensemble)
            for name, members in FUSED.items()
            if set(members) <= set(streams)
        }
        found += [
            Scored(method, what, seed, scores) for what, scores in (streams | together).items()
        ]
    return sorted(found, key=lambda one: ORDER.index(one.what))


def accuracies(
    scored: list[Scored], comparison: Comparison, data: Data, params: EvaluateParams
) -> pd.DataFrame:
    """A row each: method, what, seed, top1, mean_class, many, medium, few in %; and
    mean_other_classes, without those whose test clips are in doubt."""
    groups = shot_groups(data.subset.counts, params)
    certain = ~np.isin(data.store.classes, comparison.without_classes)
    rows = []
    for one in scored:
        found = headline(one.scores, groups)
        others = np.nanmean(accuracy_by_class(one.scores)[certain])
        rows.append(
            {"method": one.method, "what": one.what, "seed": one.seed}
            | {name: value for name, value in found.items() if name != "top5"}
            | {"mean_other_classes": round(float(others), 4)}
        )
    # A group without a class: NaN, also where all are None.
    return pd.DataFrame(rows).replace({None: np.nan}).infer_objects()


def predictions(scored: list[Scored]) -> pd.DataFrame:
    """The predicted label of every clip, a row a clip, a column a (method, what, seed)."""
    columns = {"label": pd.concat([pd.Series(s.scores.labels, s.scores.names) for s in scored])}
    columns["label"] = columns["label"][~columns["label"].index.duplicated()]
    for one in scored:
        found = one.scores.probabilities.argmax(axis=1)
        columns[f"{one.method}/{one.what}/{one.seed}"] = pd.Series(found, one.scores.names)
    return pd.DataFrame(columns).astype("Int64").rename_axis("clip").sort_index().reset_index()
