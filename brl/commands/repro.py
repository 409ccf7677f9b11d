"""Runs the streams of the pipeline side by side: `brl repro [--jobs N] [--cluster ADDRESS]`.

`dvc repro` runs one stage after the other. Here workers run the stages of a stream each, and DVC on
this machine runs the stages before and after them. Where the workers are is not a parameter, and
changes no result: no stage runs again because of it.
"""

import os
import sys
from functools import partial
from pathlib import Path

import joblib
from tqdm import tqdm

from brl.clips.store import ClipStore
from brl.cluster.start import workers
from brl.cluster.travel import mark
from brl.cluster.versions import versions
from brl.cluster.workers import Call, given_up
from brl.commands.pipeline import run_dvc
from brl.commands.stream import LOGS, prove_folder, run_stream
from brl.config.params import Params, read_params
from brl.pretraining.encoder import Pretraining, without_held_out
from brl.subset.subset import read_clips
from brl.support.errors import UserError
from brl.support.gpus import visible_gpus
from brl.support.paths import STORE
from brl.support.progress import progress
from brl.training.job import Job
from brl.unseen.folds import FoldTraining


def run_streams(streams: list[str], jobs: int, cluster: str | None) -> list[str]:
    """Has workers run all streams, and prints the progress; returns the streams that failed.

    jobs, cluster: see `brl.cluster.start.workers`.
    """
    LOGS.mkdir(exist_ok=True)
    name = f"streams of {Path.cwd()}"
    failed = []
    with (
        mark(LOGS) as marked,
        workers(jobs, cluster, name, partial(prove_folder, marked, versions())) as admitted,
    ):
        call = partial(_call, marked=marked)
        bar = progress(admitted.results(streams, call), "streams", total=len(streams))
        for stream, outcome in bar:
            if isinstance(outcome, Exception):
                outcome = False, f"{stream}: {given_up(outcome)}"
            done, message = outcome
            if not done:
                failed.append(stream)
            _tell(message)
    return failed


def _tell(message: str) -> None:
    tqdm.write(message, file=sys.stdout)
    sys.stdout.flush()


def _call(stream: str, marked: str) -> Call:
    _tell(f"{stream}: started")
    return Call(f"{stream}-{marked}", run_stream, (stream,))


def check_pretraining(params: Params) -> None:
    """Raises UserError where `subsample` left too few clips for the pre-trainings.

    All streams are pre-trained on the same clips, so each would say so.
    """
    jobs = (Job.of(params, stream) for stream in params.streams)
    job = next((job for job in jobs if job.pretrain is not None), None)
    if job is None:
        return
    pretraining, store = Pretraining.of(job), ClipStore.open(STORE)
    clips = without_held_out(store, read_clips(pretraining.listed, store), params)
    pretraining.check(len(clips))
    for fold in FoldTraining.all_of(params, job.stream.name, store):
        pretraining.check(len(fold.pretraining_clips))


def default_jobs() -> int:
    """One stream per GPU or else per core; a single one if several processes share its training."""
    if "BRL_PROCESSES" in os.environ:
        return 1
    return len(visible_gpus()) or joblib.cpu_count()


def reproduce_streams(jobs: int | None, cluster: str | None) -> None:
    """Runs the pipeline, its streams side by side; one at a time and here is plain `dvc repro`.

    jobs     streams at a time; None: `default_jobs`, or all of them in a cluster
    cluster  see `brl.cluster.start.workers`

    Raises UserError if a stream failed, after the others have ended; nothing is fused then.
    """
    params = read_params()
    streams = list(params.streams)
    jobs = min(jobs or (len(streams) if cluster else default_jobs()), len(streams))
    if jobs == 1 and not cluster:
        run_dvc()
        return
    run_dvc("subsample", "networks")
    check_pretraining(params)
    failed = run_streams(streams, jobs, cluster)
    if failed:
        raise UserError(
            f"failed: {', '.join(failed)}; nothing was fused. The other streams are done: "
            f"correct the error in {LOGS}/, then run make repro again to resume"
        )
    run_dvc()
