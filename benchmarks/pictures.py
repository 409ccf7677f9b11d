"""Measures time and memory of the store of pictures, and of making pictures small.

`make bench-pictures`, or `python -m benchmarks.pictures [CLIPS]`, prints a table and writes it to
reports/benchmarks/pictures.md. Each step runs in its own process (benchmarks/pictures_steps.py).
Memory is the peak of the process and its children together, with Python and its libraries. What was
just written is in the system's page cache: reading from a disk is slower.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.report import mb, report
from benchmarks.steps import measured
from brl.support.paths import BENCHMARK_REPORTS, PICTURES

CLIPS = 6_700
FILMS = 64
REPORT = BENCHMARK_REPORTS / "pictures.md"


def main(clips: int) -> None:
    """Measures a store of so many clips and reports the figures."""
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench") as temporary:
        rows = table(clips, Path(temporary))
    report("make bench-pictures", REPORT, ("what", "measured"), rows)


def table(clips: int, folder: Path) -> list[tuple[str, str]]:
    """Rows of the table: the quantity and its measured value."""
    step = measured(folder, "benchmarks.pictures_steps", "write", clips)
    size = (folder / PICTURES / "rgb.rows").stat().st_size
    rows = [
        (f"writing {clips:,} clips of 16 pictures, 112 x 112, colour", f"{step.seconds:.0f} s"),
        ("the same: memory", mb(step.memory)),
        ("the store's size", f"{size / 1e9:.2f} GB"),
    ]
    opened = [measured(folder, "benchmarks.pictures_steps", "open_store") for _ in range(5)]
    seconds = statistics.median(float(each.output) for each in opened)
    rows.append(("opening the store and mapping it: time", f"{seconds:.3f} s"))
    rows.append(("the same: memory", mb(max(each.memory for each in opened))))
    step = measured(folder, "benchmarks.pictures_steps", "gather")
    rows.append(("batches of 64 clips, 16 pictures each", f"{float(step.output):,.0f} clips/s"))
    measured(folder, "benchmarks.pictures_steps", "write_films", FILMS)
    step = measured(folder, "benchmarks.pictures_steps", "prepare_films", FILMS)
    label = "films of 80 frames, 640 x 480, H.264, read and made small, all cores"
    rows.append((label, f"{float(step.output):.1f} films/s"))
    rows.append(("the same: memory", mb(step.memory)))
    return rows


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CLIPS)
