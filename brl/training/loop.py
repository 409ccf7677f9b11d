"""Training of one stream. Method: section 6."""

import math
import pickle
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.metrics import balanced_accuracy_score
from torch import Generator, Tensor

from brl.balance.holdout import hold_out
from brl.balance.samplers import SAMPLERS
from brl.clips.layout import Layout
from brl.clips.store import ClipStore
from brl.config.params import (
    MethodParams,
    ModelParams,
    Params,
    PredictParams,
    StreamName,
    TrainParams,
)
from brl.prediction import probabilities
from brl.streams.device import arithmetic, best_device, keep_freed_memory
from brl.streams.weights import Recipe, Trained
from brl.subset.subset import Subset
from brl.support.errors import UserError
from brl.support.files import written_whole
from brl.support.progress import FractionBar, fraction_bar
from brl.training.distributed import is_first, of_whole_batch, own_part, sum_gradients, wait_for_all
from brl.training.losses import Criterion
from brl.training.mixing import MIXES, Batch, Targets, draw_pairs, unmixed

CurveRow = dict[str, float]


@dataclass(frozen=True)
class Job:
    """What to train: everything but the data that decides the result.

    lr is the stream's own peak learning rate, hops how far its offsets reach.
    """

    stream: str
    hops: int
    seed: int
    lr: float
    model: ModelParams
    method: MethodParams
    train: TrainParams

    @classmethod
    def of(cls, params: Params, stream: StreamName) -> "Job":
        """What the parameters say of a stream."""
        chosen = params.streams[stream]
        return cls(
            stream=stream,
            hops=chosen.hops,
            seed=params.seed,
            lr=chosen.lr or params.train.lr,
            model=params.model,
            method=params.method,
            train=params.train,
        )


def train_stream(
    job: Job,
    store: ClipStore,
    subset: Subset,
    checkpoint: Path,
    on_epoch: Callable[[CurveRow], None] = lambda row: None,
) -> tuple[Trained, list[CurveRow]]:
    """Trains one stream on a subset; goes on from `checkpoint` where that file exists.

    After each epoch the checkpoint is replaced and `on_epoch` called with the epoch's `epoch`
    (from 1), `loss`, `accuracy` (of the training batches, in %), `lr`, and with a validation part
    `validation` (its mean class accuracy in %); first with those of the epochs before, which a
    program that was killed may not have told. Returns the network as the last epoch left it, or
    with a validation part as the best one did, on the CPU, in eval mode; and the whole curve.
    Raises UserError when the loss diverges. In several processes each calls it, and the first
    alone writes the checkpoint, which any number goes on from.
    """
    training = Training(job, store, subset)
    if checkpoint.exists():
        try:
            training.restore(checkpoint)
        except (RuntimeError, EOFError, KeyError, pickle.UnpicklingError):
            print(f"{checkpoint}: unreadable; {job.stream} starts afresh", file=sys.stderr)
            training = Training(job, store, subset)
    wait_for_all()  # No process replaces the checkpoint before all have read it.
    for row in training.curve:
        on_epoch(row)
    with fraction_bar(job.stream) as bar:
        while training.epoch < job.train.epochs:
            row = training.run_epoch(bar)
            if is_first():
                training.save(checkpoint)
            on_epoch(row)
    return training.result(), training.curve


