"""Losses and class weights of the methods, and the schedule by which they set in.

`method.loss` in params.yaml names a row of LOSSES, `method.class_weights` one of CLASS_WEIGHTS.
Letters: z logits, y label, n_c training clips of class c, n all training clips, C classes.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from brl.balance.rare import rare_classes
from brl.config.params import MethodParams
from brl.models.common.network import CosineHead
from brl.training.mixing import Targets

ClipLoss = Callable[[Tensor, Tensor], Tensor]  # logits (N, C), labels (N,) -> losses (N,)
ClassWeights = Callable[[Tensor], Tensor]  # training clips per class (C,) -> weights (C,) float64
Reduction = Callable[[ClipLoss, Tensor, Tensor, Targets], Tensor]

FOCAL_GAMMA = 2.0
LDAM_LARGEST_MARGIN = 0.5
EQUALISATION_GAMMA = 1.76e-3
CLASS_BALANCED_BETA = 0.999
ACTION_AWARE_BETA, ACTION_AWARE_RANGE = 0.99, 0.0099


class MakeLoss(Protocol):
    """Makes the loss of a training; counts (C,) int64: training clips per class."""

    def __call__(self, counts: Tensor, method: MethodParams, /) -> ClipLoss:
        """A function from logits (N, C) and labels (N,) to losses (N,)."""


def cross_entropy(_counts: Tensor, _method: MethodParams) -> ClipLoss:
    """Cross-entropy: -log softmax(z)_y."""
    return lambda logits, labels: F.cross_entropy(logits, labels, reduction="none")


def focal(_counts: Tensor, _method: MethodParams) -> ClipLoss:
    """Focal loss, arXiv 1708.02002: (1 - p_y)^2 (-log p_y), p = softmax(z)."""

    def of_clips(logits: Tensor, labels: Tensor) -> Tensor:
        plain = F.cross_entropy(logits, labels, reduction="none")
        return (1 - torch.exp(-plain)) ** FOCAL_GAMMA * plain

    return of_clips


def ldam(counts: Tensor, _method: MethodParams) -> ClipLoss:
    """LDAM, arXiv 1906.07413, eq. 13: cross-entropy after z_y is lowered by s m_y.

    The margin m_c is proportional to n_c^(-1/4), and the largest one is 0.5. Logits are cosines
    times s = 30, as `model.head: cosine` computes them.
    """
    margins = counts.double() ** -0.25
    margins *= LDAM_LARGEST_MARGIN / margins.max()
    lowered = torch.diag(CosineHead.SCALE * margins).float()
    return lambda logits, labels: F.cross_entropy(
        logits - lowered[labels], labels, reduction="none"
    )


def balanced_softmax(counts: Tensor, _method: MethodParams) -> ClipLoss:
    """Balanced softmax, arXiv 2007.10740: cross-entropy of z + log n_c."""
    return _shifted(counts.double().log())


def logit_adjustment(counts: Tensor, method: MethodParams) -> ClipLoss:
    """Logit adjustment in training, arXiv 2007.07314: cross-entropy of z + tau log(n_c / n).

    With tau = 1 it equals balanced softmax.
    """
    return _shifted(method.tau * (counts.double() / counts.sum()).log())


def equalisation(counts: Tensor, _method: MethodParams) -> ClipLoss:
    """Softmax equalisation loss, arXiv 2003.05176.

    In the denominator of the softmax, the rarest third of the classes is weighted by
    gamma = 1.76e-3, unless such a class is the label: clips of other classes hardly push it down.
    The paper ignores such a class at random; the weight is the probability that it is kept. The
    released code of BRL does the opposite: it always keeps the rare classes and ignores the others,
    among which it counts class 2 floor(C / 3).
    """
    log_weights = torch.zeros(len(counts), device=counts.device)
    log_weights[rare_classes(counts)] = torch.tensor(EQUALISATION_GAMMA).log()
    shifts = log_weights * (1 - torch.eye(len(counts), device=counts.device))
    return lambda logits, labels: F.cross_entropy(logits + shifts[labels], labels, reduction="none")


def _shifted(shift: Tensor) -> ClipLoss:
    """Cross-entropy of logits plus a shift (C,)."""
    shift = shift.float()
    return lambda logits, labels: F.cross_entropy(logits + shift, labels, reduction="none")


LOSSES: dict[str, MakeLoss] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "ldam": ldam,
    "balanced_softmax": balanced_softmax,
    "logit_adjustment": logit_adjustment,
    "equalisation": equalisation,
}


def equal(counts: Tensor) -> Tensor:
    """Weight 1 for all classes."""
    return torch.ones(len(counts), dtype=torch.float64, device=counts.device)


def inverse_frequency(counts: Tensor) -> Tensor:
    """Inverse frequency: n / n_c."""
    return counts.sum() / counts.double()


def class_balanced(counts: Tensor) -> Tensor:
    """Effective number of samples, arXiv 1901.05555, eq. 10: (1 - beta) / (1 - beta^n_c).

    beta = 0.999; the weights are scaled to a sum of C.
    """
    return _effective(torch.full_like(counts, CLASS_BALANCED_BETA, dtype=torch.float64), counts)


def action_aware(counts: Tensor) -> Tensor:
    """Detached action-aware weights of BRL, arXiv 2308.14024: (1 - beta_c) / (1 - beta_c^n_c).

    beta_c grows linearly with n_c, from 0.99 for the rarest class to 0.9999 for the most frequent
    one. The weights are scaled to a sum of C.
    """
    return _effective(_action_aware_beta(counts), counts)


def action_aware_overwritten(counts: Tensor) -> Tensor:
    """Action-aware weights with 1 - beta_c in place of beta_c: nearly one for all classes.

    The released code of BRL replaces beta_c by 1 - beta_c whenever it computes the weights, once
    per epoch. So its weights act in every second epoch only.
    """
    return _effective(1 - _action_aware_beta(counts), counts)


def _action_aware_beta(counts: Tensor) -> Tensor:
    extent = (counts.max() - counts.min()).clamp(min=1)
    return ACTION_AWARE_BETA + ACTION_AWARE_RANGE * (counts - counts.min()).double() / extent


def _effective(beta: Tensor, counts: Tensor) -> Tensor:
    """(1 - beta) / (1 - beta^n_c), scaled to a sum of C."""
    weights = (1 - beta) / (1 - beta**counts)
    return weights * (len(counts) / weights.sum())


CLASS_WEIGHTS: dict[str, ClassWeights] = {
    "none": equal,
    "inverse_frequency": inverse_frequency,
    "class_balanced": class_balanced,
    "action_aware": action_aware,
    "action_aware_published": action_aware,
}
# The class weights of every second epoch after the first one, where they differ.
EVERY_SECOND_EPOCH: dict[str, ClassWeights] = {"action_aware_published": action_aware_overwritten}


class Criterion:
    """The loss of a batch in each epoch.

    `method.schedule` states when the method's loss replaces cross-entropy, and when its class
    weights replace equal weights. counts (C,): training clips per class.
    """

    def __init__(self, method: MethodParams, counts: Tensor, epochs: int) -> None:
        self.loss_from = round(method.schedule.loss * epochs)
        self.weights_from = round(method.schedule.class_weights * epochs)
        self._plain = cross_entropy(counts, method)
        self._loss = LOSSES[method.loss](counts, method)
        self._ones = equal(counts).float()
        first = CLASS_WEIGHTS[method.class_weights]
        second = EVERY_SECOND_EPOCH.get(method.class_weights, first)
        self._weights = first(counts).float(), second(counts).float()
        self._reduce = REDUCTIONS.get(method.mix, weighted_mean)

    def __call__(self, logits: Tensor, targets: Targets, epoch: int) -> Tensor:
        """Loss (a scalar) of logits (N, C) in an epoch, counted from 0."""
        clip_loss = self._loss if epoch >= self.loss_from else self._plain
        return self._reduce(clip_loss, self.class_weights(epoch), logits, targets)

    def class_weights(self, epoch: int) -> Tensor:
        """The class weights (C,) in an epoch, counted from 0."""
        if epoch < self.weights_from:
            return self._ones
        return self._weights[(epoch - self.weights_from) % 2]


def weighted_mean(clip_loss: ClipLoss, weights: Tensor, logits: Tensor, targets: Targets) -> Tensor:
    """Mean over clips and labels, weighted by the class and by the label's share of the clip.

    Clip i counts with lambda_i for its own label and with 1 - lambda_i for its partner's label.
    weights (C,), logits (N, C); returns a scalar.
    """
    labels, partners, share = targets
    own, others = share * weights[labels], (1 - share) * weights[partners]
    total = (own * clip_loss(logits, labels)).sum()
    if partners is not labels:
        total = total + (others * clip_loss(logits, partners)).sum()
    return total / (own.sum() + others.sum())


def sum_of_means(clip_loss: ClipLoss, weights: Tensor, logits: Tensor, targets: Targets) -> Tensor:
    """Sum lambda L(y_i) + (1 - lambda) L(y_j), as in the released code of BRL.

    L is a weighted mean over the batch, and lambda is the same for all its clips. weights (C,),
    logits (N, C); returns a scalar.
    """
    labels, partners, share = targets

    def mean(labels: Tensor) -> Tensor:
        return (weights[labels] * clip_loss(logits, labels)).sum() / weights[labels].sum()

    return share[0] * mean(labels) + (1 - share[0]) * mean(partners)


def sum_of_halves(clip_loss: ClipLoss, weights: Tensor, logits: Tensor, targets: Targets) -> Tensor:
    """Sum of `weighted_mean` over the clean clips and over the mixed ones after them.

    weights (C,), logits (2N, C); returns a scalar. Source: Shap-Mix, arXiv 2407.12312.
    """
    clean, mixed = (
        weighted_mean(clip_loss, weights, rows[0], Targets(*rows[1:]))
        for rows in zip(*(each.chunk(2) for each in (logits, *targets)), strict=True)
    )
    return clean + mixed


# How the losses of the clips become one, by `method.mix`; elsewhere by `weighted_mean`.
REDUCTIONS: dict[str, Reduction] = {
    "partial_published": sum_of_means,
    "shap": sum_of_halves,
}
