"""The training loop of one stream. Recipe: BRL, arXiv 2308.14024."""

import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Generator, Tensor, nn

from brl.balance.holdout import hold_out
from brl.clips.store import ClipStore
from brl.config.params import TrainParams
from brl.streams.device import arithmetic, best_device, keep_freed_memory
from brl.streams.inputs import Inputs
from brl.streams.weights import Recipe, Trained
from brl.subset.subset import Subset
from brl.support.errors import UserError
from brl.support.progress import FractionBar, fraction_bar
from brl.training.checkpoint_file import kept, read_checkpoint, set_aside, try_to_write
from brl.training.distributed import (
    agree,
    gather_batch,
    is_first,
    own_part,
    sum_gradients,
)
from brl.training.job import Job
from brl.training.objective import Classification, Objective

CurveRow = dict[str, float]


class MakeObjective(Protocol):
    """Builds the objective of a training; counts (C,) int64: training clips per class."""

    def __call__(self, job: Job, recipe: Recipe, inputs: Inputs, counts: Tensor) -> Objective:
        """The objective, on the CPU."""


def ignore_epoch(_row: CurveRow) -> None:
    """An `on_epoch` that does nothing."""


def keep_run(run: str) -> str:
    """An `on_start` that starts nothing."""
    return run


def train_stream(
    job: Job,
    store: ClipStore,
    subset: Subset,
    checkpoint: Path,
    on_epoch: Callable[[CurveRow], None] = ignore_epoch,
    objective: MakeObjective = Classification,
    start: Mapping[str, Tensor] | None = None,
    on_start: Callable[[str], str] = keep_run,
) -> tuple[Trained, list[CurveRow]]:
    """Trains one stream on a subset; resumes from `checkpoint` if that file exists.

    checkpoint  replaced after each epoch; may be resumed with another number of processes. A
                damaged one is set aside, and the one before it is used. Where the disk does not
                take it, the training goes on, and says so once
    on_epoch    called after each epoch with a row of the curve: `epoch` (from 1), `loss`, the
                objective's measures in % (`accuracy`), `lr`, `steps` of the optimizer so far, and
                `validation` if there is a validation part. A resumed training first calls it for
                all earlier epochs, since a killed process may not have logged them.
    start       the state dict of a pretrained backbone; None: random initial weights
    on_start    called before the first epoch with the name under which the resumed training is
                recorded, empty for one that starts afresh; returns the name that checkpoints keep

    Returns the network on the CPU, in eval mode, and the whole curve. The weights are those of the
    last epoch, or of the best epoch if there is a validation part. If several processes train
    together, each calls this function, and the first writes the checkpoint.

    Raises UserError if the loss diverges, or if processes do not train the same.
    """
    training = resumed(lambda: Training(job, store, subset, objective, start), checkpoint)
    # All processes must have read the checkpoint before it is replaced.
    agree("training", f"{checkpoint.stem} after epoch {training.epoch}")
    training.run = on_start(training.run)
    for row in training.curve:
        on_epoch(row)
    with fraction_bar(job.stream.name) as bar:
        while training.epoch < job.train.epochs:
            row = training.run_epoch(bar)
            if is_first():
                training.save(checkpoint)
            on_epoch(row)
    return training.result(), training.curve


def resumed(begin: Callable[[], "Training"], checkpoint: Path) -> "Training":
    """A training that resumes from the last checkpoint that is whole, or else begins."""
    training = begin()
    files = kept(checkpoint)
    for file in files:
        try:
            training.restore(file)
            return training
        except FileNotFoundError:  # the first process has set it aside
            continue
        except (OSError, MemoryError, torch.OutOfMemoryError):  # says nothing about the checkpoint
            raise
        except Exception as error:  # one of other code may raise nearly any exception
            set_aside(file, error)
            training = begin()
    if files and is_first():
        print(f"{training.job.stream.name}: no checkpoint is left; starts afresh", file=sys.stderr)
    return training


