"""An encoder of a stream, and its evaluations."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brl.clips.store import ClipStore
from brl.config.params import MethodParams, Params
from brl.config.presets import METHODS
from brl.prediction import features, predict
from brl.probing.frozen import FROZEN, classified
from brl.probing.shares import SHARES, drawn, fine_tuning
from brl.scores.scores import Scores, load_scores, save_scores
from brl.streams.device import best_device
from brl.streams.weights import Recipe
from brl.subset.subset import Subset, read_subset
from brl.support.files import project_root, sha256
from brl.support.paths import STORE, SUBSET
from brl.training.checkpoint_file import remove_checkpoints
from brl.training.job import Job
from brl.training.loop import train_stream
from brl.training.resuming import fingerprint

EVALUATIONS = (*FROZEN, *SHARES)


@dataclass(frozen=True)
class Labelled:
    """The clips of the evaluations.

    subset  the training clips, whose labels are used
    digest  the subset's hash
    tested  (n,), indices of the test clips in the store
    """

    store: ClipStore
    subset: Subset
    digest: str
    tested: np.ndarray

    @classmethod
    def read(cls, split: str, digest: str) -> "Labelled":
        """The clips in the workspace."""
        store = ClipStore.open(STORE)
        return cls(store, read_subset(SUBSET, store), digest, store.part(split, "test"))


@dataclass(frozen=True)
class Encoder:
    """An encoder of a stream.

    job     of a fine-tuning on all labels
    start   the state dict of a pre-trained backbone; None: random initial weights
    digest  hash of the file of these weights; empty without one
    """

    params: Params
    job: Job
    clips: Labelled
    start: Mapping[str, Tensor] | None = None
    digest: str = ""

    @cached_property
    def features(self) -> tuple[np.ndarray, np.ndarray]:
        """Those of the training clips (n, C') and of the test clips (n', C')."""
        job, store = self.job, self.clips.store
        recipe = Recipe.on(store, stream=job.stream, model=job.model, train=job.train)
        torch.manual_seed(job.seed)
        network = recipe.build()
        if self.start is not None:
            network.backbone.load_state_dict(self.start)
        device = best_device()
        network.to(device)
        training, tested = (
            features(network, recipe.inputs(store, indices, device), self.params.predict)
            for indices in (self.clips.subset.clips, self.clips.tested)
        )
        return training, tested

    def labelled(self, evaluation: str) -> Subset:
        """The training clips whose labels an evaluation uses."""
        subset = self.clips.subset
        if evaluation in FROZEN:
            return subset
        return drawn(self.clips.store, subset, SHARES[evaluation], self.job.seed)

    def evaluated(self, evaluation: str, checkpoint: Path) -> np.ndarray:
        """Class probabilities (n', C) float32 of the test clips by an evaluation's classifier.

        checkpoint: of a fine-tuning, which resumes if that file exists. Raises UserError if its
        loss diverges.
        """
        store, labelled = self.clips.store, self.labelled(evaluation)
        if evaluation in FROZEN:
            training, tested = self.features
            labels = store.labels[labelled.clips]
            return classified(FROZEN[evaluation](), training, labels, tested, len(store.classes))
        job = fine_tuning(self.job, len(self.clips.subset.clips), len(labelled.clips))
        trained, _ = train_stream(job, store, labelled, checkpoint, start=self.start)
        return predict(trained, store, self.clips.tested, self.params.predict)

    def scores_file(self, evaluation: str) -> Path:
        """The file for the scores of an evaluation, named after all that they depend on."""
        code = [sha256(file) for file in sorted(Path(__file__).parent.glob("*.py"))]
        data = [self.clips.store.digest, self.clips.digest, self.digest]
        tested = [self.params.dataset.split, self.params.predict.model_dump_json()]
        identity = fingerprint(self.job, [evaluation, *data, *tested, *code])
        return project_root() / ".probe" / f"{self.job.stream.name}-{identity}.npz"

    def scores(self, evaluation: str) -> Scores:
        """The scores of the test clips by an evaluation, computed unless they are there."""
        file = self.scores_file(evaluation)
        if file.exists():
            return load_scores(file)
        checkpoint = file.with_suffix(".pt")
        probabilities = self.evaluated(evaluation, checkpoint)
        store, tested = self.clips.store, self.clips.tested
        scores = Scores(store.names[tested], store.labels[tested], probabilities, self.digest)
        save_scores(file, scores)
        remove_checkpoints(checkpoint)
        return scores


def probing_job(params: Params, stream: str) -> Job:
    """The training of a stream by plain cross-entropy: the method has no part in an evaluation.

    No clips are held out: the weights are those of the last epoch.
    """
    job = Job.of(params, stream)
    method: dict[str, Any] = METHODS.read("cross_entropy")["method"]
    return replace(
        job,
        model=job.model.model_copy(update={"head": "linear"}),
        method=MethodParams.model_validate(method),
        train=job.train.model_copy(update={"validation": 0.0}),
        pretrain=None,
    )
