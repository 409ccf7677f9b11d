"""Prints the data report that `prepare` wrote: `python -m brl.commands.data`."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from brl.datasets.data_report import FINDINGS_FILE, TABLE_FILE
from brl.support.errors import UserError, one_line_errors
from brl.support.paths import REPORTS


def show(reports: Path) -> None:
    """Prints the report in a folder: a line a part of a split, then what deserves a look."""
    try:
        classes = pd.read_csv(
            reports / TABLE_FILE, keep_default_na=False, na_values={"shortest": ""}
        )
        found = pd.read_csv(reports / FINDINGS_FILE, dtype={"example": str}, keep_default_na=False)
    except OSError as error:
        raise UserError(f"{reports / TABLE_FILE}: not there; make data-check makes it") from error
    # Names of classes and clips are anybody's: no markup in them is meant.
    console = Console(soft_wrap=True, markup=False, emoji=False, highlight=False)
    console.print(_table(classes))
    for finding, count, example in found.itertuples(index=False):
        console.print(f"{finding}: {count} (e.g. {example})")
    if found.empty:
        console.print("Nothing that deserves a look.")
    console.print(f"By class: {reports / TABLE_FILE}")


def _table(classes: pd.DataFrame) -> Table:
    table = Table("split", "part", "clips", "classes", "clips a class", "frames", "missing joints")
    for (split, part), rows in classes.groupby(["split", "part"], sort=False):
        clips = rows["clips"]
        seen = rows[clips > 0]
        table.add_row(
            str(split),
            str(part),
            f"{clips.sum()}",
            f"{len(seen)}",
            f"{clips.min()} to {clips.max()}",
            f"{seen['shortest'].astype(int).min()} to {seen['longest'].astype(int).max()}",
            f"{100 * rows['missing_joints'].sum() / max(rows['joints'].sum(), 1):.2f} %",
        )
    return table


if __name__ == "__main__":
    with one_line_errors():
        show(REPORTS)
