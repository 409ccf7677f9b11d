"""Stage `train@STREAM`: weights and training curve of a stream."""

import sys
from typing import cast

import pandas as pd

from brl.clips.store import ClipStore
from brl.config.params import CheckpointParams, Params, StreamName, read_params
from brl.published.checkpoint import load_checkpoint
from brl.streams.weights import Recipe, save_weights
from brl.subset.subset import read_subset, read_summary
from brl.support.errors import one_line_errors
from brl.support.files import sha256, write_csv
from brl.support.paths import STORE, SUBSET, trained_weights, training_curve
from brl.tracking import runs as tracking
from brl.training.distributed import is_first, launch, requested_processes
from brl.training.loop import Job, train_stream
from brl.training.resuming import checkpoint_file, fingerprint


def train(stream: StreamName, params: Params) -> None:
    """Trains a stream and writes the results.

    With several processes, each of them calls this function; only the first one writes.
    """
    store = ClipStore.open(STORE)
    subset = read_subset(SUBSET, store)
    digest, summary = read_summary(SUBSET)
    job = Job.of(params, stream)
    identity = fingerprint(job, [store.digest, digest])
    checkpoint = checkpoint_file(stream, identity)
    if not is_first():
        train_stream(job, store, subset, checkpoint)
        return
    weights = trained_weights(stream)
    recorded = params.model_dump(
        exclude={"streams", "classifier", "predict", "ensemble", "evaluate"}
    )
    described = tracking.SubsetRecord(params.dataset.name, digest, summary)
    tags = tracking.in_words(params)
    with tracking.training_run(
        stream, identity, recorded | {"lr": job.lr}, described, more_tags=tags
    ) as run:
        trained, curve = train_stream(
            job, store, subset, checkpoint, on_epoch=run.log_epoch if run else lambda _row: None
        )
        save_weights(weights, trained)
        if run:
            run.finish(weights, sha256(weights))
    write_csv(pd.DataFrame(curve), training_curve(stream))
    checkpoint.unlink()


def take(stream: StreamName, checkpoint: CheckpointParams, params: Params) -> None:
    """Writes the weights of a checkpoint instead of trained ones; the curve has no rows."""
    store = ClipStore.open(STORE)
    hops = params.streams[stream].hops
    recipe = Recipe.on(store, stream=stream, hops=hops, model=params.model, train=params.train)
    weights = trained_weights(stream)
    save_weights(weights, load_checkpoint(checkpoint, recipe))
    no_epoch = pd.DataFrame(columns=["epoch", "loss", "accuracy", "lr"])
    write_csv(no_epoch, training_curve(stream))
    frames = {"clip_len", "sampling", "rescale"}  # the rest of the section does not apply
    used: dict[str, bool | set[str]] = {
        "dataset": True,
        "prepare": True,
        "model": True,
        "train": frames,
    }
    recorded = params.model_dump(include=used) | {"weights": checkpoint.model_dump()}
    tracking.record_weights(stream, recorded, weights, sha256(weights))


def main(stream: StreamName) -> None:
    """Runs the stage for one stream."""
    params = read_params()
    if checkpoint := params.streams[stream].weights:
        take(stream, checkpoint, params)
        return
    processes = requested_processes()
    if processes == 1:
        train(stream, params)
    else:
        launch(processes, train, stream, params)


if __name__ == "__main__":
    with one_line_errors():
        main(cast(StreamName, sys.argv[1]))
