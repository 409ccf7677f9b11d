"""Measures whether the fast path costs accuracy: `make bench-accuracy SEEDS=4`.

Trains the joint stream of the dataset that params.yaml names, from several seeds, in three ways: as
published (in float32, with a second body of zeros in every clip of one body), without absent
bodies, and as this project does by default (also in bfloat16). Prints a table and writes it to
reports/benchmarks/accuracy.md.
"""

import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.report import report
from brl.clips.store import ClipStore
from brl.commands.pipeline import reproduce
from brl.config.params import Params, read_params
from brl.prediction import predict
from brl.scores.metrics import overall
from brl.scores.scores import Scores
from brl.subset.subset import read_subset
from brl.support.errors import one_line_errors
from brl.support.paths import BENCHMARK_REPORTS, STORE, SUBSET
from brl.training.job import Job
from brl.training.loop import train_stream

REPORT = BENCHMARK_REPORTS / "accuracy.md"
STREAM = "joint"
COLUMNS = ("computed", "seeds", "mean class accuracy, %", "standard deviation", "each")
# In words, model.absent_bodies and precision.
PATHS = (
    ("float32, absent bodies as zeros", "pad", "float32"),
    ("float32, present bodies only", "skip", "float32"),
    ("bfloat16, present bodies only", "skip", "bfloat16"),
)


class RoomForTwo(ClipStore):
    """A store whose batches have a second body, as NTU's have. Here it is always absent."""

    @property
    def max_bodies(self) -> int:
        """M."""
        return 2


def main(seeds: int) -> None:
    """Trains from `seeds` seeds in each way and reports the accuracies."""
    params = read_params()
    rows = []
    for words, absent_bodies, precision in PATHS:
        accuracies = []
        for seed in range(seeds):
            accuracies.append(trained_accuracy(params, seed, absent_bodies, precision))
            print(f"{words}, seed {seed}: {accuracies[-1]:.1f}", file=sys.stderr)
        mean = statistics.mean(accuracies)
        spread = f"{statistics.stdev(accuracies):.1f}" if seeds > 1 else "-"
        each = " ".join(f"{accuracy:.1f}" for accuracy in accuracies)
        words = f"{params.dataset.name}, {STREAM}: {words}"
        rows.append((words, str(seeds), f"{mean:.1f}", spread, each))
    title = f"make bench-accuracy SEEDS={seeds}"
    report(title, REPORT, COLUMNS, rows)


def trained_accuracy(params: Params, seed: int, absent_bodies: str, precision: str) -> float:
    """Mean class accuracy in % of the joint stream, trained from a seed.

    absent_bodies: `skip` or `pad`; precision: as in params.yaml.
    """
    store = RoomForTwo.open(STORE)
    job = replace(
        Job.of(params, STREAM),
        seed=seed,
        model=params.model.model_copy(update={"absent_bodies": absent_bodies}),
        train=params.train.model_copy(update={"precision": precision}),
    )
    subset = read_subset(SUBSET, store)
    with tempfile.TemporaryDirectory() as folder:
        trained, _ = train_stream(job, store, subset, Path(folder) / "checkpoint")
    chosen = store.part(params.dataset.split, "test")
    probabilities = predict(trained, store, chosen, params.predict)
    scores = Scores(store.names[chosen], store.labels[chosen], probabilities, "")
    accuracy = overall(scores.predictions)["mean_class"]
    assert accuracy is not None
    return accuracy


if __name__ == "__main__":
    with one_line_errors():
        reproduce("--quiet", "subsample")
        main(int(sys.argv[1]))
