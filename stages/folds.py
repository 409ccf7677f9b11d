"""Stage `folds@STREAM`: trains a stream once more without each fold of the training clips."""

import sys
from pathlib import Path

from brl.config.params import Params, read_params
from brl.support.files import sha256, written_whole
from brl.support.locks import alone
from brl.support.paths import STORE, fold_networks
from brl.support.stage import stage


def train_folds(params: Params, stream: str) -> None:
    """Trains the networks; of several processes only the first writes and records the results."""
    # They import torch, which takes longer than all that most runs do.
    from brl.clips.store import ClipStore
    from brl.streams.weights import save_weights
    from brl.tracking.description import SubsetRecord, of_fold
    from brl.tracking.training import training_run
    from brl.training.checkpoint_file import remove_checkpoints
    from brl.training.distributed import is_first
    from brl.unseen.folds import FoldTraining

    trainings = FoldTraining.all_of(params, stream, ClipStore.open(STORE))
    if not is_first():
        for training in trainings:
            training.train()
        return
    with written_whole(fold_networks(stream)) as unfinished:
        unfinished.mkdir()
        for training in trainings:
            number, clips = training.number, len(training.subset.clips)
            digest = training.clips_digest
            subset = SubsetRecord(params.dataset.name, digest, {"clips": clips})
            about = of_fold(params, stream, number, subset)
            with training_run(about, training.identities[0]) as run:
                weights = unfinished / f"{number}.safetensors"
                save_weights(weights, training.train(run.log_epoch, run.start))
                run.finish(weights, sha256(weights))
    for training in trainings:
        for checkpoint in training.checkpoints:
            remove_checkpoints(checkpoint)


def write_nothing(folder: Path) -> None:
    """Writes what stands for no folds; of an empty folder git and DVC would not know."""
    with written_whole(folder) as unfinished:
        unfinished.mkdir()
        (unfinished / "none.txt").write_text("no folds\n", encoding="utf-8")


def main(stream: str) -> None:
    """Runs the stage for one stream; params.yaml is read once for all processes."""
    params = read_params()
    if params.ensemble.folds == 0:
        write_nothing(fold_networks(stream))
        return
    from brl.clips.store import ClipStore
    from brl.training.distributed import run_requested
    from brl.unseen.folds import FoldTraining

    trainings = FoldTraining.all_of(params, stream, ClipStore.open(STORE))
    with alone(f"folds {stream}", *(file for each in trainings for file in each.checkpoints)):
        run_requested(train_folds, params, stream)


if __name__ == "__main__":
    with stage():
        main(sys.argv[1])
