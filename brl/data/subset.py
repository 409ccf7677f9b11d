"""A training subset on disk: the chosen clips and, a row a class, how many there are."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from brl.data.store import ClipStore
from brl.files import sha256, written_whole

CLIPS_FILE = "train.csv"
COUNTS_FILE = "counts.csv"


@dataclass(frozen=True)
class Subset:
    """A training subset of a store.

    clips   (n,) indices of the chosen clips in the store
    counts  (C,) chosen clips of each class
    """

    clips: np.ndarray
    counts: np.ndarray


def write_subset(folder: Path, store: ClipStore, subset: Subset, available: np.ndarray) -> None:
    """Writes the chosen clips (name, label) and, a row a class, available and kept clips."""
    clips = pd.DataFrame({"name": store.names[subset.clips], "label": store.labels[subset.clips]})
    counts = pd.DataFrame(
        {"class": store.classes, "available": available, "train_clips": subset.counts}
    )
    counts.index.name = "label"
    with written_whole(folder / CLIPS_FILE) as unfinished:
        clips.to_csv(unfinished, index=False)
    with written_whole(folder / COUNTS_FILE) as unfinished:
        counts.to_csv(unfinished)


def read_subset(folder: Path, store: ClipStore) -> Subset:
    """The subset that `write_subset` wrote, its names looked up in the store."""
    names = pd.read_csv(folder / CLIPS_FILE, dtype={"name": str})["name"].to_numpy(dtype=str)
    order = np.argsort(store.names)
    clips = order[np.searchsorted(store.names, names, sorter=order)]
    counts = read_counts(folder)["train_clips"].to_numpy()
    return Subset(clips, counts)


def read_counts(folder: Path) -> pd.DataFrame:
    """A row a class: `class`, `available`, `train_clips`, by label."""
    return pd.read_csv(folder / COUNTS_FILE, index_col="label")


def read_summary(folder: Path) -> dict[str, float]:
    """The subset in a few numbers: clips, largest and smallest class, and the factor between."""
    counts = read_counts(folder)["train_clips"]
    largest, smallest = int(counts.max()), int(counts.min())
    return {
        "clips": int(counts.sum()),
        "largest_class": largest,
        "smallest_class": smallest,
        "imbalance_factor": round(largest / smallest, 2),
    }


def subset_digest(folder: Path) -> str:
    """Hash of the chosen clips: equal subsets have equal digests."""
    return sha256(folder / CLIPS_FILE)
