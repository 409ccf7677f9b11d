"""Which classes are rare."""

import torch
from torch import Tensor


def rare_classes(counts: Tensor) -> Tensor:
    """The rarest third of the classes, (R,) labels: of counts (C,) in falling order, ties by
    label, those from place 2 floor(C / 3) on. Method: sections 4 and 10.
    """
    by_count = torch.argsort(counts, descending=True, stable=True)
    return by_count[2 * (len(counts) // 3) :]
