"""Numbers that a recording may hold: finite ones outside these ranges are mistakes.

Inside them nothing that is computed of a clip overflows in float32: centred, or divided by the size
of an image, coordinates are at most 1e12, and their differences and squares are finite.
"""

import numpy as np

from brl.support.errors import UserError

LARGEST = 1e9  # a metre has as many nanometres
LARGEST_SCORE = 1e3  # of estimators that do not stop at 1, or count in %
SMALLEST_SIZE, LARGEST_SIZE = 1e-3, 1e6  # of an image; 1 for coordinates from 0 to 1
SIZE_RULE = f"from {SMALLEST_SIZE:g} to {LARGEST_SIZE:,.0f}"


def check_range(joints: np.ndarray, dimensions: int, where: str) -> None:
    """Raises UserError, which begins with `where`, for a finite number out of range.

    joints: (..., V, K), as recorded; the first `dimensions` channels are coordinates, others are
    scores. Numbers that are not finite stand for joints not seen.
    """
    limits = np.full(joints.shape[-1], LARGEST_SCORE)
    limits[:dimensions] = LARGEST
    outside = np.isfinite(joints) & ((joints > limits) | (joints < -limits))
    if not outside.any():
        return
    *_, joint, channel = place = tuple(int(index) for index in np.argwhere(outside)[0])
    kind = "coordinate" if channel < dimensions else "score"
    raise UserError(
        f"{where}: joint {joint}: the {kind} {float(joints[place]):.3g}; must be within "
        f"±{limits[channel]:.0e}, or NaN for a joint that was not seen"
    )


def is_size(pixels: float) -> bool:
    """Whether a number can be the width or the height of an image."""
    return SMALLEST_SIZE <= pixels <= LARGEST_SIZE
