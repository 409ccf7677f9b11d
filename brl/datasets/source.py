"""What a dataset must offer to enter the pipeline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brl.clips.clip import Clip, Splits
from brl.clips.layout import Layout
from brl.clips.normalize import Normalization


@dataclass(frozen=True)
class Dataset:
    """A dataset whose raw files lie in a folder, ready to be read.

    classes    class names in label order
    items      what clips are made of, in the store's order
    read       the clips of one item: none where a recording is known to be unusable
    splits     all splits, from the names of the clips that were read
    normalization  how a clip's joints come into their own frame of reference
    parallel   reading an item is worth a process of its own: item and functions can be pickled
    """

    layout: Layout
    classes: tuple[str, ...]
    items: Sequence[Any]
    read: Callable[[Any], list[Clip]]
    splits: Callable[[list[str]], Splits]
    normalization: Normalization
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
