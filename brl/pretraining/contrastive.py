"""Contrastive pre-training: MoCo (He et al., arXiv 1911.05722), as in HaLP (arXiv 2304.00387).

The network describes one view of a clip, the query; a copy that follows it slowly describes another
one, the key. The query is to tell its own key from those of earlier clips, which wait in a queue.
As published for graph convolutions, a description is made of the mean feature of a clip by a
projection of two layers. Batches are not shuffled, and each encoder normalises by its own batch.

Our reading: the queue holds half of the clips at most, so that a clip rarely meets its own key of
the epoch before.
"""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from brl.config.pretrain import PretrainParams
from brl.models.common.network import Network
from brl.pretraining.views import draw_changes, draw_stretches
from brl.streams.inputs import Inputs
from brl.streams.weights import Recipe
from brl.support.errors import UserError
from brl.training.job import Job
from brl.training.objective import Objective

DIMENSION = 128  # D, of a description
TEMPERATURE = 0.07
LONGEST = 16_384  # of the queue, where its length is not given; as published


class Contrastive(Objective):
    """Tells the second view of a clip from earlier clips, without labels.

    Raises UserError if there are too few clips for the queue.
    """

    lr_setting = "pretrain.lr"
    queue: Tensor  # Q D, unit vectors
    seen: Tensor  # clips so far; the next key takes place `seen` modulo Q

    def __init__(
        self, job: Job, recipe: Recipe, inputs: Inputs, _counts: Tensor, params: PretrainParams
    ) -> None:
        super().__init__()
        self.inputs, self.recipe, self.params = inputs, recipe, params
        with torch.device("meta"):  # without memory, and without drawing random numbers
            width = recipe.build().backbone.out_channels
        self.projection = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, DIMENSION)
        )
        size = queue_size(job.train.batch_size, params, len(inputs))
        self.register_buffer("queue", F.normalize(torch.randn(size, DIMENSION)))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def begin(self, network: Network) -> None:
        """Makes the encoder of keys, which starts as that of queries."""
        self.key_network = deepcopy(network).requires_grad_(False)
        self.key_projection = deepcopy(self.projection).requires_grad_(False)

    def order(self, _epoch: int, generator: Generator) -> Tensor:
        """All clips, shuffled."""
        return torch.randperm(len(self.inputs), generator=generator)

    def batch(self, indices: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Any]:
        """Two views of each clip, (N, 2, M, T, V, K), and its bodies."""
        views = [self._view(indices, generator) for _ in range(2)]
        return torch.stack([clips for clips, _ in views], dim=1), views[0][1], None

    def _view(self, indices: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        layout, clip_len = self.recipe.layout, self.recipe.train.clip_len
        device = self.inputs.device
        lengths = self.inputs.lengths[indices].to(device, non_blocking=True)
        frames = draw_stretches(lengths, clip_len, generator)
        channels = self.recipe.channels
        change = draw_changes(len(indices), layout, channels, device, generator)
        return self.inputs.changed_batch(indices, frames, change)

    def outputs(self, network: Network, clips: Tensor, present: Tensor) -> tuple[Tensor, ...]:
        """Queries and keys of clips (N, 2, M, T, V, K), (N, D) each; first the keys' encoder moves.

        The gradient flows to the queries only.
        """
        queries = described(clips[:, 0], present, network, self.projection)
        with torch.no_grad():
            for own, followed in (
                (self.key_network, network),
                (self.key_projection, self.projection),
            ):
                follow(own.parameters(), followed.parameters(), self.params.contrastive.momentum)
            keys = described(clips[:, 1], present, self.key_network, self.key_projection)
        return queries, keys

    def loss(self, outputs: tuple[Tensor, ...], _targets: Any, _epoch: int) -> Tensor:
        """The mean loss of the queries; the keys then join the queue."""
        queries, keys = outputs
        scores = logits(queries, keys, self.queue)
        self._enqueue(keys)
        return F.cross_entropy(scores, torch.zeros_like(scores[:, 0], dtype=torch.int64))

    def _enqueue(self, keys: Tensor) -> None:
        """Puts keys (N, D) in the place of the oldest ones; gradients still need the old queue."""
        places = (self.seen + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue = self.queue.index_copy(0, places, keys)
        self.seen += len(keys)


def queue_size(batch: int, params: PretrainParams, clips: int) -> int:
    """The length of the queue; raises UserError if there are too few clips for it.

    batch: clips in a batch.
    """
    asked, half = params.contrastive.queue, clips // 2
    there_are = f"but there are {clips} clips to pre-train on"
    if batch > half:
        raise UserError(
            f"params.yaml: pretrain.batch_size: {batch}, {there_are}, and the queue of earlier "
            f"batches holds half of them at most; must be {half} at most"
        )
    if asked is None:
        return min(half, LONGEST) // batch * batch
    if not batch <= asked <= half:
        raise UserError(
            f"params.yaml: pretrain.contrastive.queue: {asked}, {there_are}; must be null or from "
            f"{batch}, a batch, to {half}, half of them"
        )
    return asked


def described(clips: Tensor, present: Tensor, network: Network, projection: nn.Module) -> Tensor:
    """Descriptions of clips (N, M, T, V, K), unit vectors (N, D), in float32 at least."""
    features = network.clip_features(clips, present)
    with torch.autocast(features.device.type, enabled=False):
        return F.normalize(projection(features))


def follow(own: Iterable[Tensor], followed: Iterable[Tensor], momentum: float) -> None:
    """Moves parameters by the share 1 - momentum of the way to others."""
    for each, other in zip(own, followed, strict=True):
        each.lerp_(other, 1 - momentum)


def logits(queries: Tensor, keys: Tensor, queue: Tensor) -> Tensor:
    """How similar queries (N, D) are to their own keys, then to a queue (Q, D): (N, 1 + Q)."""
    own = (queries * keys).sum(dim=1, keepdim=True)
    return torch.cat([own, queries @ queue.T], dim=1) / TEMPERATURE
