"""Mistakes in a user's files: functions that make them in the project's folder."""

import errno
import functools
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.own_data import STICK, write_description
from tests.web import Answer
from tests.worlds import new

Change = Callable[[Path], None]
Patch = Callable[[pytest.MonkeyPatch], None]

PAGE = "<!DOCTYPE html><html><body>Please log in</body></html>"
# The entry in checksums.json of a file that was fetched before.
OTHER_FILE = {"other.zip": {"sha256": "0" * 64, "bytes": 1, "from": "elsewhere"}}


class Case(NamedTuple):
    """A world and a change to it; the stage that stops; its message, with ` ... ` for gaps."""

    world: str
    change: Change
    stage: str
    says: str
    machine: Patch | Answer | None = None  # a fault of the machine or of the mirror


def nothing(root: Path) -> None:
    """Changes nothing: the fault is the machine's."""


def both(*changes: Change) -> Change:
    def change(root: Path) -> None:
        for each in changes:
            each(root)

    return change


def holds(path: Path | str, content: str | bytes) -> Change:
    """Writes a file with this content."""

    def change(root: Path) -> None:
        new(root / path).write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def says(path: Path | str, old: str | bytes, now: str | bytes) -> Change:
    """Replaces text everywhere in a file."""
    old, now = (each.encode() if isinstance(each, str) else each for each in (old, now))

    def change(root: Path) -> None:
        content = (root / path).read_bytes()
        assert old in content
        (root / path).write_bytes(content.replace(old, now))

    return change


def lacks(path: Path | str) -> Change:
    return lambda root: (root / path).unlink()


def is_cut(path: Path | str) -> Change:
    """Drops the second half of a file."""

    def change(root: Path) -> None:
        content = (root / path).read_bytes()
        (root / path).write_bytes(content[: len(content) // 2])

    return change


def array(path: str, content: Any) -> Change:
    return lambda root: np.save(new(root / path), content)


def described(**changes: Any) -> Change:
    """Changes keys in dataset.yaml; the value `...` removes one."""
    description = {key: value for key, value in (STICK | changes).items() if value is not ...}
    return lambda root: write_description(root / "own", description)


def params(section: str, **changes: Any) -> Change:
    def change(root: Path) -> None:
        content = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
        content[section] |= changes
        (root / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    return change


def zipped(path: Path, name: str, content: str | bytes | None, instead_of: str = "") -> Change:
    """Puts a file into a zip, instead of another one if given; content None removes the file."""

    def change(root: Path) -> None:
        with zipfile.ZipFile(root / path) as archive:
            files = {each: archive.read(each) for each in archive.namelist()}
        files.pop(instead_of, None)
        files.pop(name, None)
        with zipfile.ZipFile(root / path, "w") as archive:
            for each, old in files.items():
                archive.writestr(each, old)
            if content is not None:
                archive.writestr(name, content)

    return change


def pickled(path: Path, change: Callable[[Any], None]) -> Change:
    """Changes the content of a pickle."""

    def changed(root: Path) -> None:
        content = pickle.loads((root / path).read_bytes())
        change(content)
        (root / path).write_bytes(pickle.dumps(content))

    return changed


def first(**changes: Any) -> Callable[[dict], None]:
    """For `pickled`: changes keys in the first annotation; the value `...` removes one."""

    def change(content: dict) -> None:
        annotation = content["annotations"][0]
        annotation |= changes
        for key in [key for key, value in annotation.items() if value is ...]:
            del annotation[key]

    return change


def split(**changes: list[str] | None) -> Callable[[dict], None]:
    """For `pickled`: changes lists of clips; None removes one."""

    def change(content: dict) -> None:
        lists = content["split"] | changes
        content["split"] = {key: names for key, names in lists.items() if names is not None}

    return change


class Runs:
    """Its pickle calls a function with a text when it is loaded."""

    def __init__(self, function: Callable[[str], Any], text: str) -> None:
        self.call = function, (text,)

    def __reduce__(self) -> Any:
        return self.call


SHELL, EVAL = Runs(os.system, "touch it_ran"), Runs(eval, "open('it_ran', 'w')")


def full_disk(owner: object, function: str, file: str) -> Patch:
    """Makes `owner.function`, whose last argument is a path, fail halfway for this file."""
    write = getattr(owner, function)

    def fails(*arguments: Any, **named: Any) -> Any:
        if not any(file in Path(each).name for each in arguments if isinstance(each, str | Path)):
            return write(*arguments, **named)
        Path(arguments[-1]).write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda monkeypatch: monkeypatch.setattr(owner, function, fails)


FULL_WHEN_COPYING = functools.partial(full_disk, shutil, "copyfile")
FULL_AT_THE_INDEX = full_disk(np, "savez", "index")
FULL_AT_THE_SUBSET = full_disk(pd.DataFrame, "to_csv", "train")
