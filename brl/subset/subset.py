"""A training subset on disk: the chosen clips, the number of clips per class, and a summary."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from brl.clips.store import ClipStore
from brl.support.errors import UserError
from brl.support.files import sha256, write_csv, written_whole
from brl.support.json_text import json_text

CLIPS_FILE = "train.csv"
COUNTS_FILE = "counts.csv"
SUMMARY_FILE = "summary.json"
REMEDY = "dvc repro --force subsample writes it again"


@dataclass(frozen=True)
class Subset:
    """A training subset of a store.

    clips   (n,) int64, store indices of the chosen clips
    counts  (C,) int64, number of chosen clips of each class
    """

    clips: np.ndarray
    counts: np.ndarray


def write_subset(folder: Path, store: ClipStore, subset: Subset, available: np.ndarray) -> None:
    """Writes a subset to a folder as three files.

    available: (C,), training clips that each class of the split has.
    - train.csv: name and label of each chosen clip.
    - counts.csv: one row per class, with its available and its chosen clips.
    - summary.json: number of clips, sizes of the largest and the smallest class, their ratio, and
      the hash of train.csv, which identifies the subset.
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
        unfinished.write_text(json_text(summary) + "\n", encoding="utf-8")


def read_subset(folder: Path, store: ClipStore) -> Subset:
    """Reads the subset that `write_subset` wrote.

    Raises UserError where a file is damaged, or does not fit the store or the other file.
    """
    clips = read_clips(folder / CLIPS_FILE, store)
    counts = np.bincount(store.labels[clips], minlength=len(store.classes))
    _check_counts(folder, store, counts)
    return Subset(clips, counts)


def read_clips(path: Path, store: ClipStore) -> np.ndarray:
    """The store indices (n,) of the clips that a CSV file names in its column `name`.

    Raises UserError where the file is damaged or does not fit the store.
    """
    names = _read_table(path, ["name"])["name"].to_numpy(dtype=str)
    order = np.argsort(store.names)
    positions = np.searchsorted(store.names, names, sorter=order)
    clips = order[np.minimum(positions, len(order) - 1)]
    unknown = names[store.names[clips] != names]
    if len(unknown):
        raise UserError(
            f"{path}: {str(unknown[0])!r} is not a clip of {store.folder} "
            f"({len(unknown)} of {len(names)} names are not); {REMEDY}"
        )
    return clips


def _check_counts(folder: Path, store: ClipStore, counts: np.ndarray) -> None:
    """Raises UserError where counts.csv differs from the classes and counts (C,) of the clips."""
    path = folder / COUNTS_FILE
    table = read_counts(folder)
    if table["class"].tolist() != store.classes:
        raise UserError(f"{path}: its classes are not those of {store.folder}; {REMEDY}")
    written = table["train_clips"].to_numpy()
    differing = np.flatnonzero(written != counts)
    if len(differing):
        label = differing[0]
        raise UserError(
            f"{path}: {written[label]} training clips of the class {store.classes[label]!r}; must "
            f"be {counts[label]}, as in {CLIPS_FILE}; {REMEDY}"
        )


def read_counts(folder: Path) -> pd.DataFrame:
    """Reads one row per class: `class`, `available` and `train_clips`, indexed by label.

    Raises UserError where the file is damaged or its labels are not 0, 1, ... in order.
    """
    path = folder / COUNTS_FILE
    table = _read_table(path, ["label", "class", "available", "train_clips"])
    if table["label"].tolist() != list(range(len(table))):
        raise UserError(f"{path}: its labels must be 0 to {len(table) - 1} in order; {REMEDY}")
    return table.set_index("label")


def _read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Reads a CSV file; UserError where it is damaged or lacks one of the columns."""
    types = {"name": str, "class": str, "label": int, "available": int, "train_clips": int}
    try:
        # A clip or a class may be called None or NA.
        table = pd.read_csv(path, dtype=types, keep_default_na=False)
    except ValueError as error:
        raise UserError(f"{path}: cannot be read ({error}); {REMEDY}") from error
    missing = [column for column in columns if column not in table]
    if missing:
        raise UserError(f"{path}: has no column {missing[0]!r}; {REMEDY}")
    return table


def read_summary(folder: Path) -> tuple[str, dict[str, float]]:
    """Reads the hash of the chosen clips, and the rest of the summary.

    Raises UserError where the file is damaged.
    """
    path = folder / SUMMARY_FILE
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        return summary.pop("sha256"), summary
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: not a subset's summary ({type(error).__name__}: {error}); {REMEDY}"
        ) from error
