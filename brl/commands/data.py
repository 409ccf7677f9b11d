"""Prints the data report that `prepare` wrote: `brl data`."""

from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from brl.datasets.data_report import FINDINGS_FILE, TABLE_FILE
from brl.support.errors import UserError


def show(reports: Path) -> None:
    """Prints the report in a folder: one row per part of a split, then what needs attention."""
    try:
        classes = pd.read_csv(
            reports / TABLE_FILE, keep_default_na=False, na_values={"shortest": ""}
        )
        findings = pd.read_csv(
            reports / FINDINGS_FILE, dtype={"example": str}, keep_default_na=False
        )
    except OSError as error:
        raise UserError(f"{reports / TABLE_FILE}: not there; brl data makes it") from error
    # Names of classes and clips are the user's: brackets in them are not markup.
    console = Console(soft_wrap=True, markup=False, emoji=False, highlight=False)
    console.print(_table(classes))
    for finding, count, example in findings.itertuples(index=False):
        console.print(f"{finding}: {count} (e.g. {example})")
    if findings.empty:
        console.print("Nothing needs attention.")
    console.print(f"By class: {reports / TABLE_FILE}")


def _table(classes: pd.DataFrame) -> Table:
    table = Table(
        "split", "part", "clips", "classes", "clips per class", "frames", "missing joints"
    )
    for (split, part), rows in classes.groupby(["split", "part"], sort=False):
        clips = rows["clips"]
        present = rows[clips > 0]
        table.add_row(
            str(split),
            str(part),
            f"{clips.sum()}",
            f"{len(present)}",
            f"{clips.min()} to {clips.max()}",
            f"{present['shortest'].astype(int).min()} to {present['longest'].astype(int).max()}",
            f"{100 * rows['missing_joints'].sum() / max(rows['joints'].sum(), 1):.2f} %",
        )
    return table
