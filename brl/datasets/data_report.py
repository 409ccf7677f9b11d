"""The data report: statistics of a dataset's clips, and findings to check."""

from dataclasses import fields

import numpy as np
import pandas as pd

from brl.clips.clip import PARTS
from brl.clips.store import ClipStore
from brl.datasets.doubts import DOUBTS
from brl.datasets.facts import Facts
from brl.datasets.people import trained_and_tested


def by_class(store: ClipStore, facts: list[Facts]) -> pd.DataFrame:
    """Statistics of each class in each part of each split, one row each.

    facts: those of all clips, in the store's order.
    Columns: split, part, label, class; number of clips; shortest, median and longest clip in
    frames; mean number of bodies; joints of these bodies, and how many of the joints are missing
    and not finite; clips equal to another clip of the part.
    """
    columns = _columns(facts).assign(label=store.labels)
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
        table.insert(0, "split", split)
        table.insert(1, "part", part)
        table.insert(3, "class", store.classes)
        tables.append(table)
    return pd.concat(tables)


def findings(store: ClipStore, facts: list[Facts], max_bodies: int) -> pd.DataFrame:
    """Findings that may be mistakes in the data, one row per kind.

    facts: those of all clips, in the store's order. max_bodies: `prepare.max_bodies`.
    Columns: `finding`, `count`, and the name of one `example`.
    """
    columns = _columns(facts)
    rows: list[tuple[str, int, str]] = []

    def note(kind: str, mask: np.ndarray, names: np.ndarray = store.names) -> None:
        indices = np.flatnonzero(mask)
        if len(indices):
            rows.append((kind, len(indices), str(names[indices[0]])))

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
        if store.meta["dataset"] == "custom":  # some published splits share people on purpose
            shared = trained_and_tested(store.names, *(store.part(split, part) for part in PARTS))
            note(f"{split}: test clips that show people of training clips, by their names", shared)
    note("clips in no split", ~in_a_split)
    note("clips equal to an earlier one", columns["digest"].duplicated().to_numpy())
    note("clips of one frame", columns["frames"].to_numpy() == 1)
    note("clips without any body", columns["bodies"].to_numpy() == 0)
    note("clips with frames without a body", columns["empty_frames"].to_numpy() > 0)
    note("clips with missing joints", columns["missing_joints"].to_numpy() > 0)
    note("clips with coordinates that are no finite numbers", columns["not_finite"].to_numpy() > 0)
    note("clips of more bodies than prepare.max_bodies", columns["bodies"].to_numpy() > max_bodies)
    for doubt in DOUBTS:
        note(f"clips with {doubt}", np.array([doubt in clip.doubts for clip in facts]))
    return pd.DataFrame(rows, columns=["finding", "count", "example"])


def _columns(facts: list[Facts]) -> pd.DataFrame:
    """A row for each clip. Pandas alone would copy each value of a million clips."""
    names = [field.name for field in fields(Facts)]
    return pd.DataFrame({name: [getattr(of, name) for of in facts] for name in names})


def _absent(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Mask of the classes without a clip, (C,) bool. labels: (n,)."""
    return np.bincount(labels, minlength=num_classes) == 0
