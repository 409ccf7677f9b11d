"""Reads zip files of clips in place: nothing is unpacked to disk."""

import zipfile
import zlib
from functools import lru_cache
from pathlib import Path, PurePosixPath

from brl.support.errors import UserError

# What zipfile raises for a file that is not a zip, is cut off, or is damaged in content or names.
# An encrypted file, or an unknown compression method, is a RuntimeError.
UNREADABLE = (
    zipfile.BadZipFile,
    OSError,
    EOFError,
    zlib.error,
    UnicodeDecodeError,
    RuntimeError,
)


def members(path: Path) -> list[str]:
    """Names of the files in a zip. Raises UserError where it is damaged or a path is unsafe."""
    try:
        names = _opened(path, path.stat().st_mtime_ns).namelist()
    except UNREADABLE as error:
        raise UserError(f"{path.name}: not a whole zip file ({error})") from error
    for name in names:
        inner = PurePosixPath(name.replace("\\", "/"))
        if inner.is_absolute() or ".." in inner.parts or not name.isprintable():
            raise UserError(f"{path.name}: unsafe path {name!r} in it; download the file again")
    return [name for name in names if not name.endswith("/")]


def member(path: Path, name: str) -> bytes:
    """The content of one file in a zip. Raises UserError where it is missing or damaged."""
    try:
        return _opened(path, path.stat().st_mtime_ns).read(name)
    except (*UNREADABLE, KeyError) as error:
        raise UserError(f"{path.name}: {name}: cannot be read ({error})") from error


@lru_cache(maxsize=4)
def _opened(path: Path, _modified: int) -> zipfile.ZipFile:
    """Opens a zip once per process: listing many thousand files takes long.

    _modified: time of the last change, so that a changed file is opened again.
    """
    return zipfile.ZipFile(path)
