"""Errors that speak to the user."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Something the user can put right. The message says what is wrong, where, and what would
    be right, in one line."""


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with exit code 1 and one line, no traceback, on a `UserError`."""
    try:
        yield
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
