"""Reads `clips.csv`, the list of the user's own clips, one line per clip."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from brl.clips.clip import PARTS, Splits
from brl.datasets.own.description import Description
from brl.datasets.ranges import SIZE_RULE, is_size
from brl.datasets.recordings.table import SUFFIXES
from brl.support.errors import UserError
from brl.support.text import NAME_RULE, is_name, is_printable, shortened

CLIPS_FILE = "clips.csv"
MOST_LINES = 8  # that a message names
Row = dict[str, str]


def read_rows(folder: Path, description: Description) -> list[Row]:
    """Reads and checks a folder's list of clips.

    Each row maps columns to values: name, label, file, width and height where given, and `split` or
    `split_NAME` for each split. Raises UserError that names the line where something is wrong.
    """
    needed = ["name", "label"] + ["width", "height"] * (description.normalize == "image")
    rows = []
    for where, row in read_lines(folder, needed):
        _check_row(row, where, description)
        rows.append(row)
    return rows


def read_lines(folder: Path, needed: Sequence[str]) -> Iterator[tuple[str, Row]]:
    """Yields each line of a folder's list of clips: where it is, for messages, and its row.

    A row has `file`, the recording, which is there. Its label and its parts may be anything.
    needed: columns that the list must have, besides one for a split. Raises UserError that names
    the line where something is wrong.
    """
    lines = _table(folder / CLIPS_FILE)
    if not lines:
        raise UserError(f"{CLIPS_FILE}: is empty; must have the columns {', '.join(needed)}, split")
    _, columns = lines.pop(0)
    _check_columns(columns, needed)
    if not lines:
        raise UserError(f"{CLIPS_FILE}: has no line below its header; must have one line per clip")
    first_line: dict[str, int] = {}
    for number, values in lines:
        where = f"{CLIPS_FILE}: line {number}"
        if len(values) != len(columns):
            raise UserError(
                f"{where}: {len(values)} values; must be {len(columns)}, as in the header"
            )
        row = dict(zip(columns, values, strict=True))
        _check_texts(row, where)
        row["file"] = row.get("file") or _file_of(row["name"], folder)
        if row["name"] in first_line:
            raise UserError(
                f"{where}: the name {row['name']!r} is also that of line "
                f"{first_line[row['name']]}; names must be unique"
            )
        first_line[row["name"]] = number
        _check_file(row["file"], where, folder)
        yield where, row


def label_of(row: Row, classes: tuple[str, ...]) -> int:
    """The class index of a row. A label is a class's name, or its number if no name is a number."""
    return classes.index(row["label"]) if row["label"] in classes else int(row["label"])


def splits_of(rows: list[Row], _names: list[str]) -> Splits:
    """All splits, in the order of the lines.

    The column `split` is the split `default`, and `split_NAME` is the split NAME.
    _names: those of the clips that were read; the list names the same.
    """
    return {
        column.removeprefix("split").removeprefix("_") or "default": {
            part: [row["name"] for row in rows if row[column] == part] for part in PARTS
        }
        for column in rows[0]
        if is_split(column)
    }


def lines_without(values: Sequence[str]) -> str:
    """The lines of a list on which a value is missing, in words; empty if there is none."""
    numbers = [str(number) for number, value in enumerate(values, 2) if not value]  # 1: the header
    more = f" and {len(numbers) - MOST_LINES} more" * (len(numbers) > MOST_LINES)
    return f"line {', '.join(numbers[:MOST_LINES])}{more}" if numbers else ""


def check_file_name(path: Path, *names: str) -> None:
    """Raises UserError where what a clip or its class is called after a file cannot be a name."""
    for name in names:
        if name and not is_name(name):
            raise UserError(
                f"{shortened(str(path), 200)}: {shortened(name, 60)!r}: {NAME_RULE}; rename it"
            )


def is_split(column: str) -> bool:
    """Whether a column of the list is a split."""
    return column == "split" or column.startswith("split_")


def _table(path: Path) -> list[tuple[int, list[str]]]:
    """The lines of a CSV file that are not empty: line number and values of each."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.reader(file, skipinitialspace=True, strict=True)
        try:
            return [
                (table.line_num, [value.strip() for value in values])
                for values in table
                if any(values)
            ]
        except UnicodeDecodeError as error:
            raise UserError(f"{path.name}: not a UTF-8 text file") from error
        except csv.Error as error:
            raise UserError(
                f"{path.name}: line {table.line_num}: not valid CSV ({error}); are its quotation "
                "marks in pairs?"
            ) from error


def _check_columns(columns: list[str], needed: Sequence[str]) -> None:
    """Raises UserError where the header is not that of a list of clips."""
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(columns) == 1 and separator in columns[0]:
            raise UserError(f"{CLIPS_FILE}: its values are separated by {name}; must be commas")
    missing = [column for column in needed if column not in columns]
    if missing or not any(map(is_split, columns)):
        raise UserError(
            f"{CLIPS_FILE}: no column {(missing or ['split'])[0]!r}; needed: "
            f"{', '.join([*needed, 'split'])}"
        )
    for column in columns:
        if column and columns.count(column) > 1:
            raise UserError(f"{CLIPS_FILE}: the column {column!r} occurs twice; must occur once")


def _check_texts(row: Row, where: str) -> None:
    """Raises UserError, which begins with `where`, for a value that is no text of one line."""
    if not row["name"]:
        raise UserError(f"{where}: the name is empty")
    for value in (row["name"], row.get("label")):
        if value and not is_name(value):
            raise UserError(f"{where}: {shortened(value, 60)!r}: {NAME_RULE}")
    for value in row.values():
        if not is_printable(value):
            raise UserError(
                f"{where}: {shortened(value, 60)!r}: must be one line of printable text"
            )


def _check_row(row: Row, where: str, description: Description) -> None:
    """Raises UserError, which begins with `where`, for a wrong value in a row."""
    labels = [str(number) for number in range(len(description.classes))]
    if any(name.isdecimal() for name in description.classes):
        labels = []  # 1 could be the class named 1 or the second class
    if row["label"] not in [*description.classes, *labels]:
        numbers = f", or its number, 0 to {len(labels) - 1}" if labels else ""
        raise UserError(
            f"{where}: label {row['label']!r}; must be a class of dataset.yaml{numbers}"
        )
    for column, value in row.items():
        if is_split(column) and value not in ("", *PARTS):
            raise UserError(f"{where}: {column} {value!r}; must be train, test or empty")
    if description.normalize == "image":
        for column in ("width", "height"):
            if not _is_size(row[column]):
                raise UserError(
                    f"{where}: {column} {row[column]!r}; must be a number of pixels, {SIZE_RULE}"
                )


def _check_file(file: str, where: str, folder: Path) -> None:
    """Raises UserError, which begins with `where`, where there is no such recording."""
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise UserError(f"{where}: file {file!r}; must be a path inside the folder")
    if not (folder / path).exists():
        raise UserError(f"{where}: there is no file {file} in {folder}")


def _file_of(name: str, folder: Path) -> str:
    """The recording that is named like its clip: a file, or a folder of frames."""
    names = [f"{name}{suffix}" for suffix in SUFFIXES]
    return next((each for each in (*names, name) if (folder / each).exists()), names[0])


def _is_size(text: str) -> bool:
    try:
        return is_size(float(text))
    except ValueError:
        return False
