"""Losses of clips, weights of classes, and when each sets in. Method: sections 5 and 10.

`method.loss` and `method.class_weights` know these names. Letters: z logits, y labels, n_c training
clips of class c, n all of them.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from brl.balance.rare import rare_classes
from brl.config.params import MethodParams
from brl.models.common.network import CosineHead
from brl.training.mixing import Targets

EachLoss = Callable[[Tensor, Tensor], Tensor]  # logits (N, C), labels (N,) -> losses (N,)

FOCAL_GAMMA = 2.0
LDAM_LARGEST_MARGIN = 0.5
EQUALISATION_GAMMA = 1.76e-3
CLASS_BALANCED_BETA = 0.999
ACTION_AWARE_BETA, ACTION_AWARE_RANGE = 0.99, 0.0099


def cross_entropy(counts: Tensor, method: MethodParams) -> EachLoss:
    """-log softmax(z)_y."""
    return lambda logits, labels: F.cross_entropy(logits, labels, reduction="none")


def focal(counts: Tensor, method: MethodParams) -> EachLoss:
    """(1 - p_y)^2 (-log p_y): clips that are recognised already count less. arXiv 1708.02002."""

    def of_clips(logits: Tensor, labels: Tensor) -> Tensor:
        plain = F.cross_entropy(logits, labels, reduction="none")
        return (1 - torch.exp(-plain)) ** FOCAL_GAMMA * plain

    return of_clips


def ldam(counts: Tensor, method: MethodParams) -> EachLoss:
    """Label-distribution-aware margin, arXiv 1906.07413, eq. 13: with logits z = s cos, the
    label's is made smaller by s m_y, m_c proportional to n_c^(-1/4) and at most 0.5, s = 30.

    Cosines times s come from `model.head: cosine`.
    """
    margins = counts.double() ** -0.25
    margins *= LDAM_LARGEST_MARGIN / margins.max()
    lowered = torch.diag(CosineHead.SCALE * margins).float()
    return lambda logits, labels: F.cross_entropy(
        logits - lowered[labels], labels, reduction="none"
    )


def balanced_softmax(counts: Tensor, method: MethodParams) -> EachLoss:
    """Cross-entropy of z + log n_c. arXiv 2007.10740."""
    return _shifted(counts.double().log())


def logit_adjustment(counts: Tensor, method: MethodParams) -> EachLoss:
    """Cross-entropy of z + tau log(n_c / n). arXiv 2007.07314; the same as balanced softmax where
    tau is one."""
    return _shifted(method.tau * (counts.double() / counts.sum()).log())


def equalisation(counts: Tensor, method: MethodParams) -> EachLoss:
    """Softmax equalisation loss, arXiv 2003.05176: a rare class is hardly a negative for the
    clips of others, so that these do not push it down.

    The rarest third of the classes weighs gamma = 1.76e-3 in a softmax's denominator: what the
    published baseline, which leaves them out but with that probability, does on average.
    """
    weights = torch.zeros(len(counts), device=counts.device)
    weights[rare_classes(counts)] = torch.tensor(EQUALISATION_GAMMA).log()
    as_negatives = weights * (1 - torch.eye(len(counts), device=counts.device))
    return lambda logits, labels: F.cross_entropy(
        logits + as_negatives[labels], labels, reduction="none"
    )


def _shifted(shift: Tensor) -> EachLoss:
    added = shift.float()
    return lambda logits, labels: F.cross_entropy(logits + added, labels, reduction="none")


LOSSES = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "ldam": ldam,
    "balanced_softmax": balanced_softmax,
    "logit_adjustment": logit_adjustment,
    "equalisation": equalisation,
}


def equal(counts: Tensor) -> Tensor:
    """One for every class."""
    return torch.ones(len(counts), dtype=torch.float64, device=counts.device)


def inverse_frequency(counts: Tensor) -> Tensor:
    """n / n_c."""
    return counts.sum() / counts.double()


def class_balanced(counts: Tensor) -> Tensor:
    """(1 - beta) / (1 - beta^n_c), beta 0.999, scaled to a sum of C. arXiv 1901.05555, eq. 10."""
    return _effective(torch.full_like(counts, CLASS_BALANCED_BETA, dtype=torch.float64), counts)


def action_aware(counts: Tensor) -> Tensor:
    """(1 - beta_c) / (1 - beta_c^n_c), scaled to a sum of C; beta_c grows with n_c from 0.99 to
    0.9999. Method: section 5 (DAA)."""
    extent = (counts.max() - counts.min()).clamp(min=1)
    beta = ACTION_AWARE_BETA + ACTION_AWARE_RANGE * (counts - counts.min()).double() / extent
    return _effective(beta, counts)


def _effective(beta: Tensor, counts: Tensor) -> Tensor:
    weights = (1 - beta) / (1 - beta**counts)
    return weights * (len(counts) / weights.sum())


CLASS_WEIGHTS = {
    "none": equal,
    "inverse_frequency": inverse_frequency,
    "class_balanced": class_balanced,
    "action_aware": action_aware,
}


class Criterion:
    """The loss of a batch, epoch by epoch: `method.schedule` says from when on the loss (before it:
    cross-entropy) and the class weights (before it: ones) hold.

    counts (C,): training clips of each class.
    """

    def __init__(self, method: MethodParams, counts: Tensor, epochs: int) -> None:
        self.loss_from = round(method.schedule.loss * epochs)
        self.weights_from = round(method.schedule.class_weights * epochs)
        self._plain = cross_entropy(counts, method)
        self._loss = LOSSES[method.loss](counts, method)
        self._ones = equal(counts).float()
        self._weights = CLASS_WEIGHTS[method.class_weights](counts).float()
        self._reduce = halves_apart if method.mix == "partial_published" else together

    def __call__(self, logits: Tensor, targets: Targets, epoch: int) -> Tensor:
        """Loss of logits (N, C) in an epoch, from 0 on."""
        each = self._loss if epoch >= self.loss_from else self._plain
        weights = self._weights if epoch >= self.weights_from else self._ones
        return self._reduce(each, weights, logits, targets)


def together(each: EachLoss, weights: Tensor, logits: Tensor, targets: Targets) -> Tensor:
    """Weighted mean over clips and their partners, clip i's label counting lambda_i times and its
    partner's 1 - lambda_i times. Method: section 4.
    """
    labels, partners, share = targets
    own, others = share * weights[labels], (1 - share) * weights[partners]
    total = (own * each(logits, labels)).sum()
    if partners is not labels:
        total = total + (others * each(logits, partners)).sum()
    return total / (own.sum() + others.sum())


def halves_apart(each: EachLoss, weights: Tensor, logits: Tensor, targets: Targets) -> Tensor:
    """As published: lambda L(y_i) + (1 - lambda) L(y_j), each L a weighted mean over the batch,
    with the batch's one lambda."""
    labels, partners, share = targets

    def mean(labels: Tensor) -> Tensor:
        return (weights[labels] * each(logits, labels)).sum() / weights[labels].sum()

    return share[0] * mean(labels) + (1 - share[0]) * mean(partners)
