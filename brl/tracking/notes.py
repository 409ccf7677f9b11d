"""Notes on what made a result: a line of JSON for each process that worked on it.

A line has the facts of `brl.tracking.machine.surroundings` at the time of the work, as strings.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from brl.support.errors import UserError
from brl.support.files import written_whole

Line = dict[str, str]


def unfinished_note(checkpoint: Path) -> Path:
    """The note of a training that has not finished, beside its checkpoint."""
    return checkpoint.with_suffix(".made")


def begin_note(path: Path, line: Line, *, resumes: bool) -> None:
    """Notes a process that begins; resumes: whether the lines of earlier ones stay."""
    write_note(path, [*(read_note(path) if resumes else []), line])


def write_note(path: Path, lines: Iterable[Line]) -> None:
    """Writes a whole note."""
    with written_whole(path) as unfinished:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        unfinished.write_text(text, encoding="utf-8")


def keep_note(path: Path, kept: Path) -> None:
    """Copies a note to where it is kept; of equal lines one is left."""
    lines = read_note(path)
    write_note(kept, [line for place, line in enumerate(lines) if line not in lines[:place]])


def read_note(path: Path) -> list[Line]:
    """The lines of a note; empty if there is none. Raises UserError where it is damaged."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]
    except ValueError as error:
        raise UserError(
            f"{path}: damaged; remove it: what made {path.stem} is then unknown"
        ) from error
