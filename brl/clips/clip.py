"""A clip and the splits of a dataset, in the form in which every dataset provides them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Part = Literal["train", "test"]
PARTS: tuple[Part, ...] = ("train", "test")
# Split -> part -> clip names. Their order matters: long-tailed subsets are drawn from it.
Splits = dict[str, dict[Part, list[str]]]


@dataclass(frozen=True)
class Clip:
    """A recorded action: one sample of a dataset.

    name        unique within the dataset
    label       class index, from 0
    joints      (M, T, V, K): bodies, frames, joints, channels, as recorded. A body that is absent
                from a frame is all zeros there; an unknown coordinate may be NaN
    image_size  height and width of the image whose pixels the coordinates are, if they are pixels
    """

    name: str
    label: int
    joints: np.ndarray
    image_size: tuple[float, float] | None = None
