"""Further trainings of a stream, each without one fold of the training clips."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from brl.clips.store import ClipStore
from brl.config.params import Params
from brl.pretraining.encoder import Pretraining, pretrain, without_held_out
from brl.streams.weights import Trained
from brl.subset.subset import Subset, read_subset
from brl.support.paths import TRAINING, UNSEEN_CLIPS
from brl.training.job import Job
from brl.training.loop import CurveRow, ignore_epoch, keep_run, train_stream
from brl.training.resuming import checkpoint_file, hash_with_code
from brl.unseen.clips import read_unseen, without


@dataclass(frozen=True)
class FoldTraining:
    """A training of a stream on the clips outside one fold, like the stream's own on all clips.

    number            of the fold, from 1 on
    job               that of the stream
    subset            the clips outside the fold
    pretraining       that of the encoder, if the stream has one: it does not see the fold either
    pretraining_clips (n,), store indices
    """

    number: int
    job: Job
    store: ClipStore
    subset: Subset
    pretraining: Pretraining | None
    pretraining_clips: np.ndarray

    @classmethod
    def all_of(cls, params: Params, stream: str, store: ClipStore) -> list["FoldTraining"]:
        """Those that params.yaml asks for, by the lists that `subsample` wrote."""
        job = Job.of(params, stream)
        subset, unseen = read_subset(TRAINING, store), read_unseen(UNSEEN_CLIPS, store)
        pretraining = Pretraining.of(job) if job.pretrain else None
        trainings = []
        for number in unseen.numbers:
            kept = without(store, subset, unseen.of(number))
            own = without_held_out(store, kept.clips, params)
            trainings.append(cls(number, job, store, kept, pretraining, own))
        return trainings

    @cached_property
    def identities(self) -> list[str]:
        """Hashes of all that the training and, if there is one, its pre-training depend on."""
        job, pretraining = self.job, self.pretraining
        before = [pretraining.identity] if pretraining else []
        settings = [each.model_dump() for each in (job.model, job.method, job.train)]
        own = [*job.stream.seen, job.seed, job.lr, *settings, *before]
        return [self._hash(content) for content in (own, *before)]

    @property
    def checkpoints(self) -> list[Path]:
        """The checkpoints of the training and, if there is one, of its pre-training.

        They stay until all folds are trained: DVC removes the networks of an interrupted stage, and
        from its last checkpoint a training ends at once.
        """
        return [checkpoint_file(self.job.stream, identity) for identity in self.identities]

    @property
    def clips_digest(self) -> str:
        """Hash of the names of the clips."""
        names = "\n".join(self.store.names[self.subset.clips])
        return hashlib.sha256(names.encode()).hexdigest()

    def _hash(self, content: list[object]) -> str:
        data = [self.store.digest, self.clips_digest]
        return hash_with_code("folds", self.job.model.name, [content, *data])

    def train(
        self,
        on_epoch: Callable[[CurveRow], None] = ignore_epoch,
        on_start: Callable[[str], str] = keep_run,
    ) -> Trained:
        """The trained network; resumes from the checkpoints. See `train_stream`."""
        start = None
        if self.pretraining:
            pretrained, _ = pretrain(
                self.pretraining, self.store, self.pretraining_clips, self.checkpoints[1]
            )
            start = pretrained.model.backbone.state_dict()
        trained, _ = train_stream(
            self.job,
            self.store,
            self.subset,
            self.checkpoints[0],
            on_epoch,
            start=start,
            on_start=on_start,
        )
        return trained
