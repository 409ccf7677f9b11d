"""Pictures cut out and shrunk to the size that is kept.

Colours and grays are means over areas (Pillow's box filter): no ringing at edges, and every pixel
counts alike. Depth is the mean of the known values in an area. A plain mean would draw
the area towards the camera for each unknown value, which is 0; taking the nearest pixel would keep
the sensor's noise and often hit an unknown one. At the edge of a body the mean lies between the
body and what is behind it. All this is our choice.
"""

import numpy as np

from brl.pictures.form import Form
from brl.support.errors import UserError

MARGIN = 0.1  # on each side of the bodies, in parts of the longer side of their box
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601

Box = tuple[float, float, float, float]


def small(picture: np.ndarray, form: Form, box: Box | None, where: str) -> np.ndarray:
    """A picture (H, W, C) of any size in the form that is kept, (S, S, C').

    box: left, top, right and bottom of the bodies in pixels; None: the middle square is taken. What
    lies outside the picture is zero. Raises UserError, which begins with `where`, where the picture
    does not have the form's format, or does not show the box.
    """
    height, width = picture.shape[:2]
    side, top, left = _middle(height, width) if box is None else _around(box, height, width, where)
    square = _cut(_in_format(picture, form, where), top, left, side)
    if form.format == "depth":
        return _mean_of_known(square[..., 0], form.side)[..., None].astype(form.type)
    return _mean(square, form.side)


def _middle(height: int, width: int) -> tuple[int, int, int]:
    """Side, top and left of the largest square in the middle of a picture."""
    side = min(height, width)
    return side, (height - side) // 2, (width - side) // 2


def _around(box: Box, height: int, width: int, where: str) -> tuple[int, int, int]:
    """Side, top and left of the square around what the picture shows of a box."""
    if box[0] > width or box[2] < 0 or box[1] > height or box[3] < 0:
        raise UserError(
            f"{where}: the bodies lie outside its {width} x {height} pixels; width and height must "
            "be those of the image in which the joints are, or crop: none"
        )
    left, right = (min(max(x, 0.0), float(width)) for x in (box[0], box[2]))
    top, bottom = (min(max(y, 0.0), float(height)) for y in (box[1], box[3]))
    side = max(round(max(right - left, bottom - top) * (1 + 2 * MARGIN)), 1)
    return side, round((top + bottom - side) / 2), round((left + right - side) / 2)


def _cut(picture: np.ndarray, top: int, left: int, side: int) -> np.ndarray:
    """The square of a picture (H, W, C) with this corner; zero outside the picture."""
    height, width, channels = picture.shape
    bottom, right = top + side, left + side
    if min(top, left) >= 0 and bottom <= height and right <= width:
        return picture[top:bottom, left:right]
    square = np.zeros((side, side, channels), picture.dtype)
    inside = picture[max(top, 0) : bottom, max(left, 0) : right]
    row, column = max(-top, 0), max(-left, 0)
    square[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return square


def _in_format(picture: np.ndarray, form: Form, where: str) -> np.ndarray:
    """The picture with the channels of the form. Raises UserError where it has not what is kept."""
    channels, deep = picture.shape[2], picture.dtype == np.uint16
    if form.format == "depth":
        if channels != 1:
            raise UserError(
                f"{where}: pictures in colours; format: depth needs one channel, best of 16 bits"
            )
        return picture
    if deep:
        raise UserError(f"{where}: pictures of 16 bits; they must be kept with format: depth")
    if form.format == "gray" and channels == 3:
        return np.rint(picture @ LUMA).astype(np.uint8)[..., None]
    return np.broadcast_to(picture, (*picture.shape[:2], form.shape[2]))


def _mean(square: np.ndarray, size: int) -> np.ndarray:
    """Means over areas of bytes (S, S, C), (size, size, C)."""
    from PIL import Image

    image = Image.fromarray(
        np.ascontiguousarray(square.squeeze(-1) if square.shape[2] == 1 else square)
    )
    shrunk = np.asarray(image.resize((size, size), Image.Resampling.BOX))
    return shrunk.reshape(size, size, square.shape[2])


def _mean_of_known(square: np.ndarray, size: int) -> np.ndarray:
    """Means over areas of the values (S, S) that are not 0, (size, size); 0 where there is none."""
    edges = np.arange(size) * len(square) // size  # enlarged, pixels repeat

    def sums(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(np.add.reduceat(values, edges, axis=0), edges, axis=1)

    total, known = sums(square.astype(np.int64)), sums((square > 0).astype(np.int64))
    return np.rint(total / np.maximum(known, 1))
