"""Reads folders of images, with Pillow: PNG keeps 16 bits, which hardly any video does."""

import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from brl.pictures.limits import MOST_PIXELS, check_size
from brl.support.errors import UserError
from brl.support.packages import optional_package

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
# Others are not tried, whatever the file's name says.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM")
DEPTHS = ("I", "I;16", "I;16B", "I;16L")  # Pillow's modes of one channel with more than 8 bits


def images_in(folder: Path) -> list[Path]:
    """The images of a folder in the order in which people count: 2.png is before 10.png."""
    images = [
        each
        for each in folder.iterdir()
        if each.suffix.lower() in SUFFIXES and not each.name.startswith(".")
    ]
    return sorted(images, key=_counted)


def count(folder: Path) -> int:
    """Number of images in a folder. Raises UserError where there is none."""
    number = len(images_in(folder))
    if not number:
        raise UserError(f"{folder}: holds no image ({', '.join(SUFFIXES)})")
    return number


def pictures(folder: Path, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """The images with these numbers: (H, W, 3) uint8 in red, green, blue, or (H, W, 1).

    Grays are uint8 or, of 16 bits, uint16. Raises UserError where there is no such image, one is
    damaged, or the images differ in size or kind.
    """
    images = images_in(folder)
    first: np.ndarray | None = None
    for number in numbers:
        if number >= len(images):
            raise UserError(f"{folder}: {len(images)} images, and image {number} is needed")
        array = _read(images[number])
        first = array if first is None else first
        if (array.shape, array.dtype) != (first.shape, first.dtype):
            raise UserError(
                f"{images[number]}: {_in_words(array)}, but {_in_words(first)} before; all images "
                "of a folder must be alike"
            )
        yield array


def _read(path: Path) -> np.ndarray:
    """One image, (H, W, C). Raises UserError where it is damaged, too large, or no image."""
    image_package = optional_package("PIL.Image", str(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images: they are refused below
            image = image_package.open(path, formats=FORMATS)
        with image:
            width, height = image.size
            check_size(width, height, str(path))
            if image.mode == "F":
                raise UserError(
                    f"{path}: values with a point; must be 8 bits, or 16 bits for depth"
                )
            if image.mode in DEPTHS:
                return _deep(np.asarray(image), path)
            if image.mode in ("1", "L", "LA"):
                return np.asarray(image.convert("L"))[..., None]
            upright = optional_package("PIL.ImageOps", str(path)).exif_transpose(image)
            return np.asarray(upright.convert("RGB"))
    except UserError:
        raise
    except image_package.DecompressionBombError as error:
        raise UserError(f"{path}: more than {MOST_PIXELS:,} pixels") from error
    except Exception as error:  # a damaged file may raise nearly any exception
        raise UserError(f"{path}: not an image that can be read, or damaged") from error


def _deep(values: np.ndarray, path: Path) -> np.ndarray:
    """Values of one channel (H, W) as 16 bits. Raises UserError where they need more."""
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise UserError(f"{path}: values of more than 16 bits")
    return values.astype(np.uint16)[..., None]


def _counted(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Orders names by the numbers in them."""
    words = re.split("([0-9]+)", path.stem.lower())
    return [(int(word), "") if word.isdecimal() else (-1, word) for word in words], path.name


def _in_words(array: np.ndarray) -> str:
    height, width, channels = array.shape
    return f"{width} x {height} pixels of {channels} x {8 * array.itemsize} bits"
