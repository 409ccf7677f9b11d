"""Losses. `method.loss` knows these names."""

from torch.nn import functional as F

LOSSES = {"cross_entropy": F.cross_entropy}
