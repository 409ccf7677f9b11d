"""Changes of a trained stream's classifier, cheap because its features stay.

`classifier.kind` in params.yaml names a function here. Each changes the linear head of a trained
network in place. Letters: w_c weights of class c, n_c its training clips, n all training clips.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

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

# Of classifier re-training. On the built-in dataset, mean over classes, three seeds: one view gives
# 78.8 %, four 81.1 %, eight 81.9 % for twice the time; the learning rate hardly matters.
VIEWS = 4
EPOCHS = 10  # the paper: a small number
BATCH_SIZE = 64
PEAK_LR, MOMENTUM, WEIGHT_DECAY = 0.1, 0.9, 5e-4


@dataclass(frozen=True)
class TrainingPart:
    """The clips that a stream was trained on, and the seed of its training."""

    store: ClipStore
    subset: Subset
    seed: int


Adjustment = Callable[[Trained, TrainingPart, float], None]


def adjusted(
    trained: Trained, store: ClipStore, subset: Subset, params: ClassifierParams, seed: int
) -> Trained:
    """The stream with another classifier, on the CPU, in eval mode; `trained` does not change.

    params: any kind but none. subset and seed: those of the training, so that the validation part
    that was held out is left out here too. Nothing is known of the clips of a published
    checkpoint: the subset stands for them.
    """
    shown, _ = hold_out(store, subset, trained.recipe.train.validation, seed)
    changed = Trained(trained.recipe, copy.deepcopy(trained.model))
    ADJUSTMENTS[params.kind](changed, TrainingPart(store, shown, seed), params.tau)
    return changed


def logit_adjustment(trained: Trained, part: TrainingPart, tau: float) -> None:
    """Takes tau log(n_c / n) from the bias: arXiv 2007.07314, section 3 (post-hoc)."""
    counts = torch.from_numpy(part.subset.counts).double()
    with torch.no_grad():
        trained.model.cls_head.fc_cls.bias.sub_(tau * (counts / counts.sum()).log())


def tau_normalised(trained: Trained, part: TrainingPart, tau: float) -> None:
    """Divides w_c by ||w_c||^tau: arXiv 1910.09217, section 4.2.

    The bias is dropped, also where tau is 0.
    """
    linear = trained.model.cls_head.fc_cls
    with torch.no_grad():
        linear.weight /= linear.weight.norm(dim=1, keepdim=True) ** tau
        linear.bias.zero_()


def retrained(trained: Trained, part: TrainingPart, tau: float) -> None:
    """Classifier re-training (cRT): arXiv 1910.09217, section 4.1.

    A fresh head is trained by cross-entropy on features that stay, with classes drawn equally
    often. The features are computed once, in eval mode, of a few augmented views of each clip;
    the paper draws them anew in each epoch.
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
    """Features (VIEWS n, C') and labels (VIEWS n,) of VIEWS augmented views of each clip."""
    device = best_device()
    recipe = trained.recipe
    inputs = recipe.inputs(part.store, part.subset.clips, device)
    generator = Generator(device).manual_seed(part.seed)
    views = torch.arange(len(inputs), device=device).repeat(VIEWS)
    computed = []
    for indices in progress(views.split(recipe.train.batch_size), "batches"):
        clips, present = inputs.train_batch(indices, generator)
        with arithmetic(recipe.train.precision, device):
            computed.append(trained.model.clip_features(clips, present).float())
    return torch.cat(computed), inputs.labels[views]


def _batches(labels: Tensor, counts: Tensor, seed: int) -> list[Tensor]:
    """The clips of each step, as indices into labels (n,)."""
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