class Training:
    """One stream's training between two epochs: network, optimizer, random generators, curve."""

    def __init__(self, job: Job, store: ClipStore, subset: Subset) -> None:
        keep_freed_memory()
        self.job = job
        self.device = best_device()
        self.recipe = Recipe.on(
            store, stream=job.stream, hops=job.hops, model=job.model, train=job.train
        )
        check_halves(job.method, store.layout)
        trained, held_out = hold_out(store, subset, job.train.validation, job.seed)
        self.inputs = self.recipe.inputs(store, trained.clips, self.device)
        self.validation = self.recipe.inputs(store, held_out.clips, self.device)
        self.counts = torch.tensor(trained.counts)
        # Clips that are played backwards and are told apart: class c backwards is class C + c.
        self.directions = 2 if job.method.reverse == "aware" else 1
        self.output_counts = self.counts.repeat(self.directions).to(self.device)
        self.criterion = Criterion(job.method, self.output_counts, job.train.epochs)
        torch.manual_seed(job.seed)
        self.model = self.recipe.build(self.directions).to(self.device)
        self.optimizer = sgd(self.model, job.train)
        # The order of clips is drawn on the CPU, what happens to them on the device.
        self.order_generator = Generator().manual_seed(job.seed)
        self.augment_generator = Generator(self.device).manual_seed(job.seed)
        self.epoch = 0
        self.curve: list[CurveRow] = []
        self.best: tuple[float, dict[str, Tensor]] | None = None

    def run_epoch(self, bar: FractionBar) -> CurveRow:
        """Trains one epoch and adds its row to the curve."""
        params = self.job.train
        batches = self._batches()
        self.model.train()
        total_loss, correct = torch.zeros(2, device=self.device).unbind()
        seen, started = 0, time.monotonic()
        for step, places in enumerate(batches):
            lr = cosine_lr(self.job.lr, (self.epoch + step / len(batches)) / params.epochs)
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            clips, present, targets = self._batch(places.to(self.device))
            part = own_part(len(clips))
            with arithmetic(params.precision, self.device):
                own_logits = self.model(clips[part], present[part]).float()
            logits = of_whole_batch(own_logits, len(clips))
            loss = self.criterion(logits, targets, self.epoch)
            self.optimizer.zero_grad()
            loss.backward()
            sum_gradients(self.model.parameters())
            self.optimizer.step()
            seen += len(clips)
            total_loss += loss.detach() * len(clips)
            correct += hits(logits.detach(), targets)
            if bar.due():
                bar.show(
                    (self.epoch + (step + 1) / len(batches)) / params.epochs,
                    f"epoch {self.epoch + 1}/{params.epochs}, loss {total_loss / seen:.3f}, "
                    f"accuracy {100 * correct / seen:.1f} %, "
                    f"{seen / (time.monotonic() - started):.0f} clips/s",
                )
        self.epoch += 1
        if not torch.isfinite(total_loss):
            raise UserError(
                f"{self.job.stream}: the loss is no finite number in epoch {self.epoch}; "
                f"lower train.lr or streams.{self.job.stream}.lr in params.yaml"
            )
        row = {
            "epoch": self.epoch,
            "loss": round(float(total_loss) / seen, 6),
            "accuracy": round(100 * float(correct) / seen, 4),
            "lr": lr,
        }
        if len(self.validation.clips):
            row["validation"] = self._validate()
        self.curve.append(row)
        return row

    def _batch(self, which: Tensor) -> Batch:
        """Clips (N,) as the method shows them. Every process makes the whole batch: that is
        quick, and partners may be anybody's."""
        method, generator = self.job.method, self.augment_generator
        labels, backwards = self.inputs.clips.labels[which], None
        if method.reverse != "none":
            draws = torch.rand(len(which), device=self.device, generator=generator)
            backwards = draws < method.reverse_share
            if method.reverse == "aware":
                labels = labels + len(self.counts) * backwards
        clips, present = self.inputs.train_batch(which, generator, backwards)
        batch = unmixed(clips, present, labels)
        if method.mix == "none":
            return batch
        pairs = draw_pairs(len(which), method.mix_share, generator)
        layout = self.recipe.layout
        return MIXES[method.mix](batch, pairs, self.output_counts, layout, generator)

    def _validate(self) -> float:
        """Mean class accuracy of the validation part in %; keeps the weights where none before
        was better."""
        views = PredictParams(num_clips=1, batch_size=64, precision=self.job.train.precision)
        classes = self.recipe.classes
        scores = probabilities(self.model, self.validation, views, len(classes))
        labels = self.validation.clips.labels.cpu().numpy()
        accuracy = round(100 * balanced_accuracy_score(labels, scores.argmax(axis=1)), 4)
        if self.best is None or accuracy >= self.best[0]:
            state = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
            self.best = accuracy, state
        return accuracy

    def result(self) -> Trained:
        """The network of the last epoch, or of the best validation where there is one; on the
        CPU, in eval mode, with an output a class."""
        if self.best is not None:
            self.model.load_state_dict(self.best[1])
        self.model.cls_head.keep(len(self.recipe.classes))
        return Trained(self.recipe, self.model.cpu().eval())

    def _batches(self) -> tuple[Tensor, ...]:
        """The epoch's clips in equal batches of at most `batch_size`: none is left over."""
        params, draw = self.job.train, SAMPLERS[self.job.method.sampler]
        labels = self.inputs.clips.labels.cpu()
        total = params.epochs * params.passes
        first = self.epoch * params.passes
        passes = [
            draw(labels, self.counts, self.order_generator, (first + number) / max(total - 1, 1))
            for number in range(params.passes)
        ]
        order = torch.cat(passes)
        return order.tensor_split(math.ceil(len(order) / params.batch_size))

    def save(self, checkpoint: Path) -> None:
        """Writes all that the rest of the training depends on."""
        content = {
            "epoch": self.epoch,
            "curve": self.curve,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order_generator": self.order_generator.get_state(),
            "augment_generator": self.augment_generator.get_state(),
            "best": self.best,
        }
        with written_whole(checkpoint) as unfinished:
            torch.save(content, unfinished)

    def restore(self, checkpoint: Path) -> None:
        """Takes up the state that `save` wrote."""
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        self.epoch, self.curve = content["epoch"], content["curve"]
        self.model.load_state_dict(content["model"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.order_generator.set_state(content["order_generator"])
        self.augment_generator.set_state(content["augment_generator"])
        self.best = content["best"]


def check_halves(method: MethodParams, layout: Layout) -> None:
    """UserError where halves of a body are to be mixed and the layout knows only one."""
    upper = len(layout.upper_body)
    if method.mix.startswith("partial") and upper in (0, layout.num_joints):
        raise UserError(
            f"params.yaml: method.mix: {method.mix} mixes upper and lower bodies; the upper body "
            f"of this layout has {upper} of {layout.num_joints} joints, must have some of them"
        )


def hits(logits: Tensor, targets: Targets) -> Tensor:
    """How many of the clips are recognised, a mixed one by its labels' shares."""
    found = logits.argmax(1)
    labels, partners, share = targets
    return (share * (found == labels) + (1 - share) * (found == partners)).sum()


def sgd(model: torch.nn.Module, params: TrainParams) -> torch.optim.Optimizer:
    """The optimizer of all trainings; the learning rate is set before each step."""
    return torch.optim.SGD(
        model.parameters(),
        lr=params.lr,
        momentum=params.momentum,
        nesterov=params.momentum > 0,
        weight_decay=params.weight_decay,
        fused=True,
    )


def cosine_lr(peak: float, passed: float) -> float:
    """Learning rate when the share `passed` (0 to 1) of a training is over: half a cosine."""
    return peak * (1 + math.cos(math.pi * passed)) / 2
