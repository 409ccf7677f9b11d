"""Errors for the user: one line, no traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from brl.support.addresses import without_passwords


class UserError(Exception):
    """A mistake that the user can correct.

    The message is one line. It says what is wrong, where, and what would be right.
    """


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
    """The message without passwords and with control characters escaped.

    Names and addresses in it come from the user's files and settings.
    """
    shown = without_passwords(message)
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in shown)
