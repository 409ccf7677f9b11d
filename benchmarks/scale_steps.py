"""The steps that benchmarks/scale.py measures, each in its own process.

The folder has the project's code, and a params.yaml with two streams.
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from brl.clips.clip import Clip, Splits
from brl.support.paths import (
    COMPARISON_REPORTS,
    DATA_FINDINGS,
    DATA_TABLE,
    FUSED_SCORES,
    STORE,
    stream_scores,
    unseen_scores,
)

SPLIT = "halves"
FRAMES = 2  # of a clip: the rows of a store grow with them, its index does not
IMBALANCE = 100  # training clips of the largest class / of the smallest
BATCH, BATCHES = 64, 100
STREAM, OTHER = "joint", "bone"


def clip_name(number: int) -> str:
    """As long as those of NTU RGB+D."""
    return f"recording_{number:010d}"


def long_tail(clips: int, classes: int) -> np.ndarray:
    """Labels (n,) of training clips: each class has at least one."""
    sizes = IMBALANCE ** -np.linspace(0, 1, classes)
    drawn = np.searchsorted(np.cumsum(sizes / sizes.sum()), np.random.default_rng(0).random(clips))
    labels = np.minimum(drawn, classes - 1)
    labels[:classes] = np.arange(classes)
    return labels


def clips_of(labels: np.ndarray) -> Iterator[Clip]:
    """The clips of these labels, with the same body; every fifth one has two bodies."""
    body = np.random.default_rng(0).normal(size=(2, FRAMES, 25, 3)).astype(np.float32)
    for number, label in enumerate(labels.tolist()):
        yield Clip(clip_name(number), label, body[: 2 if number % 5 == 0 else 1])


def halves(names: list[str]) -> Splits:
    """The first half of the clips is for training."""
    middle = len(names) // 2
    return {SPLIT: {"train": names[:middle], "test": names[middle:]}}


def store(clips: int, classes: int) -> None:
    """Writes the store of so many training clips and as many test clips; prints the seconds."""
    from brl.clips.layouts import NTU25
    from brl.clips.normalize import Normalization
    from brl.clips.store import write_store

    labels = np.concatenate([long_tail(clips, classes), np.arange(clips) % classes])
    write = partial(
        write_store,
        STORE,
        clips_of(labels),
        dataset="scale",
        layout=NTU25,
        classes=tuple(f"what someone does, number {number}" for number in range(classes)),
        splits=halves,
        normalization=Normalization("none"),
    )
    print_seconds(write)


def report_data() -> None:
    """Writes the report on the data, as `prepare` does; prints the seconds."""
    from brl.clips.store import ClipStore
    from brl.datasets.data_report import by_class, findings
    from brl.datasets.facts import Facts
    from brl.support.files import write_report

    written = ClipStore.open(STORE)
    facts = [
        Facts(1, FRAMES, 0, 25 * FRAMES, 0, 0, (), name.encode()) for name in written.names.tolist()
    ]

    def work() -> None:
        write_report(by_class(written, facts), DATA_TABLE)
        write_report(findings(written, facts, 2), DATA_FINDINGS)

    print_seconds(work)


def open_store() -> None:
    """Opens the store; prints the seconds."""
    from brl.clips.store import ClipStore

    print_seconds(lambda: ClipStore.open(STORE))


def sample() -> None:
    """Draws the order of an epoch; prints the seconds."""
    import torch

    from brl.balance.samplers import SAMPLERS
    from brl.clips.store import ClipStore

    store = ClipStore.open(STORE)
    labels = torch.from_numpy(store.labels[store.part(SPLIT, "train")])
    counts, generator = torch.bincount(labels), torch.Generator().manual_seed(0)
    print_seconds(lambda: SAMPLERS["square_root"](labels, counts, generator, 0.0))


def batch() -> None:
    """Builds training batches of clips from all over the store; prints the seconds of all."""
    import torch

    from brl.clips.store import ClipStore
    from brl.config.params import read_params
    from brl.streams.batch import Clips
    from brl.streams.inputs import JointInputs
    from brl.streams.stream import Stream

    params, store = read_params(), ClipStore.open(STORE)
    chosen, generator = store.part(SPLIT, "train"), torch.Generator().manual_seed(0)
    clips = Clips.of_store(store, chosen, torch.device("cpu"))
    inputs = JointInputs(clips, Stream.of(params, STREAM), params.train)
    indices = torch.randint(len(chosen), (BATCHES, BATCH), generator=generator)
    print_seconds(lambda: [inputs.train_batch(each, generator) for each in indices])


def predict() -> None:
    """Collects and writes a stream's scores; prints the seconds.

    They are those of the other stream, too. Also writes what other stages leave: curves, and no
    scores of unseen clips.
    """
    import pandas as pd

    from benchmarks.invented import invented
    from brl.scores.scores import Scores, save_scores

    print_seconds(lambda: save_scores(stream_scores(STREAM), invented(seed=0)))
    stream_scores(OTHER).hardlink_to(stream_scores(STREAM))
    nothing = Scores(np.array([], dtype=str), np.array([], dtype=np.int64), np.empty((0, 0)))
    Path("curves").mkdir()
    for stream in (STREAM, OTHER):
        save_scores(unseen_scores(stream), nothing)
        pd.DataFrame({"epoch": [1], "loss": [1.0]}).to_csv(f"curves/{stream}.csv", index=False)


def read_scores() -> None:
    """Reads a stream's scores; prints the seconds."""
    from brl.scores.scores import load_scores

    print_seconds(lambda: load_scores(stream_scores(STREAM)))


def record() -> None:
    """Records the results in MLflow, in a new SQLite file; prints the seconds of both."""
    from brl.config.params import read_params
    from brl.tracking.present import record

    params = read_params()
    print_seconds(lambda: record(params, evaluated_now=True))


def hash_scores() -> None:
    """Hashes the fused scores as DVC does; prints the seconds."""
    from dvc_data.hashfile.hash import file_md5
    from dvc_objects.fs import localfs

    print_seconds(lambda: file_md5(str(FUSED_SCORES.absolute()), localfs))


def score() -> None:
    """Writes the scores of all runs of a comparison; prints the seconds."""
    from benchmarks.invented import planned, write_scores

    _, runs, data = planned()
    print_seconds(lambda: write_scores(runs, data))


def compare() -> None:
    """Writes the report of the comparison; prints the seconds."""
    from benchmarks.invented import planned
    from brl.comparison.report import write_report

    comparison, runs, data = planned()
    folder = COMPARISON_REPORTS / "scale"
    print_seconds(lambda: write_report(folder, "scale", comparison, runs, data))


def print_seconds(work: Callable[[], object]) -> None:
    """Does some work; prints its seconds, by the clock and of processor time."""
    started, used = time.perf_counter(), time.process_time()
    work()
    print(time.perf_counter() - started, time.process_time() - used)


STEPS = (
    store, report_data, open_store, sample, batch, predict, read_scores, record, hash_scores, score,
    compare,
)  # fmt: skip

if __name__ == "__main__":
    step, *arguments = sys.argv[1:]
    {each.__name__: each for each in STEPS}[step](*map(int, arguments))
