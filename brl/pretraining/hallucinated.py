"""Contrastive pre-training with hallucinated keys: HaLP (Shah et al., arXiv 2304.00387), section 3.

Prototypes are the mean directions of clusters of the newest keys. From the key of a clip, new keys
are made on the way to prototypes of other clusters, but not so far that they leave their own: they
are further views of the clip that no augmentation makes. The query is drawn to them.

Where a key would be as near to the other prototype is a closed form. As published it takes the
arctangent of a quotient, which is wrong where the denominator is negative; here it is `atan2`. The
published k-means runs on the sphere and stops early. Here it is scikit-learn's, whose means are
scaled to length one. Our reading: the queue gives no more than half as many prototypes as it has
keys.
"""

import warnings
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from brl.config.pretrain import PretrainParams
from brl.pretraining.contrastive import DIMENSION, TEMPERATURE, Contrastive
from brl.streams.inputs import Inputs
from brl.streams.weights import Recipe
from brl.training.job import Job

PROTOTYPES = 20
NEWEST = 256  # keys of which prototypes are made
STEPS = 10  # for which prototypes stay
HALLUCINATED = 100  # keys for each clip
LEFT_OUT = 0.8  # at most, of the way to the border of the cluster
EPSILON = 1e-7


class Draws(NamedTuple):
    """The random numbers of a batch.

    others  for each key the place of a prototype among all but the nearest, (N, H)
    left    shares of the way to the border that are left out, (N, H)
    seed    of the next prototypes
    """

    others: Tensor
    left: Tensor
    seed: Tensor


class Hallucinated(Contrastive):
    """Contrastive pre-training that also draws queries to hallucinated keys, after some epochs."""

    prototypes: Tensor  # P D, unit vectors
    steps: Tensor  # with hallucinated keys so far

    def __init__(
        self, job: Job, recipe: Recipe, inputs: Inputs, counts: Tensor, params: PretrainParams
    ) -> None:
        super().__init__(job, recipe, inputs, counts, params)
        self.first_epoch = round(params.hallucinated.after * job.train.epochs)
        number = min(PROTOTYPES, max(len(self.queue) // 2, 2))
        self.register_buffer("prototypes", torch.zeros(number, DIMENSION))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def batch(self, indices: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Draws]:
        """Two views of each clip, its bodies, and what hallucination draws."""
        clips, present, _ = super().batch(indices, generator)
        shape, device = (len(indices), HALLUCINATED), clips.device
        others = torch.randint(len(self.prototypes) - 1, shape, device=device, generator=generator)
        left = LEFT_OUT * torch.rand(shape, device=device, generator=generator)
        seed = torch.randint(2**31, (), device=device, generator=generator)
        return clips, present, Draws(others, left, seed)

    def loss(self, outputs: tuple[Tensor, ...], draws: Draws, epoch: int) -> Tensor:
        """The contrastive loss, and later that of hallucinated keys, too."""
        drawn = self._drawn(outputs, draws) if self._sets_in(epoch) else 0.0
        return super().loss(outputs, None, epoch) + self.params.hallucinated.weight * drawn

    def _sets_in(self, epoch: int) -> bool:
        # As published, not before the queue was filled twice.
        return epoch >= self.first_epoch and int(self.seen) > 2 * len(self.queue)

    def _drawn(self, outputs: tuple[Tensor, ...], draws: Draws) -> Tensor:
        """The loss of hallucinated keys; the queue is that of the step before."""
        if self.steps % STEPS == 0:
            self.prototypes = self._new_prototypes(int(draws.seed))
        self.steps += 1
        queries, keys = outputs
        nearest = (keys @ self.prototypes.T).argmax(dim=1)
        others = draws.others + (draws.others >= nearest[:, None])  # skips the nearest one
        made = F.normalize(hallucinated(keys, self.prototypes, others, draws.left), dim=2)
        return attraction(queries, made, kept(made, self.prototypes, nearest))

    def _new_prototypes(self, seed: int) -> Tensor:
        newest = torch.arange(1, min(NEWEST, len(self.queue)) + 1, device=self.queue.device)
        keys = self.queue[(self.seen - newest) % len(self.queue)]
        means = mean_directions(keys.cpu().numpy(), len(self.prototypes), seed)
        return torch.from_numpy(means).to(self.queue)


def hallucinated(keys: Tensor, prototypes: Tensor, others: Tensor, left: Tensor) -> Tensor:
    """Keys (N, H, D), not yet of length one, between keys (N, D) and other prototypes.

    prototypes (P, D); others (N, H): their places; left (N, H): the share of the way to the border
    of the key's cluster that is left out.
    """
    nearest = prototypes[(keys @ prototypes.T).argmax(dim=1)]
    targets = prototypes[others]  # N H D
    angles = angles_between(keys, targets)
    way = (1 - left) * border(keys, nearest, targets)
    parts = ((1 - way) * angles).sin(), (way * angles).sin()
    both = parts[0][..., None] * keys[:, None] + parts[1][..., None] * targets
    return both / angles.sin()[..., None]


def border(keys: Tensor, nearest: Tensor, targets: Tensor) -> Tensor:
    """The share (N, H) of the way from keys to targets at which these are as near as `nearest`.

    keys (N, D); nearest (N, D): their prototypes; targets (N, H, D): others.
    """
    angles = angles_between(keys, targets)
    ahead = (keys * nearest).sum(dim=1, keepdim=True) - inner(keys, targets)
    beside = 1 - inner(nearest, targets) + ahead * angles.cos()
    return torch.atan2(ahead * angles.sin(), beside) / angles


def angles_between(keys: Tensor, targets: Tensor) -> Tensor:
    """Angles (N, H) between keys (N, D) and targets (N, H, D), never quite 0 or pi."""
    return inner(keys, targets).clamp(EPSILON - 1, 1 - EPSILON).acos()


def inner(vectors: Tensor, of_each: Tensor) -> Tensor:
    """Inner products (N, H) of vectors (N, D) and several of each, (N, H, D)."""
    return torch.einsum("nd,nhd->nh", vectors, of_each)


def kept(made: Tensor, prototypes: Tensor, nearest: Tensor) -> Tensor:
    """The rank filter: keys (N, H, D) that stay nearest to their prototype (N,), (N, H) bool."""
    return (made @ prototypes.T).argmax(dim=2) == nearest[:, None]


def attraction(queries: Tensor, made: Tensor, counts: Tensor) -> Tensor:
    """HaLP's loss: minus the mean similarity of queries (N, D) and made keys (N, H, D).

    counts (N, H) bool: the keys that count.
    """
    similar = inner(queries, made) / TEMPERATURE
    return -(similar * counts).sum() / counts.sum().clamp(min=1)


def mean_directions(
    keys: np.ndarray, number: int, seed: int, start: np.ndarray | str = "k-means++"
) -> np.ndarray:
    """Mean directions (P, D) of clusters of unit vectors (n, D); P is number.

    start (P, D): the first ones.
    """
    from sklearn.cluster import KMeans  # slow to import
    from sklearn.exceptions import ConvergenceWarning

    clusters = KMeans(number, init=start, n_init=1, max_iter=100, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of keys that are all alike
        means = clusters.fit(keys).cluster_centers_
    return means / np.linalg.norm(means, axis=1, keepdims=True)
