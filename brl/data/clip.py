"""One clip, as every dataset hands it to the clip store."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Part = Literal["train", "test"]


@dataclass(frozen=True)
class Clip:
    """A recorded action.

    name    unique within the dataset
    label   class index, from 0
    joints  (M, T, V, K) float32: bodies, frames, joints, coordinates. A body that is absent
            in a frame has all its coordinates zero there
    parts   for each split of the dataset the clip belongs to, its part in it
    """

    name: str
    label: int
    joints: np.ndarray
    parts: dict[str, Part]
