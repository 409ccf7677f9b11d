"""Prints the data report that `prepare` wrote: `brl data`."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from brl.report.data import HEADINGS, DataReport
from brl.support.paths import DATA_TABLE


def show(reports: Path) -> None:
    """Prints the report in a folder: one row per part of a split, then what needs attention."""
    report = DataReport.read(reports)
    # Names of classes and clips are the user's: brackets in them are not markup.
    console = Console(soft_wrap=True, markup=False, emoji=False, highlight=False)
    table = Table(*HEADINGS.values())
    for row in report.parts:
        table.add_row(*row.values())
    console.print(table)
    for finding, count, example in report.findings.itertuples(index=False):
        console.print(f"{finding}: {count} (e.g. {example})")
    if report.findings.empty:
        console.print("Nothing needs attention.")
    console.print(f"By class: {reports / DATA_TABLE.name}")
