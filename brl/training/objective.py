"""Training objectives: what the loop in loop.py optimises."""

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Generator, Tensor, nn

from brl.balance.samplers import SAMPLERS
from brl.config.params import MethodParams, PredictParams
from brl.config.streams import check_halves
from brl.models.common.fixed_sizes import FixedSizes
from brl.models.common.network import Network
from brl.prediction import probabilities
from brl.streams.device import on_host, uses_cuda_graphs
from brl.streams.inputs import Inputs
from brl.streams.weights import Recipe
from brl.support.errors import UserError
from brl.training.distributed import num_processes
from brl.training.job import Job
from brl.training.losses import Criterion
from brl.training.mixing import MIXES, Batch, Targets, draw_pairs, unmixed
from brl.training.prototypes import Prototypes
from brl.training.shap_mix import ShapMix

# A graph is captured for each multiple of this share of a batch's clips. More graphs take more
# memory, fewer compute more bodies that do not count.
SIZES_PER_BATCH = 4


class Objective(nn.Module, ABC):
    """Makes the batches of a training, and computes the loss of the network's outputs.

    The parameters of an objective (such as a decoder) are trained with the network's, and its
    buffers (such as prototypes) are kept in checkpoints; neither is part of the trained weights.

    directions  outputs of the network per class
    lr_setting  where params.yaml has the learning rate, for a message
    """

    directions = 1
    lr_setting = "train.lr or streams.{stream}.lr"

    def begin(self, _network: Network, /) -> None:
        """Called once, with the network as the training starts: some objectives copy it."""

    @abstractmethod
    def order(self, epoch: int, generator: Generator) -> Tensor:
        """Indices (n',) of the clips of an epoch, counted from 0, in training order."""

    @abstractmethod
    def batch(self, indices: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Any]:
        """Clips (N, M, T, V, K), present bodies (N, M) bool and targets of any type.

        Indices and present bodies are on the CPU, all else on the device: see Inputs.
        Clips may have another shape that `outputs` expects, such as two views (N, 2, M, T, V, K).
        All processes make the whole batch from the same random numbers.
        """

    def extended(
        self,
        batch: tuple[Tensor, Tensor, Any],
        _network: Network,
        _epoch: int,
        _generator: Generator,
        /,
    ) -> tuple[Tensor, Tensor, Any]:
        """What is trained: the batch, and clips made from it by what the network says of it.

        The epoch is counted from 0. All processes make the same clips.
        """
        return batch

    @abstractmethod
    def outputs(self, network: Network, clips: Tensor, present: Tensor) -> tuple[Tensor, ...]:
        """The outputs that the loss needs (such as logits), one row per clip, in float32.

        A process calls it with its own part of the batch; `loss` and `measures` get the rows of
        the whole batch. The objective's parameters belong here, not in `loss`: each process
        computes the whole loss, so their gradients would be summed once per process.
        """

    @abstractmethod
    def loss(self, outputs: tuple[Tensor, ...], targets: Any, epoch: int) -> Tensor:
        """The loss (a scalar) of a whole batch in an epoch, counted from 0."""

    def measures(self, _outputs: tuple[Tensor, ...], _targets: Any, /) -> dict[str, Tensor]:
        """Further columns of the training curve: sums over the batch, shown in % of its clips."""
        return {}

    def validate(self, _network: Network, _held_out: Inputs, /) -> float:
        """Score of the network on held-out clips; the epoch with the highest one is kept."""
        raise TypeError(f"{type(self).__name__} cannot be validated; train.validation must be 0")

    def finish(self, network: Network) -> None:
        """Removes the parts of the network that only the training needs."""


