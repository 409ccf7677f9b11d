"""Measures how long the whole pipeline takes: `make bench-repro`.

Clones the last commit into a temporary folder and runs `brl repro` there, with nothing done yet and
again with nothing to do. Prints a table and writes it to reports/benchmarks/repro.md. No other
program should run meanwhile.
"""

import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.report import report
from brl.support.errors import one_line_errors
from brl.support.paths import BENCHMARK_REPORTS

REPORT = BENCHMARK_REPORTS / "repro.md"
COLUMNS = ("brl repro", "minutes:seconds", "bound")
RUNS = {"all six streams, in a fresh clone": "6:00", "again: nothing to do": ""}


def main() -> None:
    """Measures both runs and reports the times."""
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench") as temporary:
        clone = Path(temporary) / "clone"
        subprocess.run(["git", "clone", "--quiet", ".", clone], check=True)
        rows = [(what, time_of_repro(clone), bound) for what, bound in RUNS.items()]
    report("make bench-repro", REPORT, COLUMNS, rows)


def time_of_repro(clone: Path) -> str:
    """Runs `brl repro` in a clone; returns its time as minutes and seconds."""
    begun = time.monotonic()
    subprocess.run(["brl", "repro"], cwd=clone, check=True)
    minutes, seconds = divmod(round(time.monotonic() - begun), 60)
    return f"{minutes}:{seconds:02}"


if __name__ == "__main__":
    with one_line_errors():
        main()
