"""Changes of a trained stream's classifier, cheap because its features stay. Method: section 10.

`classifier.kind` knows these names. Each function changes the linear head of a trained network in
place; letters: w_c weights of class c, n_c training clips of it, n all of them.
"""

import copy

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


def adjusted(
    trained: Trained, store: ClipStore, subset: Subset, params: ClassifierParams, seed: int
) -> Trained:
    """The stream with its classifier changed as `params` (any kind but none) say; on the CPU, in
    eval mode. `trained` stays as it is.

    subset and seed: those of the training, so that the validation part it held out is left out
    here too. Of a checkpoint's clips nothing is known: the subset stands for them.
    """
    shown, _ = hold_out(store, subset, trained.recipe.train.validation, seed)
    changed = Trained(trained.recipe, copy.deepcopy(trained.model))
    ADJUSTMENTS[params.kind](changed, store, shown, params.tau, seed)
    return changed


def logit_adjustment(
    trained: Trained, store: ClipStore, subset: Subset, tau: float, seed: int
) -> None:
    """z - tau log(n_c / n), in the bias. arXiv 2007.07314, after training."""
    counts = torch.from_numpy(subset.counts).double()
    with torch.no_grad():
        trained.model.cls_head.fc_cls.bias.sub_(tau * (counts / counts.sum()).log())


def tau_normalised(
    trained: Trained, store: ClipStore, subset: Subset, tau: float, seed: int
) -> None:
    """w_c / ||w_c||^tau; the bias is dropped, also where tau is 0. arXiv 1910.09217, section
    4.2."""
    linear = trained.model.cls_head.fc_cls
    with torch.no_grad():
        linear.weight /= linear.weight.norm(dim=1, keepdim=True) ** tau
        linear.bias.zero_()


def retrained(trained: Trained, store: ClipStore, subset: Subset, tau: float, seed: int) -> None:
    """Classifier re-training (cRT): a fresh head on features that stay, trained by cross-entropy
    with classes drawn equally often. arXiv 1910.09217, section 4.1.

    The features are computed once, in eval mode, of a few augmented views of each clip, which the
    paper draws anew each epoch.
    """
    device = best_device()
    model = trained.model.to(device).eval()
    features, labels = _features(trained, store, subset, seed)
    torch.manual_seed(seed)
    model.cls_head = Head(features.shape[1], len(subset.counts)).to(device)
    optimizer = torch.optim.SGD(
        model.cls_head.parameters(),
        lr=PEAK_LR,
        momentum=MOMENTUM,
        nesterov=True,
        weight_decay=WEIGHT_DECAY,
    )
    batches = _batches(labels.cpu(), torch.from_numpy(subset.counts), seed)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(batches))
    for places in batches:
        which = places.to(device)
        optimizer.zero_grad()
        F.cross_entropy(model.cls_head(features[which]), labels[which]).backward()
        optimizer.step()
        schedule.step()
    model.cpu().eval()


@torch.no_grad()
def _features(
    trained: Trained, store: ClipStore, subset: Subset, seed: int
) -> tuple[Tensor, Tensor]:
    """What the head takes, of VIEWS augmented views of each clip, (VIEWS n, C'); labels
    (VIEWS n,)."""
    device = best_device()
    recipe = trained.recipe
    inputs = recipe.inputs(store, subset.clips, device)
    generator = Generator(device).manual_seed(seed)
    places = torch.arange(len(inputs.clips), device=device).repeat(VIEWS)
    computed = []
    for which in progress(places.split(recipe.train.batch_size), "batches"):
        clips, present = inputs.train_batch(which, generator)
        with arithmetic(recipe.train.precision, device):
            computed.append(trained.model.clip_features(clips, present).float())
    return torch.cat(computed), inputs.clips.labels[places]


def _batches(labels: Tensor, counts: Tensor, seed: int) -> list[Tensor]:
    """The places in `labels` that each step shows."""
    generator = Generator().manual_seed(seed)
    return [
        batch
        for _ in range(EPOCHS)
        for batch in class_balanced(labels, counts, generator, 0.0).split(BATCH_SIZE)
    ]


ADJUSTMENTS = {
    "logit_adjustment": logit_adjustment,
    "tau_normalised": tau_normalised,
    "retrained": retrained,
}