class Training:
    """State of one training between epochs: network, optimizer, random generators and curve."""

    def __init__(
        self,
        job: Job,
        store: ClipStore,
        subset: Subset,
        objective: MakeObjective = Classification,
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        keep_freed_memory()
        self.job = job
        self.device = best_device()
        self.recipe = Recipe.on(store, stream=job.stream, model=job.model, train=job.train)
        trained, held_out = hold_out(store, subset, job.train.validation, job.seed)
        self.validation = self.recipe.inputs(store, held_out.clips, self.device)
        inputs = self.recipe.inputs(store, trained.clips, self.device)
        torch.manual_seed(job.seed)
        self.objective = objective(job, self.recipe, inputs, torch.tensor(trained.counts))
        self.model = self.recipe.build(self.objective.directions)
        if start is not None:
            self.model.backbone.load_state_dict(start)
        self.objective.begin(self.model)
        self.model.to(self.device)
        self.objective.to(self.device)
        parts = nn.ModuleList([self.model, self.objective])
        self.parameters = [each for each in parts.parameters() if each.requires_grad]
        self.optimizer = sgd(self.parameters, job.train)
        # The order of clips is drawn on the CPU, augmentation on the device.
        self.order_generator = Generator().manual_seed(job.seed)
        self.augment_generator = Generator(self.device).manual_seed(job.seed)
        self.epoch = 0
        self.curve: list[CurveRow] = []
        self.best: tuple[float, dict[str, Tensor]] | None = None
        self.run = ""  # the name under which the training is recorded
        self.is_kept = True  # whether the last checkpoint was written

    def run_epoch(self, bar: FractionBar) -> CurveRow:
        """Trains one epoch; appends its row to the curve and returns it.

        Raises UserError if the training diverges.
        """
        params, batches = self.job.train, self._batches()
        self.model.train()
        sums: dict[str, Tensor] = {}
        losses: list[Tensor] = []
        rates: list[float] = []
        seen, started = 0, time.monotonic()
        for step, indices in enumerate(batches):
            progress = (self.epoch + step / len(batches)) / params.epochs
            lr = learning_rate(self.job.lr, progress, params.warmup)
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            measured = self._step(indices)
            for name, value in measured.items():
                sums[name] = sums.get(name, 0) + value
            losses.append(measured["loss"])
            rates.append(lr)
            seen += len(indices)
            if bar.due():
                done = (self.epoch + (step + 1) / len(batches)) / params.epochs
                speed = seen / (time.monotonic() - started)
                bar.show(done, f"{self._progress(sums, seen)}, {speed:.0f} clips/s")
        self.epoch += 1
        self._stop_if_diverged(losses, rates)
        row = {"epoch": self.epoch, "loss": round(float(sums.pop("loss")) / seen, 6)}
        row |= {name: round(100 * float(total) / seen, 4) for name, total in sums.items()}
        row |= {"lr": lr, "steps": len(batches) + (self.curve[-1]["steps"] if self.curve else 0)}
        if len(self.validation):
            row["validation"] = self._validate()
        self.curve.append(row)
        return row

    def _step(self, indices: Tensor) -> dict[str, Tensor]:
        """One optimizer step on clips (N,); returns loss and measures, summed over the clips.

        A GPU is never waited for: it works on a step while Python prepares the next one.
        """
        generator = self.augment_generator
        batch = self.objective.batch(indices, generator)
        clips, present, targets = self.objective.extended(batch, self.model, self.epoch, generator)
        part = own_part(len(clips))
        with arithmetic(self.job.train.precision, self.device):
            own = self.objective.outputs(self.model, clips[part], present[part])
        outputs = tuple(gather_batch(rows, len(clips)) for rows in own)
        loss = self.objective.loss(outputs, targets, self.epoch)
        self.optimizer.zero_grad()
        loss.backward()
        sum_gradients(self.parameters)
        if self.job.train.clip_grad is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.job.train.clip_grad)
        self.optimizer.step()
        measures = self.objective.measures(tuple(rows.detach() for rows in outputs), targets)
        extension = len(clips) / len(indices)  # what was made from a clip counts as one with it
        return {
            "loss": loss.detach() * len(indices),
            **{name: total / extension for name, total in measures.items()},
        }

    def _stop_if_diverged(self, losses: list[Tensor], rates: list[float]) -> None:
        """Raises UserError if a loss of the epoch, or what a checkpoint would keep, is not finite.

        losses, rates: of each step. Called once per epoch: each look waits for the device.
        """
        what, step = "the loss is", first_not_finite(losses)
        if step is None:
            state = [*self.model.state_dict().values(), *self.objective.state_dict().values()]
            if first_not_finite([x.sum() for x in state if isinstance(x, Tensor)]) is None:
                return
            what, step = "weights are", len(losses) - 1
        stream = self.job.stream.name
        raise UserError(
            f"{stream}: {what} not finite in epoch {self.epoch}, step {step + 1} of {len(losses)}, "
            f"at a learning rate of {rates[step]:.2g}; lower "
            f"{self.objective.lr_setting.format(stream=stream)} in params.yaml, raise train.warmup "
            "or set train.clip_grad"
        )

    def _progress(self, sums: dict[str, Tensor], seen: int) -> str:
        """Number, mean loss and mean measures of the current epoch, as text."""
        means = {name: float(total) / seen for name, total in sums.items()}
        words = [f"epoch {self.epoch + 1}/{self.job.train.epochs}", f"loss {means.pop('loss'):.3f}"]
        return ", ".join(words + [f"{name} {100 * mean:.1f} %" for name, mean in means.items()])

    def _validate(self) -> float:
        """Validation measure; keeps the weights unless an earlier epoch was better."""
        value = self.objective.validate(self.model, self.validation)
        if self.best is None or value >= self.best[0]:
            state = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
            self.best = value, state
        return value

    def result(self) -> Trained:
        """The network of the last epoch, or of the best epoch if there is a validation part.

        The network is on the CPU, in eval mode, with one output per class.
        """
        if self.best is not None:
            self.model.load_state_dict(self.best[1])
        self.objective.finish(self.model)
        return Trained(self.recipe, self.model.cpu().eval())

    def _batches(self) -> tuple[Tensor, ...]:
        """The epoch's clips in batches of equal size, up to one clip, and at most `batch_size`."""
        order = self.objective.order(self.epoch, self.order_generator)
        return order.tensor_split(math.ceil(len(order) / self.job.train.batch_size))

    def save(self, checkpoint: Path) -> None:
        """Writes the state of the training to a checkpoint, if the disk takes it."""
        content = {
            "epoch": self.epoch,
            "curve": self.curve,
            "model": self.model.state_dict(),
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order_generator": self.order_generator.get_state(),
            "augment_generator": self.augment_generator.get_state(),
            "best": self.best,
            "run": self.run,
        }
        self.is_kept = try_to_write(checkpoint, content, tells=self.is_kept)

    def restore(self, checkpoint: Path) -> None:
        """Restores the state that `save` wrote."""
        content = read_checkpoint(checkpoint)
        self.epoch, self.curve = content["epoch"], content["curve"]
        self.model.load_state_dict(content["model"])
        self.objective.load_state_dict(content["objective"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.order_generator.set_state(content["order_generator"])
        self.augment_generator.set_state(content["augment_generator"])
        self.best, self.run = content["best"], content["run"]


def first_not_finite(values: list[Tensor]) -> int | None:
    """The index of the first of some scalars on one device that is not finite; None: all are."""
    finite = torch.stack([value.float() for value in values]).isfinite()
    return None if finite.all() else int(finite.int().argmin())


def sgd(parameters: list[nn.Parameter], params: TrainParams) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum; the training sets the learning rate before each step."""
    return torch.optim.SGD(
        parameters,
        momentum=params.momentum,
        nesterov=params.momentum > 0,
        weight_decay=params.weight_decay,
        fused=True,
    )


def learning_rate(peak: float, progress: float, warmup: float) -> float:
    """The learning rate: it rises linearly to `peak`, then falls to 0 along half a cosine.

    progress: the completed share of the training; warmup: the share at which the peak is reached.
    """
    if progress < warmup:
        return peak * progress / warmup
    return peak * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
