"""What shows a clip in pictures: a video, a folder of images, or a program that draws it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from brl.pictures.form import Form


class Film(Protocol):
    """The pictures of one clip, in one input.

    Joint frame t of the clip is shown by the picture round((t - offset) * rate). A film is small,
    and can be pickled: other processes read it.
    """

    @property
    def name(self) -> str:
        """The film in messages: its file, or its clip."""

    @property
    def count(self) -> int:
        """Number of pictures that there are, 1 or more. Raises UserError where none can be read."""

    @property
    def rate(self) -> float:
        """Pictures per joint frame, above 0."""

    @property
    def offset(self) -> float:
        """The joint frame at which picture 0 is taken; it may lie between two."""

    def pictures(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        """The pictures with these numbers, which ascend: each (H, W, C) uint8 or uint16.

        Raises UserError where one cannot be read.
        """

    def box(self) -> tuple[float, float, float, float] | None:
        """Left, top, right and bottom of the bodies over the whole clip, in pixels.

        None: the film does not know where they are.
        """


# Name and joint frames T of a clip -> the film that shows it; None: there is none.
FilmOf = Callable[[str, int], Film | None]


@dataclass(frozen=True)
class Films:
    """The pictures of a dataset's clips; an input is a name in the section `pictures`.

    of     (folder of the raw files, input) -> the film of each clip
    check  (mirror or None, input, its form): raises UserError for mistakes, before any stage runs
    """

    of: Callable[[Path, str], FilmOf]
    check: Callable[[str | None, str, Form], None]
