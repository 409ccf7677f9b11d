"""Files that a call reads and writes where workers do not share the folder of the project.

A worker's answer brings its results. The scheduler holds the checkpoint of an unfinished call, so
that another worker can resume it.
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
    """Starts from the checkpoint that the scheduler holds, if any, and uploads new ones."""
    kept = Variable(checkpoint.name, client=get_client())
    with suppress(TimeoutError):
        unpack({str(checkpoint.relative_to(project_root())): kept.get(timeout=0.1)})
    ended = threading.Event()
    uploads = threading.Thread(target=_upload, args=(checkpoint, kept, ended), daemon=True)
    uploads.start()
    try:
        yield
        kept.delete()
    finally:
        ended.set()
        uploads.join()


def _upload(checkpoint: Path, kept: Variable, ended: threading.Event) -> None:
    uploaded = None
    while not ended.wait(SECONDS_BETWEEN_LOOKS):
        with suppress(FileNotFoundError):
            written = checkpoint.stat().st_mtime_ns
            if written != uploaded:
                kept.set(checkpoint.read_bytes())
                uploaded = written
