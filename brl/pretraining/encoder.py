"""Pre-trains the encoder of a stream: its backbone, on clips whose labels are not used."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from brl.balance.holdout import hold_out
from brl.clips.store import ClipStore
from brl.config.params import Params
from brl.config.pretrain import PretrainParams
from brl.pretraining.contrastive import Contrastive, queue_size
from brl.pretraining.hallucinated import Hallucinated
from brl.pretraining.masked import MaskedParts
from brl.streams.weights import Trained
from brl.subset.subset import CLIPS_FILE, Subset
from brl.support.errors import UserError
from brl.support.files import sha256
from brl.support.paths import SPLIT, TRAINING
from brl.training.job import Job
from brl.training.loop import CurveRow, MakeObjective, ignore_epoch, keep_run, train_stream
from brl.training.resuming import hash_with_code


@dataclass(frozen=True)
class Pretraining:
    """A pre-training: all settings that its encoder depends on, without the clips.

    job: of the loop in brl.training; the method of the training that follows has no part in it.
    """

    job: Job
    params: PretrainParams

    @classmethod
    def of(cls, job: Job) -> "Pretraining":
        """The pre-training whose encoder starts a training, which must have one.

        The head has no part in it either: trainings with other heads share an encoder.
        """
        own = job.pretrain
        assert own is not None
        changes = {"passes": 1, "validation": 0.0}
        changes |= {name: getattr(own, name) for name in ("epochs", "batch_size", "lr")}
        before = replace(
            job,
            stream=replace(job.stream, lr=None),
            model=job.model.model_copy(update={"head": "linear"}),
            train=job.train.model_copy(update=changes),
            pretrain=None,
        )
        return cls(before, own)

    @property
    def identity(self) -> list[Any]:
        """What tells pre-trainings on the same clips apart, as JSON."""
        job = self.job
        settings = [job.model.model_dump(), job.train.model_dump(), self.params.in_use]
        return [*job.stream.seen, job.seed, *settings]

    @property
    def listed(self) -> Path:
        """In the pipeline, the list of the clips."""
        return SPLIT if self.params.clips == "split" else TRAINING / CLIPS_FILE

    def fingerprint(self, store: ClipStore, validation: float) -> str:
        """In the pipeline, the hash of all that the encoder depends on.

        validation: the share of the clips that the training holds out.
        """
        content = [self.identity, store.digest, sha256(self.listed), validation]
        return hash_with_code("pretrain", self.job.model.name, content)

    @property
    def objective(self) -> MakeObjective:
        """What is optimised."""
        objectives: dict[str, MakeObjective] = {
            "masked": partial(MaskedParts, params=self.params.masked),
            "contrastive": partial(Contrastive, params=self.params),
            "hallucinated": partial(Hallucinated, params=self.params),
        }
        return objectives[self.params.kind]

    def check(self, clips: int) -> None:
        """Raises UserError where there are too few clips for a batch, or for the queue."""
        size = self.job.train.batch_size
        if clips < size:
            raise UserError(
                f"params.yaml: pretrain.batch_size: {size}, but there are {clips} clips to "
                f"pre-train on; must be {clips} at most"
            )
        if self.params.kind in ("contrastive", "hallucinated"):
            queue_size(size, self.params, clips)


def without_held_out(store: ClipStore, clips: np.ndarray, params: Params) -> np.ndarray:
    """The clips (n,) but for those that `train.validation` holds out of the training."""
    listed = Subset(clips, np.bincount(store.labels[clips], minlength=len(store.classes)))
    return hold_out(store, listed, params.train.validation, params.seed)[0].clips


def pretrain(
    pretraining: Pretraining,
    store: ClipStore,
    clips: np.ndarray,
    checkpoint: Path,
    on_epoch: Callable[[CurveRow], None] = ignore_epoch,
    on_start: Callable[[str], str] = keep_run,
) -> tuple[Trained, list[CurveRow]]:
    """The network with a pre-trained backbone, and the curve; see `train_stream`.

    clips: (n,), indices in the store. Raises UserError if they are too few.
    """
    pretraining.check(len(clips))
    subset = Subset(clips, np.bincount(store.labels[clips], minlength=len(store.classes)))
    return train_stream(
        pretraining.job,
        store,
        subset,
        checkpoint,
        on_epoch,
        pretraining.objective,
        on_start=on_start,
    )
