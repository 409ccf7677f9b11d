"""What tests of faults count: how many processes were killed, runs recorded, and the like.

`make test-faults` writes the sums, by which docs/reliability.md is checked, where RELIABILITY says.
"""

import json
import os
import time
from pathlib import Path

import pytest

FIGURE = "figure"
BEGUN = time.monotonic()


@pytest.hookimpl(specname="pytest_terminal_summary")
def pytest_write_figures(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows the sums of all figures; writes them if every test passed and none was skipped."""
    sums: dict[str, float] = {}
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == FIGURE:
                what, number = value
                sums[what] = sums.get(what, 0) + number
    if not sums:
        return
    terminalreporter.section("Faults")
    for what, number in sorted(sums.items()):
        terminalreporter.line(f"{what}: {number}")
    path = os.environ.get("RELIABILITY")
    if path and not terminalreporter.stats.keys() & {"failed", "error", "skipped"}:
        content = dict(sorted(sums.items())) | {"minutes": round((time.monotonic() - BEGUN) / 60)}
        Path(path).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
