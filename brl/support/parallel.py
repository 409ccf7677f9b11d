"""Calls of a function in several processes."""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import joblib

from brl.support.launchers import end_with

ITEMS_PER_CORE = 64
FEWEST = 32  # items; fewer are read sooner than other processes start


def in_parallel(
    function: Callable[[Any], Any], items: Sequence[Any], per_core: int = 0
) -> Iterator[Any]:
    """Yields the results in the items' order, computed by one process per core.

    A few items are computed in this process. More are handed out in slices, so that at most one
    slice of results waits to be used. per_core: items of a slice for each core; 0: many, for small
    results.
    """
    if len(items) < FEWEST:
        yield from map(function, items)
        return
    size = (per_core or ITEMS_PER_CORE) * joblib.cpu_count()
    with joblib.Parallel(n_jobs=-1, initializer=end_with, initargs=(os.getpid(),)) as pool:
        for start in range(0, len(items), size):
            yield from pool(joblib.delayed(function)(item) for item in items[start : start + size])
