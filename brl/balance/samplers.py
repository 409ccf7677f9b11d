"""The samplers: which clips a pass over the training set shows, and how often.

A sampler takes the clips' labels (N,), the classes' clip counts (C,), a random generator, and the
progress of the training from 0 (start) to 1 (end). It returns indices into `labels`.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from brl.balance.rare import rare_classes

Sampler = Callable[[Tensor, Tensor, Generator, float], Tensor]


def instance(labels: Tensor, _counts: Tensor, generator: Generator, _progress: float) -> Tensor:
    """Every clip once, in random order: N indices."""
    return torch.randperm(len(labels), generator=generator)


def square_root(labels: Tensor, counts: Tensor, generator: Generator, _progress: float) -> Tensor:
    """Draws N clips; a class's probability is proportional to the square root of its clip count.

    Source: arXiv 1910.09217, section 3.
    """
    return _drawn(counts.double().sqrt(), labels, counts, generator)


def class_balanced(
    labels: Tensor, counts: Tensor, generator: Generator, _progress: float
) -> Tensor:
    """Draws N clips; all classes are equally probable. Source: arXiv 1910.09217, section 3."""
    return _drawn(torch.ones(len(counts), dtype=torch.float64), labels, counts, generator)


def progressive(labels: Tensor, counts: Tensor, generator: Generator, progress: float) -> Tensor:
    """Draws N clips; moves from the natural class frequencies to balanced classes.

    Source: arXiv 1910.09217, section 3, equation 2.
    """
    natural = counts.double() / counts.sum()
    return _drawn((1 - progress) * natural + progress / len(counts), labels, counts, generator)


def rebalanced(labels: Tensor, counts: Tensor, generator: Generator, _progress: float) -> Tensor:
    """Oversamples the rarest third of the classes to the largest class, in random order.

    A clip of a rare class c appears n_max / n_c times, the fractional part by chance; every other
    clip appears once. Source: the spatial-temporal action exploration of BRL, arXiv 2308.14024.
    """
    rare = rare_classes(counts)
    times = torch.ones(len(counts), dtype=torch.float64)
    times[rare] = counts.max() / counts[rare].double()
    draws = torch.rand(len(labels), dtype=torch.float64, generator=generator)
    repeats = (times[labels] + draws).floor().long()
    indices = torch.repeat_interleave(torch.arange(len(labels)), repeats)
    return indices[torch.randperm(len(indices), generator=generator)]


def _drawn(class_weights: Tensor, labels: Tensor, counts: Tensor, generator: Generator) -> Tensor:
    """Draws N clips with replacement: classes by their weights (C,), a class's clips equally."""
    clip_weights = (class_weights / counts)[labels]
    return torch.multinomial(clip_weights, len(labels), replacement=True, generator=generator)


# By the names that `method.sampler` takes.
SAMPLERS: dict[str, Sampler] = {
    "instance": instance,
    "square_root": square_root,
    "class_balanced": class_balanced,
    "progressive": progressive,
    "rebalanced": rebalanced,
}
