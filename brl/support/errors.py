"""Errors for the user: one line, no traceback."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brl.support.addresses import without_passwords
from brl.support.text import printable, shortened

LONGEST_LINE = 4000


class UserError(Exception):
    """A mistake that the user can correct.

    The message is one line. It says what is wrong, where, and what would be right.
    """


OR_DAMAGED = "or damaged: brl check --deep tells"


class Damaged(UserError):
    """A file (`path`) whose bytes are not those that were written."""

    def __init__(self, path: Path, what: str) -> None:
        self.path = path
        super().__init__(
            f"{path}: damaged: {what}; brl check --deep says what brings it back, or get it again "
            "if it came from elsewhere"
        )


AGAIN = "then run the same command again"
REMEDIES = {
    errno.ENOSPC: f"free some space, {AGAIN}",
    errno.EDQUOT: f"free some space of your quota, {AGAIN}",
    errno.EFBIG: f"raise the limit of a file's size (ulimit -f, or the file system's), {AGAIN}",
    errno.EACCES: f"give this user the right to it, {AGAIN}",
    errno.EPERM: f"give this user the right to it, {AGAIN}",
    errno.EROFS: f"make the file system writable, {AGAIN}",
    errno.EIO: f"the disk, or the way to it, fails: see that it works, {AGAIN}",
    errno.EISDIR: "it is a folder and stays: give another name, or remove it",
}


class NotWritten(OSError):
    """A file (`filename`) that the disk did not take; what was there before is unchanged."""

    def __str__(self) -> str:
        return in_words(self)


def in_words(error: Exception) -> str:
    """An error for the user: an OSError with the file that it names, and what to do about it."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    place = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    what = "not written: " if isinstance(error, NotWritten) else ""
    remedy = REMEDIES.get(error.errno or 0)
    return f"{place}{what}{error.strerror}{f'; {remedy}' if remedy else ''}"


def is_of_disk(error: Exception) -> bool:
    """Whether a file cannot be read, whatever it holds: it is away, forbidden, or on a bad sector.

    What a damaged file holds may have its reader seek to a place before the start.
    """
    return isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the program with one line instead of a traceback where the cause is not a bug.

    The exit code is 1 for a `UserError` or an OSError (disk full, no permission), and 130 for
    Ctrl-C. The line goes to stderr. All other exceptions pass.
    """
    try:
        yield
    except (UserError, OSError) as error:
        print(f"error: {_one_line(in_words(error))}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to resume", file=sys.stderr)
        sys.exit(130)


def _one_line(message: str) -> str:
    """The message without passwords, printable, and shortened.

    Names and addresses in it come from the user's files and settings.
    """
    return shortened(printable(without_passwords(message)), LONGEST_LINE)
