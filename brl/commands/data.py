"""Prints the data report that `prepare` wrote: `brl data`."""

from pathlib import Path

from rich.table import Table

from brl.report.data import HEADINGS, DataReport
from brl.support.paths import DATA_TABLE
from brl.support.text import console


def show(reports: Path) -> None:
    """Prints the report in a folder: one row per part of a split, then what needs attention."""
    report = DataReport.read(reports)
    out = console(soft_wrap=True)
    table = Table(*HEADINGS.values())
    for row in report.parts:
        table.add_row(*row.values())
    out.print(table)
    for finding, count, example in report.findings.itertuples(index=False):
        out.print(f"{finding}: {count} (e.g. {example})")
    if report.findings.empty:
        out.print("Nothing needs attention.")
    out.print(f"By class: {reports / DATA_TABLE.name}")
