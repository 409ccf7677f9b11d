"""Zip files of clips, read in place: nothing is ever unpacked to disk."""

import zipfile
import zlib
from functools import lru_cache
from pathlib import Path, PurePosixPath

from brl.support.errors import UserError

# What zipfile raises: not a zip, cut off, damaged inside or in a name, encrypted or of another kind
# (both RuntimeErrors).
UNREADABLE = (
    zipfile.BadZipFile,
    OSError,
    EOFError,
    zlib.error,
    UnicodeDecodeError,
    RuntimeError,
)


def members(path: Path) -> list[str]:
    """Names of the files in a zip; UserError where it is none, or a name leads out of it."""
    try:
        names = _opened(path, path.stat().st_mtime_ns).namelist()
    except UNREADABLE as error:
        raise UserError(f"{path.name}: not a whole zip file ({error})") from error
    for name in names:
        way = PurePosixPath(name.replace("\\", "/"))
        if way.is_absolute() or ".." in way.parts or not name.isprintable():
            raise UserError(f"{path.name}: unsafe path {name!r} in it; get the file anew")
    return [name for name in names if not name.endswith("/")]


def member(path: Path, name: str) -> bytes:
    """A file's content; UserError, naming it, where it is damaged."""
    try:
        return _opened(path, path.stat().st_mtime_ns).read(name)
    except (*UNREADABLE, KeyError) as error:
        raise UserError(f"{path.name}: {name}: cannot be read ({error})") from error


@lru_cache(maxsize=4)
def _opened(path: Path, changed: int) -> zipfile.ZipFile:
    """Opened once a process: reading the list of many thousand files takes a while."""
    return zipfile.ZipFile(path)
