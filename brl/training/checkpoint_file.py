"""Checkpoints on disk: the last two of a training, each after the SHA-256 of its content."""

import errno
import hashlib
import os
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from brl.support.errors import NotWritten
from brl.support.files import written_whole
from brl.training.distributed import is_first

BEFORE, DAMAGED = ".before", ".damaged"
FULL = (errno.ENOSPC, errno.EDQUOT)
DIGEST_BYTES = hashlib.sha256().digest_size


def before(path: Path) -> Path:
    """The file of the checkpoint before the last one, which is at `path`."""
    return path.with_suffix(BEFORE)


def kept(path: Path) -> list[Path]:
    """The checkpoints of a training that are there, the last one first."""
    return [file for file in (path, before(path)) if file.exists()]


def checkpoint_files(folder: Path) -> list[Path]:
    """All checkpoints in a folder, and what is left of damaged ones."""
    return [file for file in sorted(folder.glob("*")) if file.suffix in (".pt", BEFORE, DAMAGED)]


def try_to_write(path: Path, content: dict[str, Any], *, tells: bool) -> bool:
    """Writes a checkpoint if the disk takes it: a full one must not end the training.

    tells: whether to say so if not. Returns whether it is written.
    """
    try:
        write_checkpoint(path, content)
    except NotWritten as error:
        if tells:
            print(
                f"warning: {path}: not written: {error.strerror}; the training goes on, and tries "
                "again after each epoch; interrupted, it would resume from the checkpoint before",
                file=sys.stderr,
                flush=True,
            )
        return False
    return True


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Writes a checkpoint; the one that was there becomes the one before.

    Where two have room but not three, the one before makes room first. Raises NotWritten where the
    disk does not take it; the last one is still there then.
    """
    buffer = BytesIO()
    torch.save(content, buffer)
    try:
        _write(path, buffer)
    except NotWritten as error:
        if error.errno not in FULL or not before(path).exists() or not path.exists():
            raise
        before(path).unlink()
        _write(path, buffer)


def _write(path: Path, buffer: BytesIO) -> None:
    with written_whole(path) as unfinished:
        with unfinished.open("wb") as file:
            file.write(hashlib.sha256(buffer.getbuffer()).digest())
            file.write(buffer.getbuffer())
        if path.exists():
            os.replace(path, before(path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU; ValueError where it is damaged. Runs no code."""
    try:
        whole = path.read_bytes()
    except OSError as error:
        if error.errno != errno.EIO:  # a bad sector
            raise
        raise ValueError("the disk cannot read it") from error
    content = memoryview(whole)[DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != whole[:DIGEST_BYTES]:
        raise ValueError("it does not match its checksum")
    return torch.load(BytesIO(content), map_location="cpu", weights_only=True)


def set_aside(path: Path, why: Exception) -> None:
    """Renames a checkpoint from which no training can resume, and says so in a line.

    Of several processes only the first does.
    """
    if is_first():
        aside = path.with_name(f"{path.name}{DAMAGED}")
        os.replace(path, aside)
        reason = str(why).partition("\n")[0] or type(why).__name__
        print(
            f"{path}: no training can resume from it: {reason}; now {aside.name}", file=sys.stderr
        )


def remove_checkpoints(path: Path) -> None:
    """Removes the checkpoints of a finished training; damaged ones stay, for `brl clean`."""
    for file in (before(path), path):
        file.unlink(missing_ok=True)
