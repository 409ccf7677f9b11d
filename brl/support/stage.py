"""What each stage of the pipeline runs in."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brl.support.errors import one_line_errors
from brl.support.locks import alone


@contextmanager
def stage() -> Iterator[None]:
    """Runs a stage with one-line errors, and alone: another process may still write its results.

    That is one whose DVC was killed, or that somebody started without DVC.
    """
    name = "@".join([Path(sys.argv[0]).stem, *sys.argv[1:]])
    with one_line_errors(), alone(name, Path(".checkpoints") / name):
        yield
