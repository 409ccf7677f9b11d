"""Computes the runs of a comparison. Runs that have finished are not computed again.

The folder .comparison/ holds `trained/KEY.safetensors`, `KEY.csv` and `KEY.code` (weights, curve,
and a hash of the code that the training started with) and `scores/KEY.npz` (scores of the clips
that the run is judged by). A key is a hash of the parameters and data that decide the content. It
does not depend on the code, so a changed comment does not cost hours of training. The report says
if trainings were computed by other code.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import active_children, get_context
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import torch

from brl.balance.holdout import hold_out
from brl.classifier import adjusted
from brl.clips.store import ClipStore
from brl.comparison.plan import Run, key_of
from brl.config.params import Params, StreamName
from brl.prediction import predict
from brl.scores.metrics import overall
from brl.scores.scores import Scores, save_scores
from brl.streams.weights import Trained, load_weights, save_weights
from brl.subset.subset import Subset, read_subset, read_summary
from brl.support.errors import UserError
from brl.support.files import project_root, sha256, stage_code, write_csv, written_whole
from brl.support.paths import STORE, SUBSET
from brl.support.progress import keep_quiet, progress
from brl.tracking.description import Description, SubsetRecord, of_training
from brl.tracking.training import training_run
from brl.training.loop import train_stream


@dataclass(frozen=True)
class Data:
    """The clips of a comparison: the store and the training subset, with its hash and summary."""

    store: ClipStore
    subset: Subset
    digest: str
    summary: dict[str, float]

    @classmethod
    def read(cls) -> "Data":
        """Reads what `dvc repro subsample` wrote."""
        store = ClipStore.open(STORE)
        return cls(store, read_subset(SUBSET, store), *read_summary(SUBSET))

    def trained_key(self, run: Run) -> str:
        """The key of a training: a hash of its job and its data."""
        job = run.job
        of_job = [job.stream.name, job.stream.hops, job.seed, job.lr]
        of_job += [job.model, job.method, job.train]
        return key_of(*of_job, self.store.digest, self.digest)

    def scores_file(self, run: Run) -> Path:
        """The file for a run's scores."""
        params = run.params
        parts = (self.trained_key(run), params.classifier, params.predict, params.dataset.split)
        return folder() / "scores" / f"{key_of(*parts)}.npz"

    def evaluation_clips(self, run: Run) -> np.ndarray:
        """Indices of the clips that a run is judged by, (N,).

        They are the test clips, unless a validation part is held out. Then methods and settings
        are being chosen: they are judged by that part, and test clips are not used.
        """
        share = run.params.train.validation
        if share == 0:
            return self.store.part(run.params.dataset.split, "test")
        return hold_out(self.store, self.subset, share, run.seed)[1].clips

    def check_classes(self, names: list[str]) -> None:
        """Raises UserError if a name is not that of a class."""
        for name in names:
            if name not in self.store.classes:
                known = ", ".join(self.store.classes)
                raise UserError(f"comparison: without_classes: no class {name!r}; known: {known}")


def folder() -> Path:
    """The folder of finished and unfinished runs."""
    return project_root() / ".comparison"


def weights_file(key: str) -> Path:
    """The file for a training's weights."""
    return folder() / "trained" / f"{key}.safetensors"


def present_code(run: Run) -> str:
    """Hash of the code that the training of a run uses."""
    files = stage_code("train", run.params.model.name)
    return key_of([sha256(path) for path in files if path.parts[0] == "brl"])


def trained_by_other_code(runs: list[Run], data: Data) -> tuple[int, int]:
    """The number of finished trainings that started with other code, and that of all finished.

    A training without a recorded hash counts as one with other code.
    """
    same = {}
    for run in runs:
        weights = weights_file(data.trained_key(run))
        if weights.exists() and weights not in same:
            note = weights.with_suffix(".code")
            same[weights] = note.exists() and note.read_text() == present_code(run)
    return len(same) - sum(same.values()), len(same)


def compute(runs: list[Run], data: Data, name: str, jobs: int) -> None:
    """Computes the unfinished runs in order, `jobs` trainings at a time.

    A failed run does not stop the others. At the end, UserError is raised with the message of the
    first failure.
    """
    waiting = [run for run in runs if not data.scores_file(run).exists()]
    by_training: dict[str, list[Run]] = {}
    for run in waiting:
        by_training.setdefault(data.trained_key(run), []).append(run)
    print(f"{name}: {len(runs)} runs, {len(waiting)} to do", file=sys.stderr)
    if not waiting:
        return
    failed = list(_failures(list(by_training.values()), name, min(jobs, len(by_training))))
    if failed:
        raise UserError(f"{len(failed)} of {len(by_training)} trainings failed: {failed[0]}")


