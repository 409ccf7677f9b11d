"""Computes the runs of a comparison. Runs that have finished are not computed again.

The folder .comparison/ holds `trained/KEY.safetensors` and `KEY.csv` (weights and curve),
`pretrained/KEY.safetensors` and `KEY.csv` (encoders that trainings start from), and
`scores/KEY.npz` (scores of the clips that the run is judged by), with notes on what made them
(`made.py`). For a fusion that learns, trainings without a fold are among them, with the scores of
its clips, and `fused/KEY.npz` holds the scores of the fusion. A key is a hash of the parameters and
data that decide the content. It does not depend on the code, so a changed comment does not cost
hours of training. Scores take seconds: if code after the training has changed, they are computed
again from the kept weights. The report says what was made by other code.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd

from brl.classifier import adjusted
from brl.comparison.data import Data, encoder_file, unfinished_checkpoint, weights_file
from brl.comparison.fuse import fuse_learned, is_to_fuse, lacking
from brl.comparison.learned import LearnedFusion, learned_fusions
from brl.comparison.made import (
    Code,
    is_of,
    keep_scores,
    note,
    note_end,
    present_code,
    seconds_of,
    steps_of,
)
from brl.comparison.plan import Run, key_of
from brl.comparison.share import Task, share
from brl.config.params import Params
from brl.prediction import predict
from brl.pretraining.encoder import Pretraining, pretrain
from brl.scores.scores import Scores, blocks, rounded
from brl.streams.weights import (
    Trained,
    load_encoder,
    load_weights,
    save_encoder,
    save_weights,
)
from brl.support.errors import UserError
from brl.support.files import sha256, write_csv
from brl.tracking.description import (
    Description,
    SubsetRecord,
    of_pretraining,
    of_training,
    started_by,
)
from brl.tracking.training import training_run
from brl.training.checkpoint_file import kept, remove_checkpoints
from brl.training.loop import CurveRow, train_stream


def is_to_do(run: Run, data: Data, code: Code) -> bool:
    """Whether a run has no scores, or scores of other code that kept weights can renew."""
    scores = data.scores_file(run)
    if not scores.exists():
        return True
    return weights_file(data.trained_key(run)).exists() and not is_of(scores, code.scoring)


def compute(runs: list[Run], data: Data, name: str, jobs: int, cluster: str | None = None) -> None:
    """Computes the unfinished runs in order, `jobs` trainings at a time or those of a cluster.

    Encoders that they start from come first, each once, and fusions that learn from them last. A
    failed run does not stop the others. At the end, UserError is raised with the message of the
    first failure. Several processes that compute the same runs share them; see `share`.
    """
    present = present_code(runs)
    fusions = [each for each in learned_fusions(runs) if is_to_fuse(each, data, present)]
    waiting = runs_to_do(runs, fusions, data, present)
    of_fusions = {data.scores_file(run) for each in learned_fusions(runs) for run in each.unseen}
    learned = f", {len(fusions)} fusions to learn" if fusions else ""
    total = len(runs) + len(of_fusions)
    print(f"{name}: {total} runs, {len(waiting)} to do{learned}", file=sys.stderr)
    tasks = tasks_of(waiting, fusions, data)
    failed = list(share(tasks, name, present, jobs, cluster))
    if failed:
        raise UserError(f"{len(failed)} of {len(tasks)} trainings failed: {failed[0]}")


def tasks_of(waiting: list[Run], fusions: list[LearnedFusion], data: Data) -> list[Task]:
    """The encoders, trainings and learned fusions by which runs are computed, in this order."""
    encoders: dict[str, Run] = {}
    by_training: dict[str, list[Run]] = {}
    for run in waiting:
        by_training.setdefault(data.trained_key(run), []).append(run)
        if lacks_encoder(run, data):
            encoders.setdefault(data.encoder_key(run), run)
    return [
        *(
            Task(pretrain_first, [run], key, data.names_of([run]), lambda: True)
            for key, run in encoders.items()
        ),
        *(
            Task(
                compute_group,
                group,
                key,
                data.names_of(group),
                partial(_has_encoder, group[0], data),
            )
            for key, group in by_training.items()
        ),
        *(
            Task(
                fuse_learned,
                list(each.runs),
                key := data.fused_file(each).stem,
                data.names_of([*each.runs, *each.unseen]) | {key},
                partial(_lacks_nothing, each, data),
            )
            for each in fusions
        ),
    ]


def _has_encoder(run: Run, data: Data) -> bool:
    return not lacks_encoder(run, data)


def _lacks_nothing(fusion: LearnedFusion, data: Data) -> bool:
    return not lacking(fusion, data)


def runs_to_do(
    runs: list[Run], fusions: list[LearnedFusion], data: Data, present: dict[str, Code]
) -> list[Run]:
    """The runs to be computed: those of the comparison, then those that fusions learn from."""
    unseen: dict[Path, Run] = {}  # each training is told by the first of the rows that share it
    for fusion in fusions:
        for run in fusion.unseen:
            unseen.setdefault(data.scores_file(run), run)
    missing = {file for fusion in fusions for file in lacking(fusion, data)}
    return [
        run
        for run in [*runs, *unseen.values()]
        if is_to_do(run, data, present[run.network])
        or weights_file(data.trained_key(run)) in missing
    ]


def lacks_encoder(run: Run, data: Data) -> bool:
    """Whether a run is to be trained from an encoder that is not pre-trained yet."""
    if run.job.pretrain is None or weights_file(data.trained_key(run)).exists():
        return False
    return not encoder_file(data.encoder_key(run)).exists()


def compute_group(group: list[Run], name: str, present: dict[str, Code]) -> list[str]:
    """Trains once, unless that training has finished, and scores every run of the group.

    present: the code which the program was started with. Returns a line for each run. What another
    process has done in the meantime is not done again.
    """
    data, code = Data.read(), present[group[0].network]
    trained = trained_once(group[0], data, name, code.of_training(group[0]))
    return [
        score(run, trained, data, code.scoring)
        if is_to_do(run, data, code)
        else f"{run.title}: has its scores"
        for run in group
    ]


def pretrain_first(group: list[Run], name: str, present: dict[str, Code]) -> list[str]:
    """Pre-trains the encoder that a group of runs starts from; returns a line."""
    run = group[0]
    pretrained_once(run, Data.read(), name, present[run.network].of_training(run))
    return [f"{run.title}: pre-trained"]


def trained_once(run: Run, data: Data, name: str, code: str) -> Trained:
    """The trained network of a run: loaded if its training has finished, else trained and kept."""
    weights = weights_file(data.trained_key(run))
    if weights.exists():
        return load_weights(weights)
    encoder = pretrained_once(run, data, name, code) if run.job.pretrain else None
    if encoder and not is_of(encoder, code):
        code = key_of(code, "and an encoder by other code")
    work = partial(
        train_stream,
        run.job,
        data.store,
        data.parts(run)[0],
        start=load_encoder(encoder) if encoder else None,
    )
    about = compared(of_training, run, data, name)
    about = replace(about, kind="fold") if run.unseen else about
    about = started_by(about, encoder) if encoder else about
    return _kept(weights, about, code, work, save_weights, encoder)


def pretrained_once(run: Run, data: Data, name: str, code: str) -> Path:
    """The file of the encoder that a run starts from: pre-trained and kept, unless it is there."""
    encoder = encoder_file(data.encoder_key(run))
    if not encoder.exists():
        clips = data.pretraining_clips(run)
        work = partial(pretrain, Pretraining.of(run.job), data.store, clips)
        about = replace(compared(of_pretraining, run, data, name), kind="pretraining")
        _kept(encoder, about, code, work, save_encoder)
    return encoder


def _kept(
    file: Path,
    about: Description,
    code: str,
    work: Callable[..., tuple[Trained, list[CurveRow]]],
    save: Callable[[Path, Trained], None],
    encoder: Path | None = None,
) -> Trained:
    """Trains, or resumes a training, and keeps the result with its curve and a note.

    encoder: one that it starts from; its costs are added.
    """
    key = file.stem
    checkpoint = unfinished_checkpoint(key)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    note(file, code, resumes=bool(kept(checkpoint)), train=about.params["train"]["precision"])
    begun = time.process_time()
    with training_run(about, key) as recorded:
        trained, curve = work(
            checkpoint=checkpoint, on_epoch=recorded.log_epoch, on_start=recorded.start
        )
        write_csv(pd.DataFrame(curve), file.with_suffix(".csv"))
        save(file, trained)
        seconds, steps = time.process_time() - begun, curve[-1]["steps"]
        if encoder:
            seconds, steps = seconds + seconds_of(encoder), steps + steps_of(encoder)
        note_end(file, seconds, steps)
        recorded.finish(file, sha256(file))
    remove_checkpoints(checkpoint)
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
    """Writes the scores of a run; returns a line with its accuracy."""
    scores, file = scores_of(run, trained, data), data.scores_file(run)
    return f"{run.title}: {keep_scores(file, scores, code, run.params.predict.precision)}"


def scores_of(run: Run, trained: Trained, data: Data) -> Scores:
    """The scores of a trained run."""
    params, store = run.params, data.store
    training, chosen = data.parts(run)
    if params.classifier.kind != "none":
        trained = adjusted(trained, store, training, params.classifier, run.seed)
    probabilities = predict(trained, store, chosen, params.predict)
    if run.unseen is None:  # no report keeps the others
        for rows in blocks(probabilities.shape):  # in place: there may be gigabytes
            probabilities[rows] = rounded(probabilities[rows])
    return Scores(store.names[chosen], store.labels[chosen], probabilities)
