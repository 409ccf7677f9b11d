"""Mixing clips of a batch, and their labels. `method.mix` knows these names.

Every function takes a batch as a network gets it, clips (N, M, T, V, K), present bodies (N, M) and
labels (N,), draws from `counts` (C,) what the labels weigh, and returns clips, present bodies and
Targets. Which clips are mixed, and with whom, is drawn by `method.mix_share`.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from brl.clips.layout import Layout
from brl.config.params import MethodParams
from brl.support.errors import UserError

KAPPA = 3  # how many times more clips make a class the more frequent one
REMIX_TAU = 0.5


class Targets(NamedTuple):
    """What the clips of a batch shall be recognised as, (N,) each.

    labels    y_i
    partners  y_j, that of the clip it was mixed with; y_i where it was not
    share     lambda_i: what y_i weighs, y_j weighs the rest
    """

    labels: Tensor
    partners: Tensor
    share: Tensor


class Batch(NamedTuple):
    """clips (N, M, T, V, K), present (N, M) bool, targets."""

    clips: Tensor
    present: Tensor
    targets: Targets


class Pairs(NamedTuple):
    """Clips of a batch that are mixed, and their partners, (P,) places each."""

    mixed: Tensor
    partners: Tensor


def unmixed(clips: Tensor, present: Tensor, labels: Tensor) -> Batch:
    """The batch as it is."""
    return Batch(clips, present, Targets(labels, labels, torch.ones_like(labels).float()))


def draw_pairs(size: int, share: float, generator: Generator) -> Pairs:
    """A share of a batch's clips, the fraction by chance, each with a partner j != i."""
    device = generator.device

    def draw() -> Tensor:
        return torch.rand(size, device=device, generator=generator)

    expected = share * size + torch.rand((), device=device, generator=generator)
    mixed = draw().argsort()[: int(expected)] if size > 1 else torch.arange(0, device=device)
    steps = 1 + (draw()[mixed] * (size - 1)).long().clamp(max=size - 2)
    return Pairs(mixed, (mixed + steps) % size)


def partial(
    batch: Batch, pairs: Pairs, counts: Tensor, layout: Layout, generator: Generator
) -> Batch:
    """Rebalanced partial mixup: the upper body of a clip, the lower body of its partner, each at
    its own joints; the rarer class gets the label. Method: section 4.

    A body that the partner lacks keeps its own lower half; one that the clip lacks stays absent.
    """
    mixed, partners = pairs
    clips, present, (labels, _, _) = batch
    lower = torch.from_numpy(layout.lower_body()).to(clips.device)
    both = present[mixed] & present[partners]
    taken = lower[:, None] & both[:, :, None, None, None]
    new = torch.where(taken, clips[partners], clips[mixed])
    alpha = len(layout.upper_body) / layout.num_joints
    share = rarer_takes_all(counts[labels[mixed]], counts[labels[partners]], alpha)
    return _put(batch, pairs, new, present[mixed], share)


def partial_published(
    batch: Batch, pairs: Pairs, counts: Tensor, layout: Layout, generator: Generator
) -> Batch:
    """As the released code mixes, for comparison only: the joints of the two halves are put end to
    end, and lose their places; the last pair's lambda is that of the whole batch. Method: section
    9, defects 1 and 2.
    """
    mixed, partners = pairs
    clips, present, (labels, _, share) = batch
    upper = torch.tensor(layout.upper_body, device=clips.device)
    lower = torch.from_numpy(layout.lower_body()).to(clips.device).nonzero()[:, 0]
    new = torch.cat([clips[mixed][..., upper, :], clips[partners][..., lower, :]], dim=-2)
    alpha = len(layout.upper_body) / layout.num_joints
    shares = rarer_takes_all(counts[labels[mixed]], counts[labels[partners]], alpha)
    result = _put(batch, pairs, new, present[mixed], shares)
    # Without a pair the published lambda is 0 and both labels are the clip's own.
    for_all = shares[-1] if len(shares) else share.new_zeros(())
    return result._replace(targets=result.targets._replace(share=for_all.expand_as(share)))


def mixup(
    batch: Batch, pairs: Pairs, counts: Tensor, layout: Layout, generator: Generator
) -> Batch:
    """lambda x_i + (1 - lambda) x_j, lambda uniform in 0 to 1, for clips and labels alike.
    arXiv 1710.09412, with Beta(1, 1)."""
    return _blend(batch, pairs, generator, lambda share: share)


def remix(
    batch: Batch, pairs: Pairs, counts: Tensor, layout: Layout, generator: Generator
) -> Batch:
    """Mixup that gives the rarer of two classes the whole label where the other has at least three
    times as many clips and the rarer makes up more than half of the mixture. arXiv 2007.03943,
    eq. 6, kappa 3, tau 0.5."""
    labels = batch.targets.labels
    own, others = counts[labels[pairs.mixed]], counts[labels[pairs.partners]]

    def relabelled(share: Tensor) -> Tensor:
        to_partner = (own >= KAPPA * others) & (share < REMIX_TAU)
        to_own = (others >= KAPPA * own) & (1 - share < REMIX_TAU)
        return torch.where(to_partner, 0.0, torch.where(to_own, 1.0, share))

    return _blend(batch, pairs, generator, relabelled)


MIXES = {
    "partial": partial,
    "partial_published": partial_published,
    "mixup": mixup,
    "remix": remix,
}


def rarer_takes_all(own: Tensor, others: Tensor, alpha: float) -> Tensor:
    """lambda (P,) of pairs whose classes have `own` and `others` clips (P,): 0 where the clip's own
    class has more than three times as many, 1 where the partner's has, else alpha."""
    share = torch.full(own.shape, alpha, device=own.device)
    return share.masked_fill(own > KAPPA * others, 0).masked_fill(others > KAPPA * own, 1)


def _blend(
    batch: Batch, pairs: Pairs, generator: Generator, label_share: Callable[[Tensor], Tensor]
) -> Batch:
    mixed, partners = pairs
    share = torch.rand(len(mixed), device=batch.clips.device, generator=generator)
    of_clip = share[:, None, None, None, None]
    new = of_clip * batch.clips[mixed] + (1 - of_clip) * batch.clips[partners]
    present = batch.present[mixed] | batch.present[partners]
    return _put(batch, pairs, new, present, label_share(share))


def _put(batch: Batch, pairs: Pairs, new: Tensor, present: Tensor, share: Tensor) -> Batch:
    """The batch with the mixed clips in their places."""
    labels, _, shares = batch.targets
    places = (pairs.mixed,)
    targets = Targets(
        labels,
        labels.index_put(places, labels[pairs.partners]),
        shares.index_put(places, share),
    )
    return Batch(
        batch.clips.index_put(places, new), batch.present.index_put(places, present), targets
    )


def check_halves(method: MethodParams, layout: Layout) -> None:
    """Raises UserError where halves of a body are to be mixed and the layout has only one."""
    upper = len(layout.upper_body)
    if method.mix.startswith("partial") and upper in (0, layout.num_joints):
        raise UserError(
            f"params.yaml: method.mix: {method.mix} mixes upper and lower bodies; the upper body "
            f"of this layout has {upper} of {layout.num_joints} joints, must have some of them"
        )
