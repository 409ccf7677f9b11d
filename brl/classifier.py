"""Adjusts the classifier of a trained stream; the backbone does not change.

`classifier.kind` in params.yaml names a row of ADJUSTMENTS. Letters: w_c weights of class c in the
linear head, n_c its training clips, n all training clips.
"""

import copy
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from brl.balance.holdout import hold_out
from brl.balance.samplers import class_balanced
from brl.clips.store import ClipStore
from brl.config.params import ClassifierParams
from brl.models.common.network import Head
from brl.streams.device import arithmetic, best_device
from brl.streams.weights import Trained
from brl.subset.subset import Subset
from brl.support.progress import progress

# Settings of classifier re-training. Mean class accuracy on the built-in dataset, three seeds: one
# view 78.8 %, four views 81.1 %, eight views 81.9 % in twice the time. The learning rate has little
# effect.
VIEWS = 4
EPOCHS = 10  # the paper only says "a small number"
BATCH_SIZE = 64
PEAK_LR, MOMENTUM, WEIGHT_DECAY = 0.1, 0.9, 5e-4


@dataclass(frozen=True)
class TrainingPart:
    """The clips (without held-out ones) and the seed of a stream's training."""

    store: ClipStore
    subset: Subset
    seed: int


class Adjustment(Protocol):
    """Changes the linear head of a trained network in place; tau: `classifier.tau`."""

    def __call__(self, trained: Trained, part: TrainingPart, tau: float, /) -> None:
        """Changes `trained` in place."""


def adjusted(
    trained: Trained, store: ClipStore, subset: Subset, params: ClassifierParams, seed: int
) -> Trained:
    """A copy of the stream with an adjusted classifier, on the CPU, in eval mode.

    params: any kind except `none`. subset and seed are those of the training, so that the same
    validation part is held out. The training clips of a published checkpoint are unknown: the
    subset is used in their place.
    """
    training, _ = hold_out(store, subset, trained.recipe.train.validation, seed)
    copied = Trained(trained.recipe, copy.deepcopy(trained.model))
    ADJUSTMENTS[params.kind](copied, TrainingPart(store, training, seed), params.tau)
    return copied


def logit_adjustment(trained: Trained, part: TrainingPart, tau: float) -> None:
    """Post-hoc logit adjustment, arXiv 2007.07314, section 3: bias minus tau log(n_c / n)."""
    counts = torch.from_numpy(part.subset.counts).double()
    with torch.no_grad():
        trained.model.cls_head.fc_cls.bias.sub_(tau * (counts / counts.sum()).log())


def tau_normalised(trained: Trained, _part: TrainingPart, tau: float) -> None:
    """tau-normalised classifier, arXiv 1910.09217, section 4.2: w_c / ||w_c||^tau.

    The bias becomes zero, also if tau is 0.
    """
    linear = trained.model.cls_head.fc_cls
    with torch.no_grad():
        linear.weight /= linear.weight.norm(dim=1, keepdim=True) ** tau
        linear.bias.zero_()


def retrained(trained: Trained, part: TrainingPart, _tau: float) -> None:
    """Classifier re-training (cRT): arXiv 1910.09217, section 4.1.

    A new head is trained with cross-entropy on fixed features; classes are drawn equally often.
    The features of a few augmented views of each clip are computed once, in eval mode; the paper
    augments anew in each epoch.
    """
    device = best_device()
    model = trained.model.to(device).eval()
    features, labels = _features(trained, part)
    counts = torch.from_numpy(part.subset.counts)
    torch.manual_seed(part.seed)
    model.cls_head = Head(features.shape[1], len(counts)).to(device)
    optimizer = torch.optim.SGD(
        model.cls_head.parameters(),
        lr=PEAK_LR,
        momentum=MOMENTUM,
        nesterov=True,
        weight_decay=WEIGHT_DECAY,
    )
    batches = _batches(labels.cpu(), counts, part.seed)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
    for batch in batches:
        indices = batch.to(device)
        optimizer.zero_grad()
        F.cross_entropy(model.cls_head(features[indices]), labels[indices]).backward()
        optimizer.step()
        schedule.step()
    model.cpu().eval()


@torch.no_grad()
def _features(trained: Trained, part: TrainingPart) -> tuple[Tensor, Tensor]:
    """Features (VIEWS n, C') and labels (VIEWS n,) of VIEWS augmented views of n clips."""
    device = best_device()
    recipe = trained.recipe
    inputs = recipe.inputs(part.store, part.subset.clips, device)
    generator = Generator(device).manual_seed(part.seed)
    views = torch.arange(len(inputs)).repeat(VIEWS)
    features = []
    for indices in progress(views.split(recipe.train.batch_size), "batches"):
        clips, present = inputs.train_batch(indices, generator)
        with arithmetic(recipe.train.precision, device):
            features.append(trained.model.clip_features(clips, present).float())
    return torch.cat(features), inputs.labels[views].to(device)


def _batches(labels: Tensor, counts: Tensor, seed: int) -> list[Tensor]:
    """Indices of the clips of each optimizer step; labels (n,)."""
    generator = Generator().manual_seed(seed)
    return [
        batch
        for _ in range(EPOCHS)
        for batch in class_balanced(labels, counts, generator, 0.0).split(BATCH_SIZE)
    ]


ADJUSTMENTS: dict[str, Adjustment] = {
    "logit_adjustment": logit_adjustment,
    "tau_normalised": tau_normalised,
    "retrained": retrained,
}
