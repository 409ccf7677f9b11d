"""A disk that fails at the n-th operation which writes below a folder, in this process.

Files that Python opens for writing fail as real ones do: what is buffered fails at the flush.
"""

import builtins
import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ERRORS = (errno.ENOSPC, errno.EACCES, errno.EIO)
# Of these, a lack of permission says something; what is open already can be written.
BY_NAME = ("open", "mkdir", "rename")


class FailingDisk:
    """Operations below `root` are counted; that of number `at`, from 1 on, fails with `code`.

    failed   what failed and where; None: nothing has
    lasting  whether all later operations of this kind fail too, as on a disk that stays full
    """

    def __init__(self, root: Path, at: int, code: int, *, lasting: bool = False) -> None:
        self.root, self.at, self.code, self.lasting = root.resolve(), at, code, lasting
        self.count = 0
        self.failed: tuple[str, Path] | None = None

    def meets(self, kind: str, place: Any, *source: Any) -> None:
        """Counts an operation on a path or a descriptor; raises OSError if it is to fail."""
        if isinstance(place, int):
            place, named = os.readlink(f"/proc/self/fd/{place}"), ()
        else:  # of a rename, the source is named first
            named = (*source, None, place) if source else (place,)
        path = Path(os.path.abspath(os.fsdecode(place)))
        if not path.is_relative_to(self.root) or (
            self.code == errno.EACCES and kind not in BY_NAME
        ):
            return
        self.count += 1
        if self.count == self.at or (self.lasting and self.count > self.at):
            self.failed = self.failed or (kind, path)
            raise OSError(self.code, os.strerror(self.code), *named)


class Raw(io.FileIO):
    """An unbuffered file on a failing disk."""

    def __init__(self, file: Any, mode: str, opener: Any, disk: FailingDisk) -> None:
        super().__init__(file, mode, opener=opener)
        self.disk = disk

    def write(self, content: Any) -> int:
        self.disk.meets("write", self.fileno())
        return super().write(content)


def opened(disk: FailingDisk, file: Any, mode: str, opener: Any, text: dict[str, Any]) -> Any:
    """A file that is written, as `open` would return it."""
    if not isinstance(file, int):
        disk.meets("open", file)
    raw = Raw(file, mode.replace("b", "").replace("t", ""), opener, disk)
    buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
    return buffered if "b" in mode else io.TextIOWrapper(buffered, **text)


@contextmanager
def failing(disk: FailingDisk) -> Iterator[FailingDisk]:
    """Has the disk fail during the block."""
    real_open = io.open

    def open_file(
        file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None,
        newline: Any = None, closefd: bool = True, opener: Any = None,
    ) -> Any:  # fmt: skip
        if not set("wax+") & set(mode) or not closefd:
            return real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        text = {"encoding": encoding, "errors": errors, "newline": newline}
        return opened(disk, file, mode, opener, text)

    def watched(kind: str, name: str, place: int = 0) -> None:
        function = getattr(os, name)

        def call(*arguments: Any, **named: Any) -> Any:
            if name == "open":
                writes = arguments[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            else:
                writes = name != "mkdir" or not os.path.lexists(arguments[0])
            if writes:
                disk.meets(kind, arguments[place], *arguments[:place])
            return function(*arguments, **named)

        patch.setattr(os, name, call)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "open", open_file)
        patch.setattr(io, "open", open_file)
        watched("open", "open")
        for name in ("write", "fsync", "sendfile", "truncate"):
            watched("write", name)
        watched("mkdir", "mkdir")
        for name in ("replace", "rename"):
            watched("rename", name, place=1)
        yield disk


def contents(root: Path) -> dict[Path, bytes]:
    """The files below a folder, without what lies behind links."""
    return {
        Path(folder, name): Path(folder, name).read_bytes()
        for folder, _, names in os.walk(root)
        for name in names
        if not Path(folder, name).is_symlink()
    }


def restore(root: Path, before: dict[Path, bytes]) -> None:
    """Brings the files below a folder back; no empty folder stays."""
    for path in contents(root).keys() - before.keys():
        path.unlink()
    for folder in sorted((each for each in root.rglob("*") if each.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    for path, content in before.items():
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
