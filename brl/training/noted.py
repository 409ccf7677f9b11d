"""Notes on the processes that a training ran in."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brl.tracking.notes import Line, begin_note, keep_note, unfinished_note
from brl.training.checkpoint_file import kept, remove_checkpoints


@contextmanager
def noted(checkpoint: Path, line: Line, destination: Path) -> Iterator[None]:
    """Notes a process that trains; once it is done, keeps the note and removes the checkpoints.

    The note also has the lines of the processes whose checkpoint this one resumes.
    """
    note = unfinished_note(checkpoint)
    begin_note(note, line, resumes=bool(kept(checkpoint)))
    yield
    keep_note(note, destination)
    remove_checkpoints(checkpoint)
    note.unlink()
