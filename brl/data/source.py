"""What a dataset must offer to enter the pipeline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brl.data.clip import Clip, Splits
from brl.skeleton import Layout


@dataclass(frozen=True)
class Dataset:
    """A dataset whose raw files lie in a folder, ready to be read.

    classes    class names in label order
    items      what clips are made of, in the store's order
    read       the clips of one item: none where a recording is known to be unusable
    splits     all splits, from the names of the clips that were read
    normalize  brings a clip's joints (M, T, V, K) into its own frame of reference
    parallel   reading an item is worth a process of its own: item and functions can be pickled
    """

    layout: Layout
    classes: tuple[str, ...]
    items: Sequence[Any]
    read: Callable[[Any], list[Clip]]
    splits: Callable[[list[str]], Splits]
    normalize: Callable[[np.ndarray], np.ndarray]
    parallel: bool = False


@dataclass(frozen=True)
class Source:
    """Where a dataset comes from.

    splits  names of its splits; empty where only the data say
    fetch   puts the raw files into a folder: (folder, mirror or None)
    open    opens what was fetched
    check   raises UserError for what is wrong with a mirror, or None, before any stage runs
    """

    splits: tuple[str, ...]
    fetch: Callable[[Path, str | None], None]
    open: Callable[[Path], Dataset]
    check: Callable[[str | None], None] = lambda mirror: None
