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


def report(
    command: str, path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:  # fmt: skip
    """Prints a table and writes it in Markdown. command: the one that measures it again."""
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    lines = [f"# `{command}`", "", described_machine(), ""]
    lines += ["| " + " | ".join(columns) + " |", "|---" + "|---:" * (len(columns) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    with written_whole(path) as unfinished:
        unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")
