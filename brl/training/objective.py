"""What a training optimises: the loop in loop.py knows nothing else of it."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from sklearn.metrics import balanced_accuracy_score
from torch import Generator, Tensor, nn

from brl.balance.samplers import SAMPLERS
from brl.config.params import MethodParams, PredictParams
from brl.models.common.network import Network
from brl.prediction import probabilities
from brl.streams.inputs import Inputs
from brl.streams.weights import Recipe
from brl.training.job import Job
from brl.training.losses import Criterion
from brl.training.mixing import MIXES, Batch, Targets, check_halves, draw_pairs, unmixed


class Objective(nn.Module, ABC):
    """What is shown of the training clips, and the loss of what a network makes of it.

    The parameters of an objective (a decoder, say) are trained with the network's, its buffers
    (prototypes, say) are kept in checkpoints; neither is part of the trained weights.

    directions: outputs of the network for each class.
    """

    directions = 1

    @abstractmethod
    def order(self, epoch: int, generator: Generator) -> Tensor:
        """The clips of an epoch (from 0) in the order in which they are shown, (n',) indices."""

    @abstractmethod
    def batch(self, indices: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Any]:
        """Clips (N, M, T, V, K), present bodies (N, M) and targets of any kind.

        Every process makes the whole batch, from the same random numbers.
        """

    @abstractmethod
    def outputs(self, network: Network, clips: Tensor, present: Tensor) -> tuple[Tensor, ...]:
        """What the loss needs of the network (logits, features), one row per clip, in float32.

        A process calls it for its own part of the batch; `loss` and `measures` get all rows.
        """

    @abstractmethod
    def loss(self, outputs: tuple[Tensor, ...], targets: Any, epoch: int) -> Tensor:
        """The loss of a whole batch in an epoch, from 0: a scalar."""

    def measures(self, outputs: tuple[Tensor, ...], targets: Any) -> dict[str, Tensor]:
        """Columns of the training curve beside the loss: sums over the batch, shown in % of it."""
        return {}

    def validate(self, network: Network, held_out: Inputs) -> float:
        """How good the network is on clips that were held out; the epoch with the most is kept."""
        raise TypeError(f"{type(self).__name__} cannot be validated; train.validation must be 0")

    def finish(self, network: Network) -> None:
        """Takes out of the trained network what only the training needs."""


class Classification(Objective):
    """Recognition of the labelled clips as `method` in params.yaml describes it.

    counts (C,): training clips of each class.
    """

    def __init__(self, job: Job, recipe: Recipe, inputs: Inputs, counts: Tensor) -> None:
        super().__init__()
        check_halves(job.method, recipe.layout)
        self.method: MethodParams = job.method
        self.schedule = job.train
        self.recipe, self.inputs, self.counts = recipe, inputs, counts
        # Clips that are played backwards and are told apart: class c backwards is class C + c.
        self.directions = 2 if job.method.reverse == "aware" else 1
        self.output_counts = counts.repeat(self.directions).to(inputs.device)
        self.criterion = Criterion(job.method, self.output_counts, job.train.epochs)

    def order(self, epoch: int, generator: Generator) -> Tensor:
        """As many passes as params.yaml has in an epoch, each drawn by the method's sampler."""
        draw, passes = SAMPLERS[self.method.sampler], self.schedule.passes
        labels, total = self.inputs.labels.cpu(), self.schedule.epochs * passes
        first = epoch * passes
        return torch.cat(
            [
                draw(labels, self.counts, generator, (first + number) / max(total - 1, 1))
                for number in range(passes)
            ]
        )

    def batch(self, indices: Tensor, generator: Generator) -> Batch:
        """Clips as the method shows them: some played backwards, some mixed with others."""
        method = self.method
        labels, backwards = self.inputs.labels[indices], None
        if method.reverse != "none":
            draws = torch.rand(len(indices), device=indices.device, generator=generator)
            backwards = draws < method.reverse_share
            if method.reverse == "aware":
                labels = labels + len(self.counts) * backwards
        clips, present = self.inputs.train_batch(indices, generator, backwards)
        batch = unmixed(clips, present, labels)
        if method.mix == "none":
            return batch
        pairs = draw_pairs(len(indices), method.mix_share, generator)
        return MIXES[method.mix](batch, pairs, self.output_counts, self.recipe.layout, generator)

    def outputs(self, network: Network, clips: Tensor, present: Tensor) -> tuple[Tensor, ...]:
        """Logits (N, C)."""
        return (network(clips, present).float(),)

    def loss(self, outputs: tuple[Tensor, ...], targets: Targets, epoch: int) -> Tensor:
        """The method's loss, with its class weights, by its schedule."""
        (logits,) = outputs
        return self.criterion(logits, targets, epoch)

    def measures(self, outputs: tuple[Tensor, ...], targets: Targets) -> dict[str, Tensor]:
        """How many clips are recognised; a mixed one counts by the shares of its two labels."""
        (logits,) = outputs
        predicted = logits.argmax(1)
        labels, partners, share = targets
        hits = share * (predicted == labels) + (1 - share) * (predicted == partners)
        return {"accuracy": hits.sum()}

    def validate(self, network: Network, held_out: Inputs) -> float:
        """Mean class accuracy in %, from one view per clip."""
        views = PredictParams(num_clips=1, batch_size=64, precision=self.schedule.precision)
        scores = probabilities(network, held_out, views, len(self.recipe.classes))
        labels = held_out.labels.cpu().numpy()
        return round(100 * balanced_accuracy_score(labels, scores.argmax(axis=1)), 4)

    def finish(self, network: Network) -> None:
        """Drops the outputs for clips that are played backwards."""
        network.cls_head.keep(len(self.recipe.classes))
