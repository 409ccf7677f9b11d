"""Stage `train@STREAM`: trains a stream, or takes its published checkpoint."""

import sys
from pathlib import Path

import pandas as pd

from brl.clips.store import ClipStore
from brl.config.params import Params, read_params
from brl.config.streams import CheckpointParams
from brl.published.checkpoint import load_checkpoint
from brl.streams.weights import Recipe, Trained, load_encoder, save_weights
from brl.subset.subset import read_subset, read_summary
from brl.support.files import sha256, write_csv
from brl.support.locks import alone
from brl.support.paths import (
    STORE,
    TRAINING,
    pretrained_encoder,
    stage_note,
    trained_weights,
    training_curve,
)
from brl.support.stage import stage
from brl.tracking.description import SubsetRecord, of_training, started_by
from brl.tracking.machine import surroundings
from brl.tracking.notes import begin_note, keep_note, unfinished_note, write_note
from brl.tracking.training import training_run
from brl.training.checkpoint_file import kept, remove_checkpoints
from brl.training.distributed import is_first, run_requested
from brl.training.job import Job
from brl.training.loop import train_stream
from brl.training.resuming import checkpoint_file, data_hashes, fingerprint


def identity_of(job: Job) -> str:
    """The hash of all that the training of a stream depends on."""
    digest, _ = read_summary(TRAINING)
    return fingerprint(job, data_hashes(job, ClipStore.open(STORE).digest, digest))


def train(params: Params, stream: str) -> None:
    """Trains a stream; of several processes only the first writes and records the results."""
    job = Job.of(params, stream)
    store = ClipStore.open(STORE)
    subset = read_subset(TRAINING, store)
    digest, summary = read_summary(TRAINING)
    start = load_encoder(pretrained_encoder(stream)) if job.pretrain else None
    identity = identity_of(job)
    checkpoint = checkpoint_file(job.stream, identity)
    if not is_first():
        train_stream(job, store, subset, checkpoint, start=start)
        return
    about = of_training(params, stream, SubsetRecord(params.dataset.name, digest, summary))
    if job.pretrain:
        about = started_by(about, pretrained_encoder(stream))
    note = unfinished_note(checkpoint)
    made_by = surroundings(train=job.train.precision)
    begin_note(note, made_by, resumes=bool(kept(checkpoint)))
    with training_run(about, identity) as run:
        trained, curve = train_stream(
            job, store, subset, checkpoint, run.log_epoch, start=start, on_start=run.start
        )
        weights = write(trained, pd.DataFrame(curve))
        run.finish(weights, sha256(weights))
    keep_note(note, stage_note("train", stream))
    remove_checkpoints(checkpoint)
    note.unlink()


def use_checkpoint(checkpoint: CheckpointParams, job: Job) -> None:
    """Writes the weights of a published checkpoint, and a curve without rows."""
    store = ClipStore.open(STORE)
    recipe = Recipe.on(store, stream=job.stream, model=job.model, train=job.train)
    curve = pd.DataFrame(columns=["epoch", "loss", "accuracy", "lr"])
    write(load_checkpoint(checkpoint, recipe), curve)
    write_note(stage_note("train", job.stream.name), [{"trained": "elsewhere"}])


def write(trained: Trained, curve: pd.DataFrame) -> Path:
    """Writes a stream's weights and training curve; returns the weights file."""
    stream = trained.recipe.stream
    weights = trained_weights(stream.name)
    save_weights(weights, trained)
    write_csv(curve, training_curve(stream.name))
    return weights


def main(stream: str) -> None:
    """Runs the stage for one stream; params.yaml is read once for all processes."""
    params = read_params()
    job = Job.of(params, stream)
    if job.stream.weights:
        use_checkpoint(job.stream.weights, job)
        return
    with alone(f"train {stream}", checkpoint_file(job.stream, identity_of(job))):
        run_requested(train, params, stream)


if __name__ == "__main__":
    with stage():
        main(sys.argv[1])
