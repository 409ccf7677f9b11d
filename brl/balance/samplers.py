"""Which clips a pass shows, and how often. `method.sampler` knows these names.

Every function takes labels (n,), counts (C,), a generator, and the share of the training that is
over (0 to 1), and returns places in `labels`.
"""

import torch
from torch import Generator, Tensor

from brl.balance.rare import rare_classes


def instance(labels: Tensor, counts: Tensor, generator: Generator, passed: float) -> Tensor:
    """Every clip once, in random order."""
    return torch.randperm(len(labels), generator=generator)


def square_root(labels: Tensor, counts: Tensor, generator: Generator, passed: float) -> Tensor:
    """n draws; a class is drawn in proportion to the square root of its clips. arXiv 1910.09217,
    section 3."""
    return _drawn(counts.double().sqrt(), labels, counts, generator)


def class_balanced(labels: Tensor, counts: Tensor, generator: Generator, passed: float) -> Tensor:
    """n draws; every class is drawn as often. arXiv 1910.09217, section 3."""
    return _drawn(torch.ones(len(counts), dtype=torch.float64), labels, counts, generator)


def progressive(labels: Tensor, counts: Tensor, generator: Generator, passed: float) -> Tensor:
    """n draws, from in proportion to the clips at the start to class-balanced at the end.
    arXiv 1910.09217, section 3, eq. 2."""
    natural = counts.double() / counts.sum()
    return _drawn((1 - passed) * natural + passed / len(counts), labels, counts, generator)


def rebalanced(labels: Tensor, counts: Tensor, generator: Generator, passed: float) -> Tensor:
    """The rarest third of the classes oversampled to the largest, in random order.

    Method, section 4: they appear n_max / n_c times a clip, the fraction by random choice; the
    other classes once.
    """
    rare = rare_classes(counts)
    times = torch.ones(len(counts), dtype=torch.float64)
    times[rare] = counts.max() / counts[rare].double()
    draws = torch.rand(len(labels), dtype=torch.float64, generator=generator)
    repeats = (times[labels] + draws).floor().long()
    places = torch.repeat_interleave(torch.arange(len(labels)), repeats)
    return places[torch.randperm(len(places), generator=generator)]


def _drawn(of_class: Tensor, labels: Tensor, counts: Tensor, generator: Generator) -> Tensor:
    """n draws with replacement, classes in proportion to `of_class` (C,), their clips equally."""
    of_clip = (of_class / counts)[labels]
    return torch.multinomial(of_clip, len(labels), replacement=True, generator=generator)


SAMPLERS = {
    "instance": instance,
    "square_root": square_root,
    "class_balanced": class_balanced,
    "progressive": progressive,
    "rebalanced": rebalanced,
}
