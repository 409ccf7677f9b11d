"""Files that a call reads and writes where workers do not share the folder of the project.

Results are in the worker's answer. A checkpoint lies with the scheduler while its call is not done,
so that another worker goes on with it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from distributed import Variable, get_client

from brl.support.files import project_root, written_whole

SECONDS_BETWEEN_LOOKS = 2.0
Files = dict[str, bytes]  # by their paths from the project's folder


def packed(paths: list[Path]) -> Files:
    """Files that are there, with their content."""
    root = project_root()
    return {str(path.relative_to(root)): path.read_bytes() for path in paths if path.exists()}


def unpack(files: Files) -> None:
    """Writes files to their places."""
    for name, content in files.items():
        path = project_root() / name
        if not (path.exists() and path.read_bytes() == content):
            with written_whole(path) as unfinished:
                unfinished.write_bytes(content)


@contextmanager
def mark(folder: Path) -> Iterator[str]:
    """The name of a file in a folder, by which others see whether they have the same folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{token_hex(8)}.mark"
    path.touch()
    try:
        yield path.name
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def carried(checkpoint: Path) -> Iterator[None]:
    """Takes a checkpoint from the scheduler, if one lies there, and brings new ones to it."""
    kept = Variable(checkpoint.name, client=get_client())
    with suppress(TimeoutError):
        unpack({str(checkpoint.relative_to(project_root())): kept.get(timeout=0.1)})
    ended = threading.Event()
    carrier = threading.Thread(target=_carry, args=(checkpoint, kept, ended), daemon=True)
    carrier.start()
    try:
        yield
        kept.delete()
    finally:
        ended.set()
        carrier.join()


def _carry(checkpoint: Path, kept: Variable, ended: threading.Event) -> None:
    brought = None
    while not ended.wait(SECONDS_BETWEEN_LOOKS):
        with suppress(FileNotFoundError):
            written = checkpoint.stat().st_mtime_ns
            if written != brought:
                kept.set(checkpoint.read_bytes())
                brought = written