def _failures(groups: list[list[Run]], name: str, jobs: int) -> Iterator[str]:
    """Computes groups of runs, each with one training; yields a message for each failure."""
    context = get_context("spawn")
    begun = context.Value("i", 0)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(jobs, begun))
    tasks = [(group, name, present_code(group[0])) for group in groups]
    # Ctrl-C reaches the workers too. They inherit the handler that ignores it, stay silent, and
    # are terminated below.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    started = {pool.submit(compute_group, *task): task[0][0] for task in tasks}
    signal.signal(signal.SIGINT, handler)
    bar = progress(as_completed(started), "trainings", total=len(started))
    try:
        for future in bar:
            try:
                message = "\n".join(future.result())
            except BrokenProcessPool as error:
                raise UserError(
                    "a training's process was killed, perhaps because memory ran out; "
                    "try fewer --jobs"
                ) from error
            except Exception as error:
                if not isinstance(error, UserError | OSError):
                    traceback.print_exception(error)
                message = f"{started[future].title}: {error}"
                yield message
            bar.write(message, file=sys.stderr)
    except BaseException:
        for worker in active_children():
            worker.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(jobs: int, begun: "Synchronized[int]") -> None:
    """Initialises a worker, which shares terminal, cores and GPUs with the other ones.

    begun: the number of workers that have started before it.
    """
    keep_quiet()
    with begun.get_lock():
        number = begun.value
        begun.value += 1
    if torch.cuda.is_available():
        torch.cuda.set_device(number % torch.cuda.device_count())
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, joblib.cpu_count() // jobs))


def compute_group(group: list[Run], name: str, code: str) -> list[str]:
    """Trains once, unless that training has finished, and scores every run of the group.

    code: hash of the code that the program was started with. Returns a line for each run.
    """
    data = Data.read()
    trained = trained_once(group[0], data, name, code)
    return [score(run, trained, data) for run in group]


def trained_once(run: Run, data: Data, name: str, code: str) -> Trained:
    """The trained network of a run: loaded if its training has finished, else trained and kept."""
    key = data.trained_key(run)
    weights = weights_file(key)
    if weights.exists():
        return load_weights(weights)
    checkpoint = folder() / "unfinished" / f"{key}.pt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    if not checkpoint.exists():
        with written_whole(weights.with_suffix(".code")) as unfinished:
            unfinished.write_text(code)
    with training_run(compared(of_training, run, data, name), key) as recorded:
        trained, curve = train_stream(
            run.job,
            data.store,
            data.subset,
            checkpoint,
            on_epoch=recorded.log_epoch,
            on_start=recorded.start,
        )
        write_csv(pd.DataFrame(curve), weights.with_suffix(".csv"))
        save_weights(weights, trained)
        recorded.finish(weights, sha256(weights))
    checkpoint.unlink()
    return trained


def compared(
    of: Callable[[Params, StreamName, SubsetRecord, str], Description],
    run: Run,
    data: Data,
    comparison: str,
) -> Description:
    """The description of a run of a comparison; of: makes that of the stream in a pipeline."""
    subset = SubsetRecord(run.params.dataset.name, data.digest, data.summary)
    about = of(run.params, run.stream, subset, f"{comparison}: {run.title}")
    tags = about.tags | {"comparison": comparison, "row": run.method}
    return replace(about, kind="compared", tags=tags)


def score(run: Run, trained: Trained, data: Data) -> str:
    """Writes the scores of the clips that a run is judged by; returns a line with its accuracy."""
    params, store = run.params, data.store
    if params.classifier.kind != "none":
        trained = adjusted(trained, store, data.subset, params.classifier, run.seed)
    chosen = data.evaluation_clips(run)
    probabilities = predict(trained, store, chosen, params.predict)
    scores = Scores(store.names[chosen], store.labels[chosen], probabilities)
    save_scores(data.scores_file(run), scores)
    numbers = overall(scores)
    return f"{run.title}: top-1 {numbers['top1']:.1f}, mean class {numbers['mean_class']:.1f}"
