"""Fetches zip files of clips, and reads them in place: nothing is unpacked to disk."""

import re
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from brl.fetching.fetch import fetch_file
from brl.support.errors import UserError
from brl.support.text import shown

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


LARGEST_MEMBER, LARGEST_ARCHIVE = 2**28, 2**30  # bytes, unpacked
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class ClipArchive:
    """A zip with one file per clip, as the authors of a dataset publish it.

    No checksum is published, and copies differ in their bytes. Checked instead are the CRC of every
    file in the zip, and the number of clips.

    name       its file name
    clip_file  pattern of the clips' paths in it
    num_clips  number of clips in it
    address    its published URL; None if it must be fetched by hand, as `by_hand` then says
    """

    name: str
    clip_file: re.Pattern[str]
    num_clips: int
    address: str | None
    by_hand: str = ""

    def fetch(self, folder: Path, mirror: str | None) -> None:
        """Fetches the zip into `folder`. Raises UserError where it is damaged or incomplete."""
        origin = mirror or self.address

        def check(archive: Path) -> None:
            try:
                with zipfile.ZipFile(archive) as opened:
                    _check_sizes(opened, f"{self.name} from {origin}")
                    damaged, names = opened.testzip(), opened.namelist()
            except UNREADABLE as error:
                raise UserError(
                    f"{self.name} from {origin}: not a whole zip file ({error})"
                ) from error
            if damaged is not None:
                raise UserError(f"{self.name} from {origin}: the file {damaged} in it is damaged")
            num_clips = sum(self.clip_file.fullmatch(name) is not None for name in names)
            if num_clips != self.num_clips:
                raise UserError(
                    f"{self.name} from {origin}: holds {num_clips} clips; must be {self.num_clips}"
                )

        fetch_file(self.name, self.address, mirror, folder, by_hand=self.by_hand, check=check)

    def clip_files(self, folder: Path) -> list[str]:
        """Paths of the clips in the zip, which is in `folder`, sorted."""
        return sorted(
            name for name in members(folder / self.name) if self.clip_file.fullmatch(name)
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
        opened = _opened(path, path.stat().st_mtime_ns)
        return unpacked(opened, name, f"{path.name}: {name}")
    except (*UNREADABLE, KeyError) as error:
        raise UserError(f"{path.name}: {name}: cannot be read ({error})") from error


def unpacked(archive: zipfile.ZipFile, name: str, where: str) -> bytes:
    """The content of one file in a zip; no more than its declared size is unpacked.

    Raises UserError for one larger than 256 MB, and one of `UNREADABLE` for a damaged one.
    """
    entry = archive.getinfo(name)
    _check_method(entry, where)
    if entry.file_size > LARGEST_MEMBER:
        raise UserError(f"{where}: {entry.file_size} bytes; must be {LARGEST_MEMBER} or fewer")
    with archive.open(entry) as stream:
        content = stream.read(entry.file_size)
        stream.read(1)  # at the end, the checksum is compared
    if len(content) != entry.file_size:
        raise zipfile.BadZipFile(f"{len(content)} of {entry.file_size} bytes")
    return content


def _check_sizes(archive: zipfile.ZipFile, where: str) -> None:
    """Raises UserError where a small zip would take for ever to unpack."""
    check_methods(archive, where)
    size = sum(entry.file_size for entry in archive.infolist())
    if size > LARGEST_ARCHIVE:
        raise UserError(f"{where}: {size} bytes unpacked; must be {LARGEST_ARCHIVE} or fewer")


def check_methods(archive: zipfile.ZipFile, where: str) -> None:
    """Raises UserError where a file is compressed so that a small part unpacks without a bound."""
    for entry in archive.infolist():
        _check_method(entry, f"{where}: {shown(entry.filename)}")


def _check_method(entry: zipfile.ZipInfo, where: str) -> None:
    if entry.compress_type not in METHODS:
        raise UserError(f"{where}: compressed by another method than deflate; pack it by zip")


@lru_cache(maxsize=4)
def _opened(path: Path, _modified: int) -> zipfile.ZipFile:
    """Opens a zip once per process: listing many thousand files takes long.

    _modified: time of the last change, so that a changed file is opened again.
    """
    return zipfile.ZipFile(path)
