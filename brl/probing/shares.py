"""Fine-tuning on a share of the labels."""

import math
from dataclasses import replace

import numpy as np

from brl.clips.store import ClipStore
from brl.subset.subset import Subset
from brl.training.job import Job

SHARES = {"fine-tuned on 1 %": 0.01, "fine-tuned on 10 %": 0.1}


def drawn(store: ClipStore, subset: Subset, share: float, seed: int) -> Subset:
    """A random share of a subset: round(share n) of the n clips of each class, at least one.

    The clips of a smaller share are among those of a larger one from the same seed. They keep the
    subset's order.
    """
    labels = store.labels[subset.clips]
    random = np.random.default_rng(seed)
    chosen = np.zeros(len(labels), dtype=bool)
    for label in range(len(subset.counts)):
        indices = random.permutation(np.flatnonzero(labels == label))
        chosen[indices[: max(round(share * len(indices)), 1)]] = True
    counts = np.bincount(labels[chosen], minlength=len(subset.counts))
    return Subset(subset.clips[chosen], counts)


def fine_tuning(job: Job, whole: int, part: int) -> Job:
    """The training on `part` of `whole` clips that has as many steps as the job on all of them.

    Its batches have at most `part` clips. With the passes of the job, a few clips would make so few
    steps that random weights would end with wrong statistics of their batch norms, and pre-trained
    ones would look better than they are.
    """
    train = job.train
    steps = math.ceil(train.passes * whole / train.batch_size)
    batch_size = min(train.batch_size, part)
    passes = max(round(steps * batch_size / part), 1)
    changes = {"batch_size": batch_size, "passes": passes}
    return replace(job, train=train.model_copy(update=changes))
