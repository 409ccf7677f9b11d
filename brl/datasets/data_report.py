"""The data report: what a dataset's clips are like, and what in them may deserve a look."""

import numpy as np
import pandas as pd

from brl.clips.clip import PARTS
from brl.clips.store import ClipStore
from brl.datasets.facts import Facts

TABLE_FILE = "data.csv"
FINDINGS_FILE = "data_check.csv"


def by_class(store: ClipStore, facts: list[Facts]) -> pd.DataFrame:
    """A row a class of each part of each split; facts in the store's order.

    Columns: split, part, label, class; clips; shortest, median and longest in frames; mean
    number of bodies; their joints, how many of these are missing, and how many not finite
    numbers; clips that equal another of the part.
    """
    columns = pd.DataFrame(facts).assign(label=store.labels)
    tables = []
    for (split, part), clips in store.parts.items():
        of_part = columns.iloc[clips]
        equal = of_part["digest"].duplicated(keep=False)
        groups = of_part.assign(equal=equal).groupby("label")
        table = pd.DataFrame(
            {
                "clips": groups.size(),
                "shortest": groups["frames"].min(),
                "median": groups["frames"].median(),
                "longest": groups["frames"].max(),
                "bodies": groups["bodies"].mean().round(2),
                "joints": groups["joints"].sum(),
                "missing_joints": groups["missing_joints"].sum(),
                "not_finite": groups["not_finite"].sum(),
                "equal": groups["equal"].sum(),
            }
        ).reindex(range(len(store.classes)))
        counts = ["clips", "joints", "missing_joints", "not_finite", "equal"]
        table[counts] = table[counts].fillna(0).astype(int)
        table[["shortest", "longest"]] = table[["shortest", "longest"]].astype("Int64")
        table = table.rename_axis("label").reset_index()
        for place, (name, value) in enumerate((("split", split), ("part", part))):
            table.insert(place, name, value)
        table.insert(3, "class", store.classes)
        tables.append(table)
    return pd.concat(tables)


def findings(store: ClipStore, facts: list[Facts], max_bodies: int) -> pd.DataFrame:
    """What deserves a look: a row a kind of finding, `finding`, `count` and `example`."""
    columns = pd.DataFrame(facts)
    found: list[tuple[str, int, str]] = []

    def note(kind: str, which: np.ndarray, names: np.ndarray = store.names) -> None:
        places = np.flatnonzero(which)
        if len(places):
            found.append((kind, len(places), str(names[places[0]])))

    classes = np.array(store.classes)
    in_a_split = np.zeros(len(store.names), dtype=bool)
    note("classes without any clip", _absent(store.labels, len(classes)), classes)
    for split in store.meta["splits"]:
        for part in PARTS:
            clips = store.part(split, part)
            in_a_split[clips] = True
            absent = _absent(store.labels[clips], len(classes))
            note(f"{split}: classes without a {part} clip", absent, classes)
        train, test = (columns["digest"].iloc[store.part(split, part)] for part in PARTS)
        leaked = np.zeros(len(store.names), dtype=bool)
        leaked[test.index[test.isin(set(train))]] = True
        note(f"{split}: test clips equal to a training clip", leaked)
    note("clips in no split", ~in_a_split)
    note("clips equal to an earlier one", columns["digest"].duplicated().to_numpy())
    note("clips of one frame", columns["frames"].to_numpy() == 1)
    note("clips without any body", columns["bodies"].to_numpy() == 0)
    note("clips with frames without a body", columns["empty_frames"].to_numpy() > 0)
    note("clips with missing joints", columns["missing_joints"].to_numpy() > 0)
    note("clips with coordinates that are no finite numbers", columns["not_finite"].to_numpy() > 0)
    note("clips of more bodies than prepare.max_bodies", columns["bodies"].to_numpy() > max_bodies)
    return pd.DataFrame(found, columns=["finding", "count", "example"])


def _absent(labels: np.ndarray, num_classes: int) -> np.ndarray:
    return np.bincount(labels, minlength=num_classes) == 0
