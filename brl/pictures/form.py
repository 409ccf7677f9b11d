"""The form in which an input's pictures are kept."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

CHANNELS = {"color": 3, "gray": 1, "depth": 1}


@dataclass(frozen=True)
class Form:
    """What becomes of a clip's pictures.

    side    of the square pictures, in pixels
    frames  the most pictures of a clip that are kept, evenly spaced over it
    format  color and gray: 8 bits a channel; depth: 16 bits, of which 0 means unknown
    crop    none: the middle square; bodies: a square around the bodies
    """

    side: int
    frames: int
    format: Literal["color", "gray", "depth"]
    crop: Literal["none", "bodies"]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels (H, W, C) of a kept picture."""
        return self.side, self.side, CHANNELS[self.format]

    @property
    def type(self) -> np.dtype:
        """Of what a kept picture consists: bytes, or little-endian numbers of two bytes."""
        return np.dtype("<u2" if self.format == "depth" else "u1")
