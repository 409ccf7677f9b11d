"""Atomic writes, file hashes, the project's root, and the code that a stage depends on."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from brl.support.text import in_spreadsheet

if TYPE_CHECKING:
    import pandas as pd


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

    It lies in the same folder, so that the final step is an atomic rename. Before it all bytes are
    on disk: a power cut leaves the old content or the new one. Missing parent folders are created.
    On an error the temporary file or folder is removed and `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: numpy and matplotlib choose the format by it.
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    try:
        yield temporary
        for each in (*temporary.rglob("*"), temporary):
            _to_disk(each)
        if path.is_dir():
            shutil.rmtree(path)
        os.replace(temporary, path)
        _to_disk(path.parent)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


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
