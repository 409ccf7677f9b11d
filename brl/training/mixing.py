"""Mixing of clips in a batch, and of their labels.

`method.mix` in params.yaml names a row of MIXES; `method.mix_share` is the share of the clips that
is mixed. Letters: x_i clip i, y_i its label, j its partner, lambda_i the weight of y_i.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Generator, Tensor

from brl.clips.layout import Layout
from brl.models.common.batch_norm import places

KAPPA = 3  # ratio of training clips above which a class counts as the more frequent one
REMIX_TAU = 0.5
PUBLISHED_ALPHA = 0.64  # the share of upper-body joints in NTU's layout


class Targets(NamedTuple):
    """Targets of the clips of a batch, (N,) each.

    labels    y_i
    partners  y_j, the label of the partner; y_i if the clip is not mixed
    share     lambda_i, the weight of y_i; y_j has the weight 1 - lambda_i
    """

    labels: Tensor
    partners: Tensor
    share: Tensor


class Batch(NamedTuple):
    """A batch: clips (N, M, T, V, K), present bodies (N, M) bool on the CPU, and targets."""

    clips: Tensor
    present: Tensor
    targets: Targets


class Pairs(NamedTuple):
    """Indices (P,) of the clips of a batch that are mixed, and of their partners, on the CPU."""

    mixed: Tensor
    partners: Tensor

    def on(self, device: torch.device) -> "Pairs":
        """The pairs on a device."""
        return Pairs(*(indices.to(device, non_blocking=True) for indices in self))


class Mix(Protocol):
    """Mixes a batch with its partners.

    counts (C,): training clips per class, which decide the shares of the labels. The given batch
    is not changed.
    """

    def __call__(
        self, batch: Batch, pairs: Pairs, counts: Tensor, layout: Layout, generator: Generator, /
    ) -> Batch:
        """The mixed batch."""


def unmixed(clips: Tensor, present: Tensor, labels: Tensor) -> Batch:
    """The batch without mixing."""
    return Batch(clips, present, Targets(labels, labels, torch.ones_like(labels).float()))


def draw_pairs(size: int, share: float, generator: Generator) -> Pairs:
    """Draws a share of the clips of a batch, each with a partner j != i.

    share * size is rounded up or down at random, so that the mean number of pairs is exact. The
    generator is one of the CPU.
    """

    def draw() -> Tensor:
        return torch.rand(size, generator=generator)

    expected = share * size + torch.rand((), generator=generator)
    mixed = draw().argsort()[: int(expected)] if size > 1 else torch.arange(0)
    steps = 1 + (draw()[mixed] * (size - 1)).long().clamp(max=size - 2)
    return Pairs(mixed, (mixed + steps) % size)


def partial(
    batch: Batch, pairs: Pairs, counts: Tensor, layout: Layout, _generator: Generator
) -> Batch:
    """Rebalanced partial mixup of BRL, arXiv 2308.14024: the partner's lower body replaces the own.

    The label is `rarer_takes_all`. A body that the partner lacks keeps its own lower half; a body
    that the clip lacks stays absent.
    """
    clips, present, (labels, _, _) = batch
    mixed, partners = pairs.on(clips.device)
    lower = torch.from_numpy(layout.lower_body()).to(clips.device, non_blocking=True)
    both = present[pairs.mixed] & present[pairs.partners]
    both = both.to(clips.device, non_blocking=True)
    taken = lower[:, None] & both[:, :, None, None, None]
    new = torch.where(taken, clips[partners], clips[mixed])
    alpha = len(layout.upper_body) / layout.num_joints
    share = rarer_takes_all(counts[labels[mixed]], counts[labels[partners]], alpha)
    return _put(batch, pairs, new, present[pairs.mixed], share)


def partial_published(
    batch: Batch, pairs: Pairs, counts: Tensor, layout: Layout, _generator: Generator
) -> Batch:
    """Partial mixup as in the released code of BRL, for comparison only.

    It differs from `partial` in four ways. The joints of the two halves are concatenated, so they
    are no longer in the layout's order. The lambda of the last pair is used for all clips. Alpha is
    0.64 for all layouts. And all M bodies are mixed: a clip of one body shows the second lower
    half of a partner of two. The network computes that half only with `model.absent_bodies: pad`.
    """
    clips, present, (labels, _, share) = batch
    mixed, partners = pairs.on(clips.device)
    upper = torch.tensor(layout.upper_body).to(clips.device, non_blocking=True)
    (lower,) = places(torch.from_numpy(layout.lower_body()), clips.device)
    new = torch.cat([clips[mixed][..., upper, :], clips[partners][..., lower, :]], dim=-2)
    shares = rarer_takes_all(counts[labels[mixed]], counts[labels[partners]], PUBLISHED_ALPHA)
    result = _put(batch, pairs, new, present[pairs.mixed], shares)
    # Without any pair the published lambda is 0, and both labels are the clip's own.
    last_share = shares[-1] if len(shares) else share.new_zeros(())
    return result._replace(targets=result.targets._replace(share=last_share.expand_as(share)))


def mixup(
    batch: Batch, pairs: Pairs, _counts: Tensor, _layout: Layout, generator: Generator
) -> Batch:
    """Mixup, arXiv 1710.09412: lambda x_i + (1 - lambda) x_j, with lambda from Beta(1, 1)."""
    return _blend(batch, pairs, generator, lambda share: share)


def remix(
    batch: Batch, pairs: Pairs, counts: Tensor, _layout: Layout, generator: Generator
) -> Batch:
    """Remix, arXiv 2007.03943, eq. 6, with kappa 3 and tau 0.5: mixup with other label shares.

    The rarer class gets the whole label if the other class has at least three times as many
    training clips, and if the rarer class makes up more than half of the mixture.
    """
    labels = batch.targets.labels
    mixed, partners = pairs.on(labels.device)
    own, others = counts[labels[mixed]], counts[labels[partners]]

    def relabelled(share: Tensor) -> Tensor:
        to_partner = (own >= KAPPA * others) & (share < REMIX_TAU)
        to_own = (others >= KAPPA * own) & (1 - share < REMIX_TAU)
        return torch.where(to_partner, 0.0, torch.where(to_own, 1.0, share))

    return _blend(batch, pairs, generator, relabelled)


MIXES: dict[str, Mix] = {
    "partial": partial,
    "partial_published": partial_published,
    "mixup": mixup,
    "remix": remix,
}


def rarer_takes_all(own: Tensor, others: Tensor, alpha: float) -> Tensor:
    """Shares lambda (P,) of pairs whose classes have `own` and `others` (P,) training clips.

    0 if the own class has more than three times as many clips as the partner's, 1 in the reverse
    case, else alpha.
    """
    share = torch.full(own.shape, alpha, device=own.device)
    return share.masked_fill(own > KAPPA * others, 0).masked_fill(others > KAPPA * own, 1)


def _blend(
    batch: Batch, pairs: Pairs, generator: Generator, label_share: Callable[[Tensor], Tensor]
) -> Batch:
    """Clips lambda x_i + (1 - lambda) x_j, lambda uniform in [0, 1].

    label_share: maps lambda (P,) to the shares of the labels (P,).
    """
    mixed, partners = pairs.on(batch.clips.device)
    share = torch.rand(len(mixed), device=batch.clips.device, generator=generator)
    of_clip = share[:, None, None, None, None]
    new = of_clip * batch.clips[mixed] + (1 - of_clip) * batch.clips[partners]
    present = batch.present[pairs.mixed] | batch.present[pairs.partners]
    return _put(batch, pairs, new, present, label_share(share))


def _put(batch: Batch, pairs: Pairs, new: Tensor, present: Tensor, share: Tensor) -> Batch:
    """The batch with its mixed clips, present bodies and label shares replaced."""
    labels, _, shares = batch.targets
    mixed, partners = pairs.on(labels.device)
    targets = Targets(
        labels,
        labels.index_put((mixed,), labels[partners]),
        shares.index_put((mixed,), share),
    )
    clips = batch.clips.index_put((mixed,), new)
    return Batch(clips, batch.present.index_put((pairs.mixed,), present), targets)
