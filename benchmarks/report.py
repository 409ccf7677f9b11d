"""The table of a benchmark: printed, and written together with the machine."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.machine import described_machine
from brl.support.files import written_whole


def mb(size: float) -> str:
    """A size in bytes as text in MB."""
    return f"{size / 1e6:,.0f} MB"


Rows = Sequence[Sequence[str]]


def report(command: str, path: Path, columns: Sequence[str], rows: Rows) -> None:
    """Prints a table and writes it in Markdown. command: the one that measures it again."""
    show(columns, rows)
    write(command, path, described_machine(), [markdown(columns, rows)])


def show(columns: Sequence[str], rows: Rows) -> None:
    """Prints a table."""
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def markdown(columns: Sequence[str], rows: Rows) -> list[str]:
    """The lines of a table in Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def write(command: str, path: Path, machine: str, sections: Sequence[Sequence[str]]) -> None:
    """Writes a report in Markdown: the command, the machine, and sections of lines."""
    lines = [f"# `{command}`", "", machine]
    for section in sections:
        lines += ["", *section]
    with written_whole(path) as unfinished:
        unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")
