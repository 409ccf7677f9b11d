"""Prints the table of results: `brl results [FILE] [--markdown]`."""

import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from brl.commands.last_report import last_report, lines_on
from brl.config.evaluate import THIRDS
from brl.config.params import read_params
from brl.report.columns import COLUMNS
from brl.scores.metrics import ShotLimits
from brl.support.errors import UserError
from brl.support.paths import METRICS, RESULTS
from brl.support.text import console

LOOK_FURTHER = (
    "reports/index.html, in a browser: which clips fail, and what they look like",
    "brl ui: compare all runs, class by class, in MLflow",
    "edit params.yaml, then make repro: only what the edit touches runs again",
)


def table_rows(results: Path) -> list[list[str]]:
    """A heading, then one row per stream and one for the ensemble; in %, with one digit.

    Raises UserError if the file is missing.
    """
    if not results.exists():
        raise UserError(f"{results}: not there yet; make repro writes it")
    table = pd.read_csv(results)
    rows = [["test accuracy, %", *COLUMNS.values()]]
    rows += [[record["stream"], *figures(record)] for record in table.to_dict("records")]
    return rows


def figures(record: dict[Hashable, Any]) -> list[str]:
    """The accuracies of a result as text; a dash where there is none."""
    cells = [record[column] for column in COLUMNS]
    return ["–" if pd.isna(cell) else f"{cell:.1f}" for cell in cells]


def markdown(rows: list[list[str]], names: int = 1) -> str:
    """The rows as a Markdown table; names: its first columns, which are no figures."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---" * names + "|---:" * (len(rows[0]) - names) + "|")
    return "\n".join(lines)


def show(results: Path = RESULTS, *, as_markdown: bool = False) -> None:
    """Prints the table of a results.csv, and hints at further reports."""
    rows = table_rows(results)
    if as_markdown:
        print(markdown(rows))
        return
    table = Table()
    for number, heading in enumerate(rows[0]):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for row in rows[1:-1]:
        table.add_row(*row)
    table.add_section()
    table.add_row(*rows[-1], style="bold")
    console().print(table)
    about = about_the_last_run() if results == RESULTS and METRICS.exists() else []
    print("\n".join([*about, *LOOK_FURTHER]))


def about_the_last_run() -> list[str]:
    """Where its groups of classes begin, and changes since the last committed report.

    Without git or a report, there are no changes.
    """
    params, metrics = read_params(), json.loads(METRICS.read_text(encoding="utf-8"))
    # Limits that the run found itself are among its metrics.
    content = params.evaluate.model_dump() | metrics
    many, few = (content[name] for name in type(params.evaluate).model_fields)
    lines = [] if THIRDS in (many, few) else [ShotLimits(many, few).in_words]
    last = last_report(params)
    return lines if last is None else [*lines, *lines_on(last, metrics)]
