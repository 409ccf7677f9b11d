"""The interface through which a dataset enters the pipeline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from brl.clips.clip import Clip, Splits
from brl.clips.layout import Layout
from brl.clips.normalize import Normalization


@dataclass(frozen=True)
class Dataset:
    """A dataset whose raw files are in a folder.

    layout         skeleton layout of all clips
    classes        class names in label order
    items          the units of reading, such as files, in the store's order
    read           item -> its clips; none if the recording is known to be unusable
    splits         names of all clips that were read -> the splits
    normalization  the rule by which the joints are normalised
    final          the split whose test clips, and copies of them, are tested in no other split
    parallel       whether several processes should read items; items and functions are picklable
    left_out       how many recordings are not among the items because the field leaves them out
    """

    layout: Layout
    classes: tuple[str, ...]
    items: Sequence[Any]
    read: Callable[[Any], list[Clip]]
    splits: Callable[[list[str]], Splits]
    normalization: Normalization
    final: str | None = None
    parallel: bool = False
    left_out: int = 0


class Contents(NamedTuple):
    """What a dataset's clips show: their skeleton layout, and all classes in label order."""

    layout: Layout
    classes: tuple[str, ...]


def _unknown(_name: str) -> None:
    return None


@dataclass(frozen=True)
class Listed:
    """What the names of clips tell, before anything is fetched.

    splits    the clips of each part, where a list names them
    label_of  name -> label, where the name tells it
    """

    splits: Splits = field(default_factory=dict)
    label_of: Callable[[str], int | None] = _unknown


def always(layout: Layout, classes: tuple[str, ...]) -> Callable[[str | None], Contents]:
    """The contents of a dataset that has the same ones everywhere."""
    return lambda _mirror: Contents(layout, classes)


@dataclass(frozen=True)
class Source:
    """The origin of a dataset.

    splits    names of its splits; empty if only the data name them
    fetch     (folder, mirror or None): fetches the raw files into the folder
    open      folder -> the fetched dataset
    contents  mirror or None -> layout and classes, before anything is fetched
    listed    mirror or None -> what the names of clips tell
    check     mirror or None: raises UserError for mistakes in it, before any stage runs
    """

    splits: tuple[str, ...]
    fetch: Callable[[Path, str | None], None]
    open: Callable[[Path], Dataset]
    contents: Callable[[str | None], Contents]
    listed: Callable[[str | None], Listed] = lambda _mirror: Listed()
    check: Callable[[str | None], None] = lambda _mirror: None
