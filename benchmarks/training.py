"""Training, test and batches against the published way to compute: `make bench-training`.

The baseline is ST-GCN++ as published: float32, channels first, every branch by itself, absent
bodies computed (benchmarks/baseline.py). Both have the batches of this project. Prints a table and
keeps it in reports/benchmarks/training.md; with `--mlflow` it is a run in MLflow too.
"""

import statistics
import sys

from benchmarks.pairs import Compared, Turns, compared
from benchmarks.report import mb, report
from benchmarks.training_steps import BATCHES, STEPS
from brl.support.paths import BENCHMARK_REPORTS
from brl.tracking.runs import record_benchmark

REPORT = BENCHMARK_REPORTS / "training.md"
PAIRS = 7
COLUMNS = ("what", "seconds", "baseline", "ratio", "memory", "baseline", "aim")
# Case, in words, and the ratio that was aimed at.
CASES = (
    ("train-1-rearranged", "training step, 16 clips of one body: rearranged", ""),
    ("train-1-present", "... absent bodies not computed", ""),
    ("train-1-ours", "... in bfloat16: as it comes", "6"),
    ("train-2-rearranged", "training step, 16 clips of two bodies: rearranged", ""),
    ("train-2-ours", "... in bfloat16: as it comes", "3"),
    ("predict-1-ours", "test, 6 clips of one body, 10 views each", "5"),
    ("predict-2-ours", "test, 6 clips of two bodies, 10 views each", ""),
)
CLIPS_A_BATCH = 16


def main(*, to_mlflow: bool) -> None:
    rows, metrics = [], {}
    for case, words, aim in CASES:
        print(f"... {words}", file=sys.stderr)
        what, bodies, _ = case.split("-")
        result = compared(steps(f"{what}-{bodies}-baseline"), steps(case), PAIRS)
        times = STEPS if what == "train" else 1
        rows.append(row(words, result, times, aim))
        metrics |= {f"ratio/{case}": result.ratio, f"seconds/{case}": result.seconds / times}
        metrics |= {f"memory_mb/{case}": result.memory / 1e6}
    for bodies in (1, 2):
        milliseconds = batch_milliseconds(bodies)
        words = f"building a training batch of {bodies} bodies a clip, ms a clip"
        rows.append((words, f"{milliseconds:.3f}", "", "", "", "", "0.1"))
        metrics[f"milliseconds/batch-{bodies}"] = milliseconds
    report("make bench-training", REPORT, COLUMNS, rows)
    if to_mlflow:
        record_benchmark("bench-training", metrics, REPORT)


def steps(case: str) -> list[str]:
    return ["benchmarks.training_steps", case]


def row(words: str, result: Compared, times: int, aim: str) -> tuple[str, ...]:
    """times: how often a turn does what the row is about."""
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
    with Turns(steps(f"batch-{bodies}-ours")) as turns:
        taken = statistics.median(turns.take() for _ in range(PAIRS))
    return 1000 * taken / BATCHES / CLIPS_A_BATCH


if __name__ == "__main__":
    main(to_mlflow="--mlflow" in sys.argv[1:])