class Classification(Objective):
    """Classification of labelled clips by the method in params.yaml.

    counts (C,): training clips per class. Raises UserError if the layout does not fit the method.
    """

    def __init__(self, job: Job, recipe: Recipe, inputs: Inputs, counts: Tensor) -> None:
        super().__init__()
        check_halves(recipe.layout, recipe.stream.name, recipe.stream.part, job.method.mix)
        self.method: MethodParams = job.method
        self.schedule = job.train
        self.recipe, self.inputs, self.counts = recipe, inputs, counts
        # With `aware`, class c played backwards is class C + c.
        self.directions = 2 if job.method.reverse == "aware" else 1
        self.output_counts = counts.repeat(self.directions).to(inputs.device)
        self.criterion = Criterion(job.method, self.output_counts, job.train.epochs)
        self.prototypes: Prototypes | None = None
        if job.method.prototypes:
            outputs = len(self.output_counts)
            self.prototypes = Prototypes.of(recipe, outputs, job.method.prototypes, job.seed)
        self.shap_mix: ShapMix | None = None
        if job.method.mix == "shap":
            self.shap_mix = ShapMix.of(recipe, inputs, self.output_counts)

    def begin(self, network: Network) -> None:
        """Has CUDA graphs compute the network, if they are asked for.

        Raises UserError if several processes train.
        """
        # With prototypes the network also collects graphs of bodies, in Python.
        if not uses_cuda_graphs() or self.prototypes is not None:
            return
        if num_processes() > 1:
            raise UserError("BRL_CUDA_GRAPHS: works only if one process trains; unset it")
        network.fixed_sizes = FixedSizes(math.ceil(self.schedule.batch_size / SIZES_PER_BATCH))

    def order(self, epoch: int, generator: Generator) -> Tensor:
        """Indices of `train.passes` passes over the clips, each drawn by the method's sampler."""
        draw, passes = SAMPLERS[self.method.sampler], self.schedule.passes
        labels, total = self.inputs.labels, self.schedule.epochs * passes
        first = epoch * passes
        return torch.cat(
            [
                draw(labels, self.counts, generator, (first + number) / max(total - 1, 1))
                for number in range(passes)
            ]
        )

    def batch(self, indices: Tensor, generator: Generator) -> Batch:
        """Training clips, of which the method plays some backwards and mixes some."""
        method, device = self.method, self.inputs.device
        labels, backwards = self.inputs.labels[indices].to(device, non_blocking=True), None
        if method.reverse != "none":
            draws = torch.rand(len(indices), device=device, generator=generator)
            backwards = draws < method.reverse_share
            if method.reverse == "aware":
                labels = labels + len(self.counts) * backwards
        clips, present = self.inputs.train_batch(indices, generator, backwards)
        batch = unmixed(clips, present, labels)
        if method.mix not in MIXES:
            return batch
        pairs = draw_pairs(len(indices), method.mix_share, on_host(generator))
        layout = self.recipe.seen_layout
        return MIXES[method.mix](batch, pairs, self.output_counts, layout, generator)

    def extended(
        self,
        batch: tuple[Tensor, Tensor, Targets],
        network: Network,
        epoch: int,
        generator: Generator,
    ) -> Batch:
        """The batch, and with `mix: shap` its mixture."""
        if self.shap_mix is None:
            return Batch(*batch)
        return self.shap_mix(Batch(*batch), network, epoch * self.schedule.passes, generator)

    def outputs(self, network: Network, clips: Tensor, present: Tensor) -> tuple[Tensor, ...]:
        """Logits (N, C), C counts both directions; with prototypes also descriptions (N, D)."""
        if self.prototypes is None:
            return (network(clips, present).float(),)
        logits, graphs = network.logits_and_graphs(clips, present)
        return logits.float(), self.prototypes(graphs).float()

    def loss(self, outputs: tuple[Tensor, ...], targets: Targets, epoch: int) -> Tensor:
        """The method's loss and class weights, by its schedule; with prototypes, also theirs."""
        logits = outputs[0]
        loss = self.criterion(logits, targets, epoch)
        if self.prototypes is not None:
            loss = loss + self.prototypes.loss(outputs[1], logits, targets)
        return loss

    def measures(self, outputs: tuple[Tensor, ...], targets: Targets) -> dict[str, Tensor]:
        """`accuracy`: number of correctly classified clips; mixed ones count by their shares."""
        logits = outputs[0]
        predicted = logits.argmax(1)
        labels, partners, share = targets
        hits = share * (predicted == labels) + (1 - share) * (predicted == partners)
        return {"accuracy": hits.sum()}

    def validate(self, network: Network, held_out: Inputs) -> float:
        """Mean class accuracy in %, from one test view per clip."""
        from sklearn.metrics import balanced_accuracy_score  # slow to import, and rarely needed

        views = PredictParams(num_clips=1, batch_size=64, precision=self.schedule.precision)
        scores = probabilities(network, held_out, views, len(self.recipe.classes))
        labels = held_out.labels.numpy()
        return round(100 * balanced_accuracy_score(labels, scores.argmax(axis=1)), 4)

    def finish(self, network: Network) -> None:
        """Drops the outputs for clips that are played backwards, and CUDA graphs."""
        network.fixed_sizes = None
        network.cls_head.keep(len(self.recipe.classes))
