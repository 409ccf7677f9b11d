"""The pictures of the user's own clips: videos, or folders of images, that `clips.csv` names.

The column has the name of the input. A film begins and ends with its recording: own data tell no
frame rates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from brl.clips.layout import Layout
from brl.datasets.own.clip_list import CLIPS_FILE, Row, is_split
from brl.datasets.recordings.read import read_recording
from brl.pictures.files import PictureFile, is_pictures
from brl.pictures.film import Film, FilmOf
from brl.support.errors import UserError

ALSO = {"rgb": "video"}  # input -> a second name of its column
OTHERS = ("name", "label", "file", "width", "height")  # columns that name no films


@dataclass(frozen=True)
class InImage:
    """Joints in the pixels of an image; the film shows the same image, perhaps in another size.

    recording      the file with the joints
    width, height  of the image, in the unit of the joints
    """

    recording: Path
    layout: Layout
    width: float
    height: float

    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the joints over all frames, from 0 to 1 in the image.

        That of a clip that shows no joint is the whole image.
        """
        joints = read_recording(self.recording, self.layout, str(self.recording))
        places = joints[..., :2].reshape(-1, 2)
        seen = places[np.isfinite(places).all(-1) & (places != 0).any(-1)]
        if not len(seen):
            return 0.0, 0.0, 1.0, 1.0
        (left, top), (right, bottom) = (
            (float(x) / self.width, float(y) / self.height) for x, y in (seen.min(0), seen.max(0))
        )
        return left, top, right, bottom


@dataclass(frozen=True)
class OwnFilm:
    """The film of a clip with this number of joint frames.

    joints  None: where the bodies are in the pictures is not known
    """

    file: PictureFile
    frames: int
    joints: InImage | None

    offset = 0.0

    @property
    def name(self) -> str:
        """The file."""
        return str(self.file.path)

    @property
    def count(self) -> int:
        """Number of pictures."""
        return self.file.count

    @cached_property
    def rate(self) -> float:
        """Pictures per joint frame."""
        return self.file.count / self.frames

    def pictures(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        """The pictures with these numbers; see `Film`."""
        return self.file.pictures(numbers)

    def box(self) -> tuple[float, float, float, float] | None:
        """Left, top, right and bottom of the bodies in pixels of the film."""
        if self.joints is None:
            return None
        (width, height), (left, top, right, bottom) = self.file.size, self.joints.box()
        return left * width, top * height, right * width, bottom * height


def film_of(folder: Path, rows: list[Row], name: str, pixels_of: Layout | None) -> FilmOf:
    """The films of the clips in a list, for an input.

    pixels_of: the layout where the joints are in pixels of an image. Raises UserError where the
    list has no column for the input, or names a path outside the folder.
    """
    column = _column(rows[0], name)
    files = {row["name"]: _path(row, column) for row in rows}
    row_of = {row["name"]: row for row in rows}

    def film(clip: str, frames: int) -> Film | None:
        file, row = files[clip], row_of[clip]
        if file is None:
            return None
        joints = None
        if pixels_of is not None:
            width, height = float(row["width"]), float(row["height"])
            joints = InImage(folder / row["file"], pixels_of, width, height)
        return OwnFilm(PictureFile(folder / file), frames, joints)

    return film


def check_films(folder: Path, rows: list[Row], name: str) -> None:
    """Raises UserError where the list has no film for an input, or one that is not there."""
    column = _column(rows[0], name)
    files = [file for row in rows if (file := _path(row, column))]
    if not files:
        raise UserError(f"{CLIPS_FILE}: the column {column!r} is empty: no clip has pictures")
    for file in files:
        if not (folder / file).exists():
            raise UserError(f"{CLIPS_FILE}: {column}: there is no file {file} in {folder}")


def films_in(folder: Path, rows: list[Row]) -> list[str]:
    """All videos and folders of images that a list names, in any column, and that are there."""
    columns = [column for column in rows[0] if column not in OTHERS and not is_split(column)]
    named = dict.fromkeys(row[column] for row in rows for column in columns if row[column])
    return [file for file in named if _is_inside(file) and is_pictures(folder / file)]


def _column(row: Row, name: str) -> str:
    """The column of an input. Raises UserError where the list has none."""
    known = [column for column in (name, ALSO.get(name, name)) if column in row]
    if not known:
        raise UserError(
            f"params.yaml: pictures.{name}: {CLIPS_FILE} has no column {name!r}, with the video or "
            "the folder of images of each clip (docs/pictures.md)"
        )
    return known[0]


def _path(row: Row, column: str) -> str | None:
    """The film that a row names; None: the cell is empty."""
    file = row[column]
    if file and not _is_inside(file):
        raise UserError(
            f"{CLIPS_FILE}: clip {row['name']}: {column} {file!r}; must be a path inside the folder"
        )
    return file or None


def _is_inside(file: str) -> bool:
    path = PurePosixPath(file)
    return not path.is_absolute() and ".." not in path.parts and bool(path.parts)
