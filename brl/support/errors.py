"""Errors that speak to the user."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Something the user can put right. The message says what is wrong, where, and what would
    be right, in one line."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line, no traceback, and exit code 1 on what is not a bug: a
    `UserError`, or the machine's refusal (disk full, no permission); 130 on Ctrl-C."""
    try:
        yield
    except (UserError, OSError) as error:
        print(f"error: {_one_line(str(error))}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        sys.exit(130)


def _one_line(message: str) -> str:
    """The message with what names in it might do to a terminal made visible."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in message)
