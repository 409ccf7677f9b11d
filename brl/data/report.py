"""The data report: what a dataset's clips are like, and what in them may deserve a look.

`python -m brl.data.report` prints the one of the last `prepare`.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from brl.data.clip import PARTS
from brl.data.facts import Facts
from brl.data.store import ClipStore
from brl.errors import UserError, one_line_errors

TABLE_FILE = "data.csv"
FINDINGS_FILE = "data_check.csv"


def by_class(store: ClipStore, facts: list[Facts]) -> pd.DataFrame:
    """A row a class of each part of each split; facts in the store's order.

    Columns: split, part, label, class; clips; shortest, median and longest in frames; mean
    number of bodies; % of their joints that are missing; joints that are not finite numbers;
    clips that equal another of the part.
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
                "missing_joints": _percent(groups["missing_joints"].sum(), groups["joints"].sum()),
                "not_finite": groups["not_finite"].sum(),
                "equal": groups["equal"].sum(),
            }
        ).reindex(range(len(store.classes)))
        whole = ["clips", "not_finite", "equal"]
        table[whole] = table[whole].fillna(0).astype(int)
        table[["shortest", "longest"]] = table[["shortest", "longest"]].astype("Int64")
        table.insert(0, "class", store.classes)
        table.insert(0, "part", part)
        table.insert(0, "split", split)
        tables.append(table.rename_axis("label").reset_index())
    return pd.concat(tables)[
        ["split", "part", "label", *tables[0].columns.drop(["split", "part", "label"])]
    ]


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


def in_words(found: pd.DataFrame) -> list[str]:
    """A line a finding."""
    rows = found.itertuples(index=False)
    return [f"{finding}: {count} (e.g. {example})" for finding, count, example in rows]


def _percent(part: pd.Series, whole: pd.Series) -> pd.Series:
    return (100 * part / whole).round(2)


def _absent(labels: np.ndarray, num_classes: int) -> np.ndarray:
    return np.bincount(labels, minlength=num_classes) == 0


def show(reports: Path) -> None:
    """Prints the report that `prepare` wrote into a folder: a line a part, then the findings."""
    from rich.console import Console
    from rich.table import Table

    try:
        classes = pd.read_csv(reports / TABLE_FILE)
        found = pd.read_csv(reports / FINDINGS_FILE, dtype={"example": str})
    except OSError as error:
        raise UserError(
            f"{reports / TABLE_FILE}: not there; run `dvc repro prepare` first"
        ) from error
    table = Table(
        "split", "part", "clips", "classes", "clips a class", "frames", "missing joints, %"
    )
    for (split, part), rows in classes.groupby(["split", "part"], sort=False):
        clips = rows["clips"]
        table.add_row(
            str(split),
            str(part),
            f"{clips.sum()}",
            f"{(clips > 0).sum()}",
            f"{clips.min()} to {clips.max()}",
            f"{rows['shortest'].min():.0f} to {rows['longest'].max():.0f}",
            f"{np.average(rows['missing_joints'].fillna(0), weights=clips):.2f}",
        )
    console = Console(soft_wrap=True)
    console.print(table)
    for line in in_words(found) or ["Nothing that deserves a look."]:
        console.print(line, highlight=False)
    console.print(f"By class: {reports / TABLE_FILE}", highlight=False)


if __name__ == "__main__":
    with one_line_errors():
        show(Path("reports"))
