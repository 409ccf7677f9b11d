"""The training clips that a learned fusion learns from: no stream's network has seen them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from brl.balance.holdout import hold_out
from brl.clips.store import ClipStore
from brl.config.params import EnsembleParams
from brl.subset.subset import Subset, read_clips
from brl.support.errors import UserError
from brl.support.files import write_csv

HELD_OUT = 0
REMEDY = "give it more (params.yaml: subsample), or take an ensemble.kind that does not learn"


@dataclass(frozen=True)
class Unseen:
    """Training clips and the networks that did not see them.

    clips  (u,) int64, store indices; none if the fusion does not learn
    folds  (u,) int64, the fold of each, from 1 on, which one network of each stream is trained
           without; HELD_OUT: no network is trained on the clip
    """

    clips: np.ndarray
    folds: np.ndarray

    @property
    def numbers(self) -> list[int]:
        """The numbers of the folds, in order."""
        return np.unique(self.folds[self.folds != HELD_OUT]).tolist()

    def of(self, number: int) -> np.ndarray:
        """The clips (m,) of a fold, or those that are held out."""
        return self.clips[self.folds == number]


def divide(
    store: ClipStore,
    subset: Subset,
    params: EnsembleParams,
    seed: int,
    place: str = "params.yaml",
) -> tuple[Subset, Unseen]:
    """What the streams are trained on, and what the fusion learns from.

    Raises UserError, which names the place of the parameters, if a class has too few clips for
    both.
    """
    fewest, smallest = int(subset.counts.min()), store.classes[int(subset.counts.argmin())]
    has = f"the class {smallest!r} has {fewest} training clip{'s' * (fewest != 1)}"
    if params.folds > fewest:
        remedy = f"must be {fewest} at most" if fewest > 1 else REMEDY
        raise UserError(
            f"{place}: ensemble.folds: {params.folds}, but {has}: a fold would be without it; "
            f"{remedy}"
        )
    if params.held_out and fewest < 2:
        raise UserError(
            f"{place}: ensemble.held_out: {has}, either to hold out or to train on; {REMEDY}"
        )
    if params.folds:
        return subset, Unseen(subset.clips, _folds(store.labels[subset.clips], params.folds, seed))
    training, held_out = hold_out(store, subset, params.held_out, seed)
    return training, Unseen(held_out.clips, np.full(len(held_out.clips), HELD_OUT))


def _folds(labels: np.ndarray, number: int, seed: int) -> np.ndarray:
    """The fold of each clip (n,), from 1 on; the clips of a class are spread evenly."""
    from sklearn.model_selection import StratifiedKFold  # slow to import, and rarely needed

    splitter = StratifiedKFold(number, shuffle=True, random_state=seed)
    folds = np.empty(len(labels), dtype=np.int64)
    for fold, (_, chosen) in enumerate(splitter.split(labels, labels), start=1):
        folds[chosen] = fold
    return folds


def without(store: ClipStore, subset: Subset, clips: np.ndarray) -> Subset:
    """The subset without some clips (m,)."""
    kept = subset.clips[~np.isin(subset.clips, clips)]
    return Subset(kept, np.bincount(store.labels[kept], minlength=len(store.classes)))


def write_unseen(path: Path, store: ClipStore, unseen: Unseen) -> None:
    """Writes a CSV file with `name` and `fold` of each clip."""
    write_csv(pd.DataFrame({"name": store.names[unseen.clips], "fold": unseen.folds}), path)


def read_unseen(path: Path, store: ClipStore) -> Unseen:
    """Reads what `write_unseen` wrote; raises UserError where it does not fit the store."""
    clips = read_clips(path, store)
    return Unseen(clips, pd.read_csv(path)["fold"].to_numpy(dtype=np.int64))
