"""A first description for a folder with a list of its clips: one of `brl data from-video`, or own.

The list says which clips there are, their labels and their parts; it stays as it is.
"""

from collections import Counter
from pathlib import Path, PurePath

from brl.datasets.own.clip_list import CLIPS_FILE, Row, is_split, read_lines
from brl.datasets.recordings.read import format_of
from brl.datasets.recordings.recording import Recording
from brl.inspection.bodies import bodies_in
from brl.inspection.names import Labels, in_order
from brl.inspection.parts import Parts
from brl.inspection.start import Start
from brl.support.errors import UserError

MOST_NUMBERED = 1000  # larger numbers are names, not places in a list of classes


def look_into_list(folder: Path) -> Start:
    """Finds what a folder's list of clips and the joints tell.

    Raises UserError where the list is none, or where a file that it names holds no recording.
    """
    rows = [row for _, row in read_lines(folder, ["name"])]
    formats = Counter[str]()
    for row in rows:
        path = folder / row["file"]
        if (taken_by := format_of(Recording(path, str(path)))) is None:
            raise UserError(f"{path}: no recording of a known format (docs/using.md, recordings)")
        formats[taken_by.name] += 1
    labels, classes = _labels([row.get("label", "") for row in rows])
    return Start(
        files=[PurePath(row["file"]) for row in rows],
        formats=formats,
        passed=[],
        names=[row["name"] for row in rows],
        labels=labels,
        classes=classes,
        parts=_parts(rows),
        sizes=[(row.get("width", ""), row.get("height", "")) for row in rows],
        bodies=bodies_in([folder / row["file"] for row in rows]),
        listed=True,
    )


def _labels(values: list[str]) -> tuple[Labels, list[str]]:
    """The labels and the classes; those of numbers, which count classes from 0, need names."""
    told = [value for value in values if value]
    if not told:
        return Labels(values), []
    if all(value.isdecimal() for value in told) and (last := max(map(int, told))) < MOST_NUMBERED:
        classes = [f"label {number}" for number in range(last + 1)]
        return Labels(values, CLIPS_FILE, numbered=True), classes
    return Labels(values, CLIPS_FILE), in_order(told)


def _parts(rows: list[Row]) -> Parts:
    """The parts in the first split of the list."""
    column = next(column for column in rows[0] if is_split(column))
    values = [row[column] for row in rows]
    return Parts(values, CLIPS_FILE if any(values) else "")
