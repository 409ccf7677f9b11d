"""Pictures in files: a video, or a folder of images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from brl.pictures import images, videos
from brl.support.errors import UserError


@dataclass(frozen=True)
class PictureFile:
    """The pictures in a video file, or in the images of a folder."""

    path: Path

    @cached_property
    def count(self) -> int:
        """Number of pictures. Raises UserError where none can be read, or the file is cut off."""
        return images.count(self.path) if self._is_folder else videos.count(self.path)

    def pictures(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        """The pictures with these numbers, which ascend, (H, W, C) uint8 or uint16.

        Raises UserError where one of them cannot be read.
        """
        read = images.pictures if self._is_folder else videos.pictures
        return read(self.path, numbers)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the first picture in pixels; raises UserError where it is damaged."""
        height, width, _ = next(self.pictures([0])).shape
        return width, height

    @cached_property
    def _is_folder(self) -> bool:
        if not self.path.exists():
            raise UserError(f"{self.path}: no such file or folder")
        return self.path.is_dir()


def is_pictures(path: Path) -> bool:
    """Whether a path looks like a video or a folder of images."""
    if path.is_dir():
        return bool(images.images_in(path))
    return path.suffix.lower() in videos.SUFFIXES and path.is_file()
