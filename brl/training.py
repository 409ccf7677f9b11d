"""Training of one stream. Method: section 6."""

import math
import pickle
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Generator, Tensor

from brl.data.batch import Clips
from brl.data.store import ClipStore
from brl.data.subset import Subset
from brl.device import arithmetic, best_device, keep_freed_memory
from brl.distributed import is_first, of_whole_batch, own_part, sum_gradients, wait_for_all
from brl.errors import UserError
from brl.files import written_whole
from brl.inputs import Inputs
from brl.losses import LOSSES
from brl.params import MethodParams, ModelParams, TrainParams
from brl.progress import FractionBar, fraction_bar
from brl.samplers import SAMPLERS
from brl.streams import STREAMS
from brl.weights import Recipe, Trained

CurveRow = dict[str, float]


@dataclass(frozen=True)
class Job:
    """What to train: everything but the data that decides the result.

    lr is the stream's own peak learning rate.
    """

    stream: str
    seed: int
    lr: float
    model: ModelParams
    method: MethodParams
    train: TrainParams


def train_stream(
    job: Job,
    store: ClipStore,
    subset: Subset,
    checkpoint: Path,
    on_epoch: Callable[[CurveRow], None] = lambda row: None,
) -> tuple[Trained, list[CurveRow]]:
    """Trains one stream on a subset; goes on from `checkpoint` where that file exists.

    After each epoch the checkpoint is replaced and `on_epoch` called with the epoch's `epoch`
    (from 1), `loss`, `accuracy` (of the training batches, in %) and `lr`; first with those of the
    epochs before, which a program that was killed may not have told. Returns the network on
    the CPU, in eval mode, and the whole curve. Raises UserError when the loss diverges. In several
    processes each calls it, and the first alone writes the checkpoint, which any number goes on
    from.
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
    return Trained(training.recipe, training.model.cpu().eval()), training.curve


class Training:
    """One stream's training between two epochs: network, optimizer, random generators, curve."""

    def __init__(self, job: Job, store: ClipStore, subset: Subset) -> None:
        keep_freed_memory()
        self.job = job
        self.device = best_device()
        self.inputs = Inputs(
            Clips(store, subset.clips, self.device), STREAMS[job.stream], job.train
        )
        self.counts = torch.tensor(subset.counts)
        self.recipe = Recipe.on(store, stream=job.stream, model=job.model, train=job.train)
        torch.manual_seed(job.seed)
        self.model = self.recipe.build().to(self.device)
        self.optimizer = sgd(self.model, job.train)
        # The order of clips is drawn on the CPU, what happens to them on the device.
        self.order_generator = Generator().manual_seed(job.seed)
        self.augment_generator = Generator(self.device).manual_seed(job.seed)
        self.epoch = 0
        self.curve: list[CurveRow] = []

    def run_epoch(self, bar: FractionBar) -> CurveRow:
        """Trains one epoch and adds its row to the curve."""
        params, labels = self.job.train, self.inputs.clips.labels
        loss_of = LOSSES[self.job.method.loss]
        batches = self._batches()
        self.model.train()
        total_loss, correct = torch.zeros(2, device=self.device).unbind()
        seen, started = 0, time.monotonic()
        for step, places in enumerate(batches):
            lr = cosine_lr(self.job.lr, (self.epoch + step / len(batches)) / params.epochs)
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            which = places.to(self.device)
            part = own_part(len(which))
            clips, present = self.inputs.train_batch(which, self.augment_generator, part)
            with arithmetic(params.precision, self.device):
                own_logits = self.model(clips, present).float()
            logits = of_whole_batch(own_logits, len(which))
            loss = loss_of(logits, labels[which])
            self.optimizer.zero_grad()
            loss.backward()
            sum_gradients(self.model.parameters())
            self.optimizer.step()
            seen += len(which)
            total_loss += loss.detach() * len(which)
            correct += (logits.detach().argmax(1) == labels[which]).sum()
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
        self.curve.append(row)
        return row

    def _batches(self) -> tuple[Tensor, ...]:
        """The epoch's clips in equal batches of at most `batch_size`: none is left over."""
        draw = SAMPLERS[self.job.method.sampler]
        labels = self.inputs.clips.labels.cpu()
        passes = [
            draw(labels, self.counts, self.order_generator) for _ in range(self.job.train.passes)
        ]
        order = torch.cat(passes)
        return order.tensor_split(math.ceil(len(order) / self.job.train.batch_size))

    def save(self, checkpoint: Path) -> None:
        """Writes all that the rest of the training depends on."""
        content = {
            "epoch": self.epoch,
            "curve": self.curve,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order_generator": self.order_generator.get_state(),
            "augment_generator": self.augment_generator.get_state(),
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
