"""Computes the runs of a comparison. Runs that have finished are not computed again.

The folder .comparison/ holds `trained/KEY.safetensors` and `KEY.csv` (weights and curve) and
`scores/KEY.npz` (scores of the clips that the run is judged by), with notes on what made them
(`made.py`). A key is a hash of the parameters and data that decide the content. It does not depend
on the code, so a changed comment does not cost hours of training. Scores take seconds: if code
after the training has changed, they are computed again from the kept weights. The report says what
was made by other code.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import active_children, get_context
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from brl.balance.holdout import hold_out
from brl.classifier import adjusted
from brl.clips.store import ClipStore
from brl.comparison.made import Code, is_of, note, note_end, noted, present_code
from brl.comparison.plan import Run, key_of
from brl.config.params import Params
from brl.prediction import predict
from brl.scores.metrics import overall
from brl.scores.scores import Scores, rounded, save_scores
from brl.streams.weights import Trained, load_weights, save_weights
from brl.subset.subset import Subset, read_subset, read_summary
from brl.support.errors import UserError
from brl.support.files import project_root, sha256, write_csv
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
        of_job = [*job.stream.seen, job.seed, job.lr]
        of_job += [job.model, job.method, job.train]
        share = run.params.train.validation
        left_out = f", {share} held out" if share else ""
        return key_of(*of_job, self.store.digest, self.digest + left_out)

    def scores_file(self, run: Run) -> Path:
        """The file for a run's scores."""
        params = run.params
        parts = (self.trained_key(run), params.classifier, params.predict, params.dataset.split)
        return folder() / "scores" / f"{key_of(*parts)}.npz"

    def parts(self, run: Run) -> tuple[Subset, np.ndarray]:
        """The training part of a run, and the indices of the clips that it is judged by, (N,).

        These are the test clips, unless a validation part is held out. Then methods and settings
        are being chosen: they are judged by that part, test clips are not used, and the weights
        are those of the last epoch. The best epoch by that part would be judged by the maximum of
        a curve, which flatters methods with restless curves.
        """
        share = run.params.train.validation
        if share == 0:
            return self.subset, self.store.part(run.params.dataset.split, "test")
        training, held_out = hold_out(self.store, self.subset, share, run.seed)
        return training, held_out.clips

    def check_classes(self, names: list[str]) -> None:
        """Raises UserError if a name is not that of a class."""
        for name in names:
            if name not in self.store.classes:
                known = ", ".join(self.store.classes)
                raise UserError(f"comparison: without_classes: no class {name!r}; known: {known}")


def folder() -> Path:
    """The folder of finished and unfinished runs."""
    return project_root() / ".comparison"


def unfinished_folder() -> Path:
    """The folder of the checkpoints KEY.pt of interrupted trainings."""
    return folder() / "unfinished"


def weights_file(key: str) -> Path:
    """The file for a training's weights."""
    return folder() / "trained" / f"{key}.safetensors"


def kept_files(runs: list[Run], data: Data) -> tuple[dict[Path, Run], dict[Path, Run]]:
    """The weights and scores of finished runs, each file with one of its runs.

    Scores that were restored from a report have a note on their weights, but no weights.
    """
    scores = {data.scores_file(run): run for run in runs if data.scores_file(run).exists()}
    weights = {weights_file(data.trained_key(run)): run for run in scores.values()}
    return {file: run for file, run in weights.items() if file.exists() or noted(file)}, scores


def made_by_other_code(runs: list[Run], data: Data) -> tuple[int, int]:
    """The numbers of finished weights and scores that were not made by the present code alone.

    Files without a note count as made by other code.
    """
    present = present_code(runs)
    trained, scored = kept_files(runs, data)
    return (
        sum(not is_of(file, present[run.network].training) for file, run in trained.items()),
        sum(not is_of(file, present[run.network].scoring) for file, run in scored.items()),
    )


def is_to_do(run: Run, data: Data, code: Code) -> bool:
    """Whether a run has no scores, or scores of other code that kept weights can renew."""
    scores = data.scores_file(run)
    if not scores.exists():
        return True
    return weights_file(data.trained_key(run)).exists() and not is_of(scores, code.scoring)


