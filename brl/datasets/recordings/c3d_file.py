"""C3D, the markers of motion capture laboratories. The format: https://www.c3d.org/docs."""

import warnings
from collections.abc import Callable
from itertools import chain, count, takewhile
from typing import Any, TypeVar

import numpy as np

from brl.clips.layout import Layout
from brl.datasets.arrays import as_joints
from brl.datasets.pickles import shown
from brl.datasets.recordings.joint_names import places_of_joints
from brl.datasets.recordings.recording import Format, Recording
from brl.support.errors import UserError, is_of_disk
from brl.support.packages import optional_package

KEY = 0x50  # the second byte of the file, and of its block of parameters
BLOCK = 512  # bytes
PROCESSORS = (84, 85, 86)  # how numbers are written: Intel, DEC, MIPS
METRES = {"mm": 0.001, "cm": 0.01, "m": 1.0}

Taken = TypeVar("Taken")


def matches(recording: Recording) -> bool:
    """Whether the file starts as C3D does and tells its processor, or is named .c3d."""
    head = recording.head
    if head[1:2] == bytes([KEY]):
        processor = (head[0] - 1) * BLOCK + 3
        if head[processor : processor + 1] in map(bytes, zip(PROCESSORS, strict=True)):
            return True
    return recording.path.suffix == ".c3d"


def read(recording: Recording, layout: Layout) -> np.ndarray:
    """The joints (1, T, V, 3) in metres, markers selected by the names of the layout.

    NaN where a marker was not seen.
    """
    where = recording.where
    markers, names, unit = _from_file(
        recording,
        lambda file: (_markers(file), _names(file), file.get_string("POINT:UNITS").strip()),
    )
    if unit not in METRES:
        raise UserError(f"{where}: POINT:UNITS is {unit!r:.40}; must be {', '.join(METRES)}")
    places = places_of_joints(names[: markers.shape[1]], layout, where)
    return as_joints(markers[:, places] * METRES[unit], layout, where)


def marker_names(recording: Recording) -> list[str]:
    """The names of the markers. Raises UserError where the file is damaged."""
    return _from_file(recording, lambda reader: _names(reader)[: reader.point_used])


def _from_file(recording: Recording, take: Callable[[Any], Taken]) -> Taken:
    """What a function takes from the file as the package reads it."""
    c3d = optional_package("c3d", recording.where)
    try:
        with recording.path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are about parameters that are not needed here
            return take(c3d.Reader(file))
    except Exception as error:  # a damaged file may raise nearly any exception
        if is_of_disk(error):
            raise
        raise UserError(
            f"{recording.where}: not a whole C3D file ({type(error).__name__}: {shown(str(error))})"
        ) from error


def _markers(reader: Any) -> np.ndarray:
    """The markers (T, markers, 3) in the file's unit, NaN where not seen."""
    frames = [points for _, points, _ in reader.read_frames()]
    if len(frames) != reader.frame_count:
        raise EOFError(f"ends after {len(frames)} of {reader.frame_count} frames")
    markers = np.stack(frames)
    unseen = markers[..., 3] < 0  # the residual
    return np.where(unseen[..., None], np.float32(np.nan), markers[..., :3])


def _names(reader: Any) -> list[str]:
    """The names of the markers. A list holds 255; those of more are in LABELS2, LABELS3, ..."""
    keys = chain(["POINT:LABELS"], (f"POINT:LABELS{number}" for number in count(2)))
    lists = takewhile(lambda labels: labels is not None, map(reader.get, keys))
    return [label.strip() for labels in lists for label in labels.string_array]


FORMAT = Format("C3D (.c3d)", (".c3d",), matches, read)
