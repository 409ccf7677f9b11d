"""Progress bars on stderr: drawn on a terminal only."""

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
    """Hides all bars of this process: another process draws on the same terminal."""
    global _quiet
    _quiet = True
    # tqdm's own lock is shared between processes and leaks when this process is killed.
    tqdm.set_lock(threading.RLock())


def _hidden() -> bool:
    return _quiet or not sys.stderr.isatty()


def progress(items: Iterable[Item], unit: str, total: int | None = None) -> "tqdm[Item]":
    """Iterates over items and shows count and rate, with a total also the time left."""
    return tqdm(items, unit=f" {unit}", total=total, leave=False, disable=_hidden())


class FractionBar:
    """A progress bar set to a fraction of the whole, with the time left."""

    def __init__(self, bar: "tqdm[None]") -> None:
        self._bar = bar
        self._next = 0.0

    def due(self) -> bool:
        """Whether the bar should be redrawn: on a terminal, five times a second."""
        return not self._bar.disable and time.monotonic() >= self._next

    def show(self, done: float, text: str) -> None:
        """Moves the bar to the fraction `done`, from 0 to 1, with `text` behind it."""
        self._next = time.monotonic() + SECONDS_BETWEEN_UPDATES
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.n = done
        self._bar.refresh()


@contextmanager
def fraction_bar(title: str) -> Iterator[FractionBar]:
    """A bar with a title in front of it; it disappears when the block ends."""
    with tqdm(
        desc=title,
        total=1.0,
        leave=False,
        disable=_hidden(),
        bar_format="{desc} {percentage:3.0f} %|{bar}| {remaining} left{postfix}",
    ) as bar:
        yield FractionBar(bar)
