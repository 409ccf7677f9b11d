"""A training subset on disk: the chosen clips, how many of each class, a summary."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from brl.clips.store import ClipStore
from brl.support.files import sha256, write_csv, written_whole

CLIPS_FILE = "train.csv"
COUNTS_FILE = "counts.csv"
SUMMARY_FILE = "summary.json"


@dataclass(frozen=True)
class Subset:
    """A training subset of a store.

    clips   (n,) indices of the chosen clips in the store
    counts  (C,) chosen clips of each class
    """

    clips: np.ndarray
    counts: np.ndarray


def write_subset(folder: Path, store: ClipStore, subset: Subset, available: np.ndarray) -> None:
    """Writes the chosen clips (name, label); a row a class, available and kept clips; the summary.

    The summary: clips, the largest and the smallest class, the factor between them, and the hash
    of the chosen clips, by which equal subsets are known.
    """
    clips = pd.DataFrame({"name": store.names[subset.clips], "label": store.labels[subset.clips]})
    counts = pd.DataFrame(
        {"class": store.classes, "available": available, "train_clips": subset.counts}
    )
    counts.index.name = "label"
    write_csv(clips, folder / CLIPS_FILE)
    write_csv(counts.reset_index(), folder / COUNTS_FILE)
    largest, smallest = int(subset.counts.max()), int(subset.counts.min())
    summary = {
        "clips": len(subset.clips),
        "largest_class": largest,
        "smallest_class": smallest,
        "imbalance_factor": round(largest / smallest, 2),
        "sha256": sha256(folder / CLIPS_FILE),
    }
    with written_whole(folder / SUMMARY_FILE) as unfinished:
        unfinished.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def read_subset(folder: Path, store: ClipStore) -> Subset:
    """The subset that `write_subset` wrote, its names looked up in the store."""
    names = _read(folder / CLIPS_FILE)["name"].to_numpy(dtype=str)
    order = np.argsort(store.names)
    clips = order[np.searchsorted(store.names, names, sorter=order)]
    assert (store.names[clips] == names).all()
    counts = read_counts(folder)["train_clips"].to_numpy()
    return Subset(clips, counts)


def read_counts(folder: Path) -> pd.DataFrame:
    """A row a class: `class`, `available`, `train_clips`, by label."""
    return _read(folder / COUNTS_FILE).set_index("label")


def _read(path: Path) -> pd.DataFrame:
    # A clip or a class may well be called None or NA.
    return pd.read_csv(path, dtype={"name": str, "class": str}, keep_default_na=False)


def read_summary(folder: Path) -> tuple[str, dict[str, float]]:
    """The hash of the chosen clips, and the rest of the summary."""
    summary = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
    return summary.pop("sha256"), summary
