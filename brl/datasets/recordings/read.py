"""Reads recordings of all formats, and finds them in folders."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from brl.clips.layout import Layout
from brl.datasets.padded import is_padded
from brl.datasets.pickles import shown
from brl.datasets.recordings.numpy_files import ZIP
from brl.datasets.recordings.recording import Format, Recording
from brl.datasets.recordings.table import FORMATS, SUFFIXES
from brl.support.errors import UserError
from brl.support.files import is_unfinished

RESULTS, FRAMES = "alphapose-results.json", "sep-json"  # what AlphaPose calls its output


def read_recording(path: Path, layout: Layout, where: str) -> np.ndarray:
    """The joints (M, T, V, K) of a recording, in the sensor's coordinates.

    path: a file, or a folder of frames. Its content decides which of `FORMATS` it has.
    where: the place named in error messages. Raises UserError, one line that begins with it, where
    no format takes the recording, or where it is damaged or does not fit the layout.
    """
    if is_padded(path):
        raise UserError(
            f"{where}: a dataset of many clips, not one recording; use it as own data "
            "(docs/own_data.md)"
        )
    recording = Recording(path, where)
    taken_by = format_of(recording)
    if taken_by is None:
        names = ", ".join(each.name for each in FORMATS)
        raise UserError(f"{where}: {_seen(recording)}; can be read: {names}")
    try:
        return taken_by.read(recording, layout)
    except RecursionError as error:
        raise UserError(f"{where}: nested too deeply for a recording") from error


def format_of(recording: Recording) -> Format | None:
    """The format of a recording; None if no format takes it."""
    return next((each for each in FORMATS if each.matches(recording)), None)


def find_recordings(paths: Iterable[Path]) -> list[Path]:
    """The given files, and all recordings in the given folders at any depth, sorted by name.

    A folder whose files are the frames of one recording is one recording. Of other folders, files
    with the suffix of a format are recordings.
    Raises UserError for a missing path or a folder without recordings.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        recordings = _inside(path) if path.is_dir() else [path]
        if not recordings:
            raise UserError(f"{path}: contains no recording ({', '.join(SUFFIXES)})")
        found += recordings
    return found


def _inside(folder: Path) -> list[Path]:
    """The recordings in a folder, or the folder itself if it is one.

    AlphaPose writes the same frames into one file and into a folder beside it: the file counts.
    """
    inside = sorted(each for each in folder.rglob("*") if not is_unfinished(each))
    clips = {each for each in (folder, *inside) if each.is_dir() and _is_recording(each)}
    twice = {each for each in clips if each.name == FRAMES and (each.parent / RESULTS).is_file()}
    files = [
        each
        for each in inside
        if each.suffix in SUFFIXES
        and each.is_file()
        and each.parent not in clips
        and not each.name.startswith(".")  # archives made on a Mac hold ._NAME for each file
    ]
    # Of tables, many are lists of clips or of results.
    return sorted(
        [
            *(clips - twice),
            *(each for each in files if each.suffix != ".csv" or _is_recording(each)),
        ]
    )


def _is_recording(path: Path) -> bool:
    return format_of(Recording(path, str(path))) is not None


def _seen(recording: Recording) -> str:
    """What a recording that no format takes holds."""
    if recording.path.is_dir():
        return f"a folder of {len(list(recording.path.iterdir()))} files that are not frames"
    if isinstance(recording.json, dict):
        return f"JSON with the keys {shown(', '.join(map(repr, recording.json)))[:80]}"
    if recording.json is not None:
        return f"a JSON list that begins with {shown(str(recording.json))[:40]}"
    if not recording.head:
        return "an empty file"
    if recording.head.startswith(b"\x80"):
        return "a pickle (a whole dataset in one is own data: docs/own_data.md)"
    if recording.head.startswith(ZIP):
        return "a zip archive that is cut off, or holds no arrays"
    if b"\0" in recording.head:
        return "a binary file"
    return f"text that begins with {shown(recording.head[:40].decode(errors='replace'))}"