def compute(runs: list[Run], data: Data, name: str, jobs: int) -> None:
    """Computes the unfinished runs in order, `jobs` trainings at a time.

    A failed run does not stop the others. At the end, UserError is raised with the message of the
    first failure.
    """
    present = present_code(runs)
    waiting = [run for run in runs if is_to_do(run, data, present[run.network])]
    by_training: dict[str, list[Run]] = {}
    for run in waiting:
        by_training.setdefault(data.trained_key(run), []).append(run)
    print(f"{name}: {len(runs)} runs, {len(waiting)} to do", file=sys.stderr)
    if not waiting:
        return
    tasks = [(group, name, present[group[0].network]) for group in by_training.values()]
    failed = list(_failures(tasks, min(jobs, len(tasks))))
    if failed:
        raise UserError(f"{len(failed)} of {len(by_training)} trainings failed: {failed[0]}")


def _failures(tasks: list[tuple[list[Run], str, Code]], jobs: int) -> Iterator[str]:
    """Does tasks, the arguments of `compute_group`; yields a message for each failure."""
    context = get_context("spawn")
    begun = context.Value("i", 0)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(begun,))
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


def _begin(begun: "Synchronized[int]") -> None:
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
        torch.set_num_threads(1)  # as in the pipeline


def compute_group(group: list[Run], name: str, code: Code) -> list[str]:
    """Trains once, unless that training has finished, and scores every run of the group.

    code: that which the program was started with. Returns a line for each run.
    """
    data = Data.read()
    trained = trained_once(group[0], data, name, code.training)
    return [score(run, trained, data, code.scoring) for run in group]


def trained_once(run: Run, data: Data, name: str, code: str) -> Trained:
    """The trained network of a run: loaded if its training has finished, else trained and kept."""
    key = data.trained_key(run)
    weights = weights_file(key)
    if weights.exists():
        return load_weights(weights)
    checkpoint = unfinished_folder() / f"{key}.pt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    note(weights, code, resumes=checkpoint.exists(), train=run.params.train.precision)
    begun = time.process_time()
    with training_run(compared(of_training, run, data, name), key) as recorded:
        trained, curve = train_stream(
            run.job,
            data.store,
            data.parts(run)[0],
            checkpoint,
            on_epoch=recorded.log_epoch,
            on_start=recorded.start,
        )
        write_csv(pd.DataFrame(curve), weights.with_suffix(".csv"))
        save_weights(weights, trained)
        note_end(weights, time.process_time() - begun, int(curve[-1]["steps"]))
        recorded.finish(weights, sha256(weights))
    checkpoint.unlink()
    return trained


def compared(
    of: Callable[[Params, str, SubsetRecord, str], Description],
    run: Run,
    data: Data,
    comparison: str,
) -> Description:
    """The description of a run of a comparison; of: makes that of the stream in a pipeline."""
    subset = SubsetRecord(run.params.dataset.name, data.digest, data.summary)
    about = of(run.params, run.stream, subset, f"{comparison}: {run.title}")
    tags = about.tags | {"comparison": comparison, "row": run.method}
    return replace(about, kind="compared", tags=tags)


def score(run: Run, trained: Trained, data: Data, code: str) -> str:
    """Writes the scores of the clips that a run is judged by; returns a line with its accuracy."""
    params, store = run.params, data.store
    training, chosen = data.parts(run)
    if params.classifier.kind != "none":
        trained = adjusted(trained, store, training, params.classifier, run.seed)
    probabilities = rounded(predict(trained, store, chosen, params.predict))
    scores = Scores(store.names[chosen], store.labels[chosen], probabilities)
    save_scores(data.scores_file(run), scores)
    note(data.scores_file(run), code, predict=params.predict.precision)
    numbers = overall(scores)
    return f"{run.title}: top-1 {numbers['top1']:.1f}, mean class {numbers['mean_class']:.1f}"
