"""Errors for the user: one line, no traceback."""

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


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the program with one line instead of a traceback where the cause is not a bug.

    The exit code is 1 for a `UserError` or an OSError (disk full, no permission), and 130 for
    Ctrl-C. The line goes to stderr. All other exceptions pass.
    """
    try:
        yield
    except (UserError, OSError) as error:
        print(f"error: {_one_line(str(error))}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; run the same command again to resume", file=sys.stderr)
        sys.exit(130)


def _one_line(message: str) -> str:
    """The message without passwords, printable, and shortened.

    Names and addresses in it come from the user's files and settings.
    """
    return shortened(printable(without_passwords(message)), LONGEST_LINE)
