"""One clip, and the splits of a dataset, as every dataset hands them to the clip store."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Part = Literal["train", "test"]
PARTS: tuple[Part, ...] = ("train", "test")
# Clip names of each part of each split, in the split's own order: subsets are drawn by it.
Splits = dict[str, dict[Part, list[str]]]


@dataclass(frozen=True)
class Clip:
    """A recorded action.

    name    unique within the dataset
    label   class index, from 0
    joints  (M, T, V, K) float: bodies, frames, joints, channels. A body that is absent in a
            frame has all its coordinates zero there; a coordinate that is not known may be NaN
    """

    name: str
    label: int
    joints: np.ndarray
