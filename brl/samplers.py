"""Which clips an epoch shows, and how often. `method.sampler` knows these names."""

import torch
from torch import Generator, Tensor


def instance(labels: Tensor, counts: Tensor, generator: Generator) -> Tensor:
    """Every clip once, in random order: (n,) places in `labels`."""
    return torch.randperm(len(labels), generator=generator)


def rebalanced(labels: Tensor, counts: Tensor, generator: Generator) -> Tensor:
    """The rarest third of the classes oversampled to the largest, in random order.

    Method, section 4: of the classes in order of falling count (ties by label), the last third,
    from place 2 floor(C / 3) on, appear n_max / n_c times a clip, the fraction by random choice;
    the others once. labels (n,), counts (C,); returns places in `labels`.
    """
    by_count = torch.argsort(counts, descending=True, stable=True)
    rare = by_count[2 * (len(counts) // 3) :]
    times = torch.ones(len(counts), dtype=torch.float64)
    times[rare] = counts.max() / counts[rare].double()
    draws = torch.rand(len(labels), dtype=torch.float64, generator=generator)
    repeats = (times[labels] + draws).floor().long()
    places = torch.repeat_interleave(torch.arange(len(labels)), repeats)
    return places[torch.randperm(len(places), generator=generator)]


SAMPLERS = {"instance": instance, "rebalanced": rebalanced}
