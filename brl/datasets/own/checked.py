"""Remembers which recordings were read without a fault: until one changes, it is not read again."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import brl
from brl.clips.layout import Layout
from brl.support.files import project_root, written_whole

RECORD = Path("data/checked.json")
ROOMS = ("clips", "datasets")  # whose code reads recordings
PACKAGES = ("numpy", "pandas", "scipy", "bvh", "c3d")  # that it uses


@contextmanager
def remembered(folder: Path, layout: Layout, states: dict[str, str]) -> Iterator[dict[str, str]]:
    """Yields the files of which a check is remembered that is still right, with their states.

    states: the state of every file now, by its path in the folder, as `state_of` gives it. Files
    that are added to the dictionary are remembered, also if the block ends with an error. Another
    folder, another layout, and other code or packages forget all.
    """
    record, reader = project_root() / RECORD, reader_of(folder, layout)
    known: dict[str, Any] = {}
    with suppress(FileNotFoundError, ValueError):
        known = json.loads(record.read_text(encoding="utf-8"))
    before = known.get("files", {}) if known.get("reader") == reader else {}
    checked = {file: state for file, state in states.items() if before.get(file) == state}
    try:
        yield checked
    finally:
        if checked != before:
            with written_whole(record) as unfinished:
                content = json.dumps({"reader": reader, "files": checked})
                unfinished.write_text(content, encoding="utf-8")


def state_of(path: Path) -> str:
    """Size and time of modification of a file; of a folder, a hash of those of all its files."""
    if not path.is_dir():
        return _state(path.stat())
    with os.scandir(path) as entries:
        states = sorted(
            f"{entry.name} {_state(entry.stat())}" for entry in entries if entry.name[0] != "."
        )
    return hashlib.sha256("\n".join(states).encode(errors="surrogateescape")).hexdigest()


def _state(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}"


def reader_of(folder: Path, layout: Layout) -> str:
    """A hash of all that a check depends on beside the recordings."""
    package = Path(brl.__file__).parent
    digest = hashlib.sha256(repr((str(folder), layout, *map(_version, PACKAGES))).encode())
    for file in sorted(file for room in ROOMS for file in (package / room).rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
