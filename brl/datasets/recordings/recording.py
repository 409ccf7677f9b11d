"""A recording to be read, and what a format is."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from brl.clips.layout import Layout
from brl.support.errors import UserError

SPARE = 2**30  # bytes that a JSON file may take beside its own size
CONTAINER, ITEM = 184, 32  # bytes: a dictionary of few keys; a number and its place
HEAD = 65536  # bytes; enough for the first line of a table with hundreds of columns


@dataclass(frozen=True)
class Recording:
    """A file, or a folder of frames, of which formats read what they need.

    path   the file or folder
    where  the place named in error messages
    """

    path: Path
    where: str

    @cached_property
    def head(self) -> bytes:
        """The first bytes of a file; of a folder, none."""
        if self.path.is_dir():
            return b""
        with self.path.open("rb") as file:
            return file.read(HEAD)

    @cached_property
    def json(self) -> Any:
        """The content of a JSON file that holds a list or a dictionary; None for other files.

        Raises UserError where such a file is damaged.
        """
        if self.head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"[", b"{"):
            return None
        content = self.path.read_bytes()
        taken = CONTAINER * (content.count(b"[") + content.count(b"{")) + ITEM * content.count(b",")
        if taken > SPARE + len(content):
            raise UserError(f"{self.where}: would take {taken} bytes of memory; must be split")
        try:
            return json.loads(content.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise UserError(f"{self.where}: not valid JSON ({error})") from error


@dataclass(frozen=True)
class Format:
    """A format of recordings.

    name      its name in messages
    suffixes  those of its files; they tell which files of a folder are recordings
    matches   whether a recording has this format, by its content
    read      joints (M, T, V, K) in the sensor's coordinates; raises UserError, which begins with
              the recording's `where`, for a damaged file or one of another layout
    """

    name: str
    suffixes: tuple[str, ...]
    matches: Callable[[Recording], bool]
    read: Callable[[Recording, Layout], np.ndarray]


def begins_with(content: Any, *keys: str) -> bool:
    """Whether the content of a JSON file is a list that begins with a dictionary of these keys."""
    return isinstance(content, list) and bool(content) and _has(content[0], keys)


def entries(content: Any, where: str, *keys: str) -> list[dict[str, Any]]:
    """The content, a list of dictionaries with these keys. Raises UserError where it is not."""
    if not isinstance(content, list) or not all(_has(each, keys) for each in content):
        raise UserError(f"{where}: must be a list of dictionaries with {' and '.join(keys)}")
    return content


def _has(entry: Any, keys: tuple[str, ...]) -> bool:
    return isinstance(entry, dict) and entry.keys() >= set(keys)
