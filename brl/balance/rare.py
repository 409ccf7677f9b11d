"""The rare classes of a long-tailed training set."""

import torch
from torch import Tensor


def rare_classes(counts: Tensor) -> Tensor:
    """Labels of the rarest third of the classes, (R,), the rarest last.

    counts: (C,) training clips of each class. With the classes in falling order of their counts
    (ties by label), these are the ones from position 2 floor(C / 3) on. BRL (arXiv 2308.14024)
    oversamples them.
    """
    by_count = torch.argsort(counts, descending=True, stable=True)
    return by_count[2 * (len(counts) // 3) :]
