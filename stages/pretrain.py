"""Stage `pretrain@STREAM`: pre-trains the encoder that the training of a stream starts from."""

import sys
from pathlib import Path

from brl.config.params import Params, read_params
from brl.support.files import sha256, write_csv, written_whole
from brl.support.locks import alone
from brl.support.paths import STORE, pretrained_encoder, pretraining_curve, stage_note
from brl.support.stage import stage
from brl.tracking.notes import begin_note, keep_note, unfinished_note, write_note


def pretrain_on_clips(params: Params, stream: str) -> None:
    """Pre-trains a stream; of several processes only the first writes and records the results."""
    # They import torch, which takes longer than all that most runs do.
    import pandas as pd

    from brl.clips.store import ClipStore
    from brl.pretraining.encoder import Pretraining, pretrain, without_held_out
    from brl.streams.weights import save_encoder
    from brl.subset.subset import read_clips
    from brl.tracking.description import SubsetRecord, of_pretraining
    from brl.tracking.machine import surroundings
    from brl.tracking.training import training_run
    from brl.training.checkpoint_file import kept, remove_checkpoints
    from brl.training.distributed import is_first
    from brl.training.job import Job
    from brl.training.resuming import checkpoint_file

    pretraining = Pretraining.of(Job.of(params, stream))
    store = ClipStore.open(STORE)
    clips = without_held_out(store, read_clips(pretraining.listed, store), params)
    identity = pretraining.fingerprint(store, params.train.validation)
    checkpoint = checkpoint_file(pretraining.job.stream, identity)
    if not is_first():
        pretrain(pretraining, store, clips, checkpoint)
        return
    digest = sha256(pretraining.listed)
    subset = SubsetRecord(params.dataset.name, digest, {"clips": len(clips)})
    note = unfinished_note(checkpoint)
    made_by = surroundings(train=params.train.precision)
    begin_note(note, made_by, resumes=bool(kept(checkpoint)))
    with training_run(of_pretraining(params, stream, subset), identity) as run:
        pretrained, curve = pretrain(
            pretraining, store, clips, checkpoint, run.log_epoch, on_start=run.start
        )
        encoder = pretrained_encoder(stream)
        save_encoder(encoder, pretrained)
        write_csv(pd.DataFrame(curve), pretraining_curve(stream))
        run.finish(encoder, sha256(encoder))
    keep_note(note, stage_note("pretrain", stream))
    remove_checkpoints(checkpoint)
    note.unlink()


def write_nothing(path: Path) -> None:
    """Writes what stands for no pre-training; of an empty file DVC would warn."""
    with written_whole(path) as unfinished:
        unfinished.write_text("no pre-training\n", encoding="utf-8")


def main(stream: str) -> None:
    """Runs the stage for one stream; params.yaml is read once for all processes."""
    params = read_params()
    if params.pretraining is None or params.streams[stream].weights:
        write_nothing(pretrained_encoder(stream))
        write_nothing(pretraining_curve(stream))
        write_note(stage_note("pretrain", stream), [{"pretraining": "none"}])
        return
    from brl.clips.store import ClipStore
    from brl.pretraining.encoder import Pretraining
    from brl.training.distributed import run_requested
    from brl.training.job import Job
    from brl.training.resuming import checkpoint_file

    pretraining = Pretraining.of(Job.of(params, stream))
    identity = pretraining.fingerprint(ClipStore.open(STORE), params.train.validation)
    with alone(f"pretrain {stream}", checkpoint_file(pretraining.job.stream, identity)):
        run_requested(pretrain_on_clips, params, stream)


if __name__ == "__main__":
    with stage():
        main(sys.argv[1])
