"""Atomic writes, file hashes, the project's root, and the code that a stage depends on."""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

import yaml

from brl.support.errors import NotWritten
from brl.support.locks import Lock
from brl.support.text import in_spreadsheet

if TYPE_CHECKING:
    import pandas as pd

# The folder in which something is being written, beside its place: 16 letters keep two apart.
UNFINISHED = re.compile(r"\..+\.[0-9a-f]{16}\.partial")
LONGEST_STEM = 40  # letters; names of files have 255 bytes
# What a disk says without naming the file; the others name it.
OF_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES)


def project_root() -> Path:
    """The project's folder, also where DVC runs a stage in a temporary copy of it."""
    return Path(os.environ.get("DVC_ROOT", Path.cwd()))


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def network_code(name: str) -> Path:
    """The code of a network, by its name in params.yaml."""
    return Path("brl/models") / f"{name}.py"


def stage_code(stage: str, network: str) -> list[Path]:
    """The code files that a stage depends on: those in dvc.yaml, and its network's.

    stage: its name in dvc.yaml. network: its name in params.yaml.
    """
    stages = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    definition = stages[stage].get("do", stages[stage])  # `do`: it runs once per stream
    deps = [*map(Path, definition["deps"]), network_code(network)]
    code = [dep for dep in deps if dep.parts[0] in ("brl", "stages")]
    return [file for dep in code for file in (sorted(dep.rglob("*.py")) if dep.is_dir() else [dep])]


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yields a temporary path, which becomes `path` when the block ends without an error.

    It has the same name, in a folder `.STEM.TOKEN.partial` beside `path`, so that the final step is
    an atomic rename. Before it all bytes are on disk: a power cut leaves the old content or the new
    one. Missing parent folders are created. On an error the folder is removed and `path` stays as
    it was. The folder is locked: what a killed process left is removed by the next one that writes
    beside it. A file does not replace a folder, nor a folder a file.

    Raises NotWritten where the disk does not take it, also if the block found that out.
    """
    workshop = path.with_name(f".{path.stem[:LONGEST_STEM]}.{token_hex(8)}.partial")
    unfinished, lock = workshop / path.name, Lock(workshop)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path.parent.absolute())
        lock.take()
        try:
            workshop.mkdir()
            yield unfinished
            _put_in_place(unfinished, path)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
            lock.give_back()
    except OSError as error:
        place = _not_written(error, unfinished, path)
        if place is None:
            raise
        raise NotWritten(error.errno, error.strerror, str(place)) from error


def _put_in_place(unfinished: Path, path: Path) -> None:
    """Renames a finished file or folder; a folder replaces its earlier version."""
    for each in (*unfinished.rglob("*"), unfinished):
        _to_disk(each)
    former = unfinished.with_name(".former")
    replaces = unfinished.is_dir() and path.is_dir()
    if replaces:
        os.replace(path, former)
    try:
        os.replace(unfinished, path)
    except OSError:
        if replaces:
            os.replace(former, path)
        raise
    _to_disk(path.parent)


def _not_written(error: OSError, unfinished: Path, path: Path) -> Path | None:
    """What could not be written of `path`, a file or a file in it; None: the error is of another.

    Many errors of a full disk name no file.
    """
    names = [name for name in (error.filename, error.filename2) if isinstance(name, str | Path)]
    if not names:
        return path if error.errno in OF_DISK else None
    workshop = unfinished.parent.absolute()
    for name in map(Path, map(os.path.abspath, names)):
        if name.is_relative_to(unfinished.absolute()):
            return path / name.relative_to(unfinished.absolute())
        if name in (workshop, Lock(workshop).path, path.absolute(), *path.absolute().parents):
            return path
    return None


@cache
def _remove_leftovers(folder: Path) -> None:
    """Removes what killed processes left unfinished in a folder; a process looks once."""
    for left in folder.glob(".*.partial*"):
        workshop = left.with_name(left.name.removesuffix(".lock"))
        lock = Lock(workshop)
        with suppress(OSError):  # of another user
            if UNFINISHED.fullmatch(workshop.name) and lock.take():
                shutil.rmtree(workshop, ignore_errors=True)
                lock.give_back()


def is_unfinished(path: Path) -> bool:
    """Whether a path is, or lies in, what a process writes or was killed while it wrote."""
    return any(map(UNFINISHED.fullmatch, path.parts))


def _to_disk(path: Path) -> None:
    """Returns when what was written to a file, or the names in a folder, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_csv(table: "pd.DataFrame", path: Path) -> None:
    """Writes a table as CSV, without its index, whole or not at all."""
    with written_whole(path) as unfinished:
        table.to_csv(unfinished, index=False)


def write_report(table: "pd.DataFrame", path: Path) -> None:
    """Writes a table that people open in a spreadsheet: see `in_spreadsheet`.

    Tables that are read back by their names are written as they are.
    """
    write_csv(table.map(in_spreadsheet), path)
