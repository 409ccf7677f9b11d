"""Measures the speed of training, test and batches against a baseline: `make bench-training`.

The baseline is ST-GCN++ as published: in float32, channels first, with separate branches, and with
absent bodies computed (benchmarks/baseline.py). Both get this project's batches. Prints a table and
writes it to reports/benchmarks/training.md; `--mlflow` also records it as a run in MLflow.
"""

import statistics
import sys

from benchmarks.pairs import Compared, Turns, compared
from benchmarks.report import mb, report
from benchmarks.training_steps import BATCHES, STEPS
from brl.support.paths import BENCHMARK_REPORTS
from brl.tracking.benchmarks import record_benchmark

REPORT = BENCHMARK_REPORTS / "training.md"
PAIRS = 7
COLUMNS = ("what", "seconds", "baseline", "ratio", "memory", "baseline", "aim")
# Case, its name in the table, and the ratio that was aimed at.
CASES = (
    ("train-1-rearranged", "training step, 16 clips of one body: rearranged", ""),
    ("train-1-present", "... absent bodies not computed", ""),
    ("train-1-ours", "... in bfloat16, the default", "6"),
    ("train-2-rearranged", "training step, 16 clips of two bodies: rearranged", ""),
    ("train-2-ours", "... in bfloat16, the default", "3"),
    ("predict-1-ours", "test, 6 clips of one body, 10 views each", "5"),
    ("predict-2-ours", "test, 6 clips of two bodies, 10 views each", ""),
)
BATCH_SIZE = 16


def main(*, to_mlflow: bool) -> None:
    """Measures all cases and reports the figures."""
    rows: list[tuple[str, ...]] = []
    metrics: dict[str, float] = {}
    for case, words, aim in CASES:
        print(f"... {words}", file=sys.stderr)
        task, bodies, _ = case.split("-")
        result = compared(command(f"{task}-{bodies}-baseline"), command(case), PAIRS)
        times = STEPS if task == "train" else 1
        rows.append(row(words, result, times, aim))
        metrics |= {f"ratio/{case}": result.ratio, f"seconds/{case}": result.seconds / times}
        metrics |= {f"memory_mb/{case}": result.memory / 1e6}
    for number in (1, 2):
        milliseconds = batch_milliseconds(number)
        words = f"building a training batch of {number} bodies a clip, ms a clip"
        rows.append((words, f"{milliseconds:.3f}", "", "", "", "", "0.1"))
        metrics[f"milliseconds/batch-{number}"] = milliseconds
    report("make bench-training", REPORT, COLUMNS, rows)
    if to_mlflow:
        record_benchmark("bench-training", metrics, REPORT)


def command(case: str) -> list[str]:
    """The command that measures a case, as arguments of `python -m`."""
    return ["benchmarks.training_steps", case]


def row(words: str, result: Compared, times: int, aim: str) -> tuple[str, ...]:
    """A row of the table. times: how often a turn repeats what the row measures."""
    return (
        words,
        f"{result.seconds / times:.3f}",
        f"{result.baseline_seconds / times:.3f}",
        f"{result.ratio:.2f}",
        mb(result.memory),
        mb(result.baseline_memory),
        aim,
    )


def batch_milliseconds(bodies: int) -> float:
    """Milliseconds per clip to build a training batch."""
    with Turns(command(f"batch-{bodies}-ours")) as turns:
        seconds = statistics.median(turns.take() for _ in range(PAIRS))
    return 1000 * seconds / BATCHES / BATCH_SIZE


if __name__ == "__main__":
    main(to_mlflow="--mlflow" in sys.argv[1:])
