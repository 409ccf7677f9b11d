"""Progress bars: drawn on a terminal, silent anywhere else."""

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
SECONDS_BETWEEN_UPDATES = 0.2
_quiet = False


def keep_quiet() -> None:
    """Draws nothing from now on: for a process that shares its terminal with another's bar."""
    global _quiet
    _quiet = True
    tqdm.set_lock(threading.RLock())  # Its own, shared by processes, leaks when this one is ended.


def _hidden() -> bool:
    return _quiet or not sys.stderr.isatty()


def progress(items: Iterable[Item], unit: str, total: int | None = None) -> "tqdm[Item]":
    """Iterates over items with a count and a rate on stderr; with a total, also the time left."""
    return tqdm(items, unit=f" {unit}", total=total, leave=False, disable=_hidden())


class FractionBar:
    """A bar for work whose parts are known as shares of the whole, with the time left."""

    def __init__(self, bar: "tqdm[None]") -> None:
        self._bar = bar
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time to show something again: on a terminal, five times a second."""
        return not self._bar.disable and time.monotonic() >= self._next

    def show(self, done: float, words: str) -> None:
        """Moves the bar to the share `done` (0 to 1)."""
        self._next = time.monotonic() + SECONDS_BETWEEN_UPDATES
        self._bar.set_postfix_str(words, refresh=False)
        self._bar.n = done
        self._bar.refresh()


@contextmanager
def fraction_bar(title: str) -> Iterator[FractionBar]:
    """A bar on stderr that ends with the block."""
    with tqdm(
        desc=title,
        total=1.0,
        leave=False,
        disable=_hidden(),
        bar_format="{desc} {percentage:3.0f} %|{bar}| {remaining} left{postfix}",
    ) as bar:
        yield FractionBar(bar)
