"""Measures time and memory of the clip store at the size of NTU RGB+D 120.

`make bench-data`, or `python -m benchmarks.data [CLIPS]`, prints a table and writes it to
reports/benchmarks/data.md. Each step runs in its own process (benchmarks/data_steps.py). Memory is
the peak of the process and its children together, including Python and its libraries; memory that
they share counts once for each.
"""

import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.report import mb, report
from benchmarks.steps import measured
from brl.config.presets import apply_preset
from brl.support.paths import BENCHMARK_REPORTS, STORE

CLIPS = 114_000
RAW_FILES = 2_000
REPORT = BENCHMARK_REPORTS / "data.md"


def main(clips: int) -> None:
    """Measures a store of so many clips and reports the figures."""
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench") as temporary:
        folder = Path(temporary)
        shutil.copy("params.yaml", folder)
        apply_preset("ntu120_xsub", folder / "params.yaml")
        rows = table(clips, folder)
    report("make bench-data", REPORT, ("what", "measured", "bound"), rows)


def table(clips: int, folder: Path) -> list[tuple[str, str, str]]:
    """Rows of the table: the quantity, its measured value, its bound."""
    rows = []
    seconds, memory, _ = run(folder, "prepare_streamed", clips)
    rows.append((f"prepare, {clips:,} streamed clips: memory", mb(memory), "2,000 MB"))
    rows.append(("the same: time", f"{seconds:.0f} s", ""))
    size = (folder / STORE / "rows.f32").stat().st_size
    rows.append(("the store's size", f"{size / 1e9:.1f} GB", ""))

    opened = [run(folder, "open_store") for _ in range(5)]
    seconds = statistics.median(float(output) for *_, output in opened)
    rows.append(("opening the store: time", f"{seconds:.3f} s", "0.2 s"))
    rows.append(("the same: memory", mb(max(memory for _, memory, _ in opened)), "200 MB"))
    seconds = statistics.median(run(folder, "subsample")[0] for _ in range(3))
    rows.append(("subsample, the whole stage", f"{seconds:.2f} s", "3 s"))
    *_, output = run(folder, "gather")
    rows.append(("a batch of 64 clips of 64 frames, warm", f"{float(output):.2f} ms", "5 ms"))

    run(folder, "write_pickle", clips)
    _, reading, _ = run(folder, "read_pickle")
    seconds, memory, _ = run(folder, "prepare_pickle")
    rows.append((f"prepare, pickle of {clips:,} clips: memory", mb(memory), ""))
    beyond = mb(max(memory - reading, 0))
    rows.append(("of that, beyond what reading it takes", beyond, "2,000 MB"))
    rows.append(("the same: time", f"{seconds:.0f} s", ""))
    run(folder, "write_raw", RAW_FILES)
    seconds, memory, _ = run(folder, "prepare_raw")
    label = f"prepare, {RAW_FILES:,} raw files, all cores: memory"
    rows.append((label, mb(memory), "1,000 MB"))
    rows.append(("the same: speed", f"{RAW_FILES / seconds:.0f} files/s", ""))
    return rows


def run(folder: Path, step: str, *arguments: object) -> tuple[float, float, str]:
    """Seconds, peak memory in bytes and output of a step of benchmarks/data_steps.py."""
    step_done = measured(folder, "benchmarks.data_steps", step, *arguments)
    return step_done.seconds, step_done.memory, step_done.output


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else CLIPS)
