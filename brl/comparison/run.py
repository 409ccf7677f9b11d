"""Computes the runs of a comparison, each once: what is there already is not computed again.

Below .comparison/: `trained/KEY.safetensors` and `KEY.csv`, a training's weights and curve;
`scores/KEY.npz`, the scores of the clips it is judged by. A key is a hash of the parameters and the
data that decide the content.
"""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from brl import tracking
from brl.classifier import adjusted
from brl.comparison.plan import Run, key_of
from brl.data.holdout import hold_out
from brl.data.store import ClipStore
from brl.data.subset import Subset, read_subset, read_summary
from brl.errors import UserError
from brl.files import project_root, sha256, written_whole
from brl.metrics import overall
from brl.prediction import predict
from brl.progress import progress
from brl.scores import Scores, save_scores
from brl.training import train_stream
from brl.weights import Trained, load_weights, save_weights

SUBSET = Path("data/subset")


@dataclass(frozen=True)
class Data:
    """The clips of a comparison."""

    store: ClipStore
    subset: Subset
    digest: str
    summary: dict[str, float]

    @classmethod
    def read(cls) -> "Data":
        """From where `dvc repro subsample` put them."""
        store = ClipStore.open(Path("data/store"))
        return cls(store, read_subset(SUBSET, store), *read_summary(SUBSET))

    def trained_key(self, run: Run) -> str:
        """Names a training."""
        job = run.job
        of_job = [job.stream, job.hops, job.seed, job.lr, job.model, job.method, job.train]
        return key_of(*of_job, self.store.digest, self.digest)

    def scores_file(self, run: Run) -> Path:
        """Where a run's scores are kept."""
        params = run.params
        parts = (self.trained_key(run), params.classifier, params.predict, params.dataset.split)
        return folder() / "scores" / f"{key_of(*parts)}.npz"

    def judged_by(self, run: Run) -> np.ndarray:
        """The clips that decide, (n,): the test clips, or where a validation part is held out that
        part: then methods and settings are being chosen, and test clips have no say."""
        share = run.params.train.validation
        if share == 0:
            return self.store.part(run.params.dataset.split, "test")
        return hold_out(self.store, self.subset, share, run.seed)[1].clips


def folder() -> Path:
    """Where runs are kept."""
    return project_root() / ".comparison"


def compute(runs: list[Run], name: str, jobs: int) -> None:
    """Computes the runs that are not there yet, `jobs` at a time, in order.

    A run that fails does not stop the others; UserError at the end, with the first one's message.
    """
    data = Data.read()
    waiting = [run for run in runs if not data.scores_file(run).exists()]
    by_training: dict[str, list[Run]] = {}
    for run in waiting:
        by_training.setdefault(data.trained_key(run), []).append(run)
    print(f"{name}: {len(runs)} runs, {len(waiting)} to do", file=sys.stderr)
    failed = list(_failures(list(by_training.values()), name, jobs))
    if failed:
        raise UserError(f"{len(failed)} of {len(by_training)} trainings failed: {failed[0]}")


def _failures(groups: list[list[Run]], name: str, jobs: int) -> Iterator[str]:
    """Computes groups of runs that share a training; gives what went wrong."""
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // jobs)))
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        started = {pool.submit(compute_group, group, name): group for group in groups}
        for future in progress(as_completed(started), "trainings", total=len(started)):
            try:
                print("\n".join(future.result()), file=sys.stderr)
            except UserError as error:
                yield f"{started[future][0].title}: {error}"


def compute_group(group: list[Run], name: str) -> list[str]:
    """Trains once, unless that was done before, and scores every run; gives a line a run."""
    data = Data.read()
    trained = trained_once(group[0], data, name)
    return [score(run, trained, data) for run in group]


def trained_once(run: Run, data: Data, name: str) -> Trained:
    """The training of a run: loaded where it is there, else done and kept."""
    key = data.trained_key(run)
    weights = folder() / "trained" / f"{key}.safetensors"
    if weights.exists():
        return load_weights(weights)
    checkpoint = folder() / "unfinished" / f"{key}.pt"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    params = run.params.model_dump(exclude={"streams", "predict", "ensemble", "evaluate"})
    described = tracking.SubsetRecord(run.params.dataset.name, data.digest, data.summary)
    tags = {"comparison": name, "method": run.method}
    with tracking.training_run(
        run.stream, key, params | {"lr": run.job.lr}, described, name=run.title, more_tags=tags
    ) as recorded:
        trained, curve = train_stream(
            run.job,
            data.store,
            data.subset,
            checkpoint,
            on_epoch=recorded.log_epoch if recorded else lambda row: None,
        )
        with written_whole(weights.with_suffix(".csv")) as unfinished:
            pd.DataFrame(curve).to_csv(unfinished, index=False)
        save_weights(weights, trained)
        if recorded:
            recorded.finish(weights, sha256(weights))
    checkpoint.unlink()
    return trained


def score(run: Run, trained: Trained, data: Data) -> str:
    """Scores the clips that a run is judged by, and says how it went."""
    params, store = run.params, data.store
    if params.classifier.kind != "none":
        trained = adjusted(trained, store, data.subset, params.classifier, run.seed)
    chosen = data.judged_by(run)
    probabilities = predict(trained, store, chosen, params.predict)
    scores = Scores(store.names[chosen], store.labels[chosen], probabilities)
    save_scores(data.scores_file(run), scores)
    found = overall(scores)
    return f"{run.title}: top-1 {found['top1']:.1f}, mean class {found['mean_class']:.1f}"
