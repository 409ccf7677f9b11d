"""The store of pictures: what streams of pictures see of the clips.

A store is a folder:
- `NAME.rows`, for each input: the kept pictures of all clips, end to end, (R, H, W, C) uint8 or
  little-endian uint16 without a header, read as a memory map.
- `index.npz`: for each input one entry per clip, and the CRC-32 of each block of its rows.
- `meta.json`: shape and type of each input's rows, and digests.

Files are held by each other as in the clip store (`brl/clips/store.py`). Entries are in the order
of the clip store. Joint frame t of a clip is shown by the kept picture
clamp(round((t - offset) * rate), 0, n - 1).
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from brl.clips.blocks import Crcs, first_damaged, some_blocks
from brl.clips.described import read_described, write_meta
from brl.pictures.form import Form
from brl.support.errors import Damaged, UserError
from brl.support.files import written_whole


class Kept(NamedTuple):
    """What is kept of a clip: pictures (n, H, W, C), n >= 1, and when they were taken."""

    pictures: np.ndarray
    rate: float
    offset: float


@dataclass(frozen=True)
class Pictures:
    """The pictures of N clips in one input.

    path     the file of the rows
    shape    (R, H, W, C) of the rows
    type     of their numbers
    starts   (N,) int64, first row of each clip
    counts   (N,) int64, pictures n of each clip; 0: it has none
    rates    (N,) float64, kept pictures per joint frame
    offsets  (N,) float64, the joint frame at which the first one is taken
    crcs     (B,) uint32, CRC-32 of the blocks of the rows
    """

    path: Path
    shape: tuple[int, int, int, int]
    type: np.dtype
    starts: np.ndarray
    counts: np.ndarray
    rates: np.ndarray
    offsets: np.ndarray
    crcs: np.ndarray

    @property
    def present(self) -> np.ndarray:
        """Which clips have pictures, (N,) bool."""
        return self.counts > 0

    @cached_property
    def rows(self) -> np.ndarray:
        """All rows, (R, H, W, C), as a copy-on-write memory map, which torch may share.

        Raises UserError where the file has another size, or one of a few blocks is damaged.
        """
        size, expected = self.path.stat().st_size, math.prod(self.shape) * self.type.itemsize
        if size != expected:
            raise Damaged(self.path, f"{size:,} bytes, which must be {expected:,}")
        if not size:  # an empty file cannot be mapped
            return np.zeros(self.shape, self.type)
        rows = np.memmap(self.path, self.type, mode="c", shape=self.shape)
        self._compare(rows, some_blocks(len(self.crcs)))
        return rows

    def of(self, clips: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """The pictures that show joint frames (N, T) of clips (N,): (N, T, H, W, C).

        Those of a clip without pictures are zero.
        """
        present = self.present[clips]
        if not present.any():
            return np.zeros((*frames.shape, *self.shape[1:]), self.type)
        rates, offsets, counts, starts = (
            column[clips][:, None]
            for column in (self.rates, self.offsets, self.counts, self.starts)
        )
        numbers = np.clip(np.rint((frames - offsets) * rates), 0, counts - 1).astype(np.int64)
        numbers[~present] = 0
        # An absent clip at the end starts behind the last row.
        shown = np.take(self.rows, np.minimum(starts + numbers, self.shape[0] - 1), axis=0)
        shown[~present] = 0
        return np.asarray(shown)

    def check(self) -> None:
        """Compares all rows with their checksums; raises UserError where they are damaged."""
        self._compare(self.rows, range(len(self.crcs)))

    def _compare(self, rows: np.ndarray, blocks: Iterable[int]) -> None:
        """Raises UserError for the first of these blocks of the rows that is damaged."""
        damaged = first_damaged(rows, self.crcs, blocks)
        if damaged is not None:
            place = f"block {damaged + 1} of {len(self.crcs)}"
            raise Damaged(self.path, f"{place} does not match its checksum")


@dataclass(frozen=True)
class PictureStore:
    """An open store of pictures.

    folder  the store's folder
    meta    the content of meta.json
    inputs  name -> its pictures
    """

    folder: Path
    meta: dict[str, Any]
    inputs: dict[str, Pictures]

    @classmethod
    def open(cls, folder: Path) -> "PictureStore":
        """Opens a store; the rows of an input are mapped on first use.

        Raises UserError where meta.json or index.npz is damaged.
        """
        meta, columns = read_described(folder, "pictures")
        inputs = {
            name: Pictures(
                _rows_file(folder, name),
                tuple(each["rows"]),
                np.dtype(each["type"]),
                **{key: columns[f"{name}/{key}"] for key in (*COLUMNS, "crcs")},
            )
            for name, each in meta["inputs"].items()
        }
        return cls(folder, meta, inputs)

    def pictures(self, name: str) -> Pictures:
        """The pictures of an input. Raises UserError where there is no such input."""
        if name not in self.inputs:
            known = ", ".join(self.inputs) or "none"
            raise UserError(f"params.yaml: pictures has no input {name!r}; known: {known}")
        return self.inputs[name]

    def digest(self, name: str) -> str:
        """The hash of the pictures of an input, and of what tells which shows what."""
        self.pictures(name)
        return str(self.meta["inputs"][name]["digest"])

    def check(self) -> None:
        """Compares the rows of all inputs with their checksums; raises UserError for damage."""
        for pictures in self.inputs.values():
            pictures.check()


COLUMNS = {"starts": np.int64, "counts": np.int64, "rates": np.float64, "offsets": np.float64}


def write_pictures(
    folder: Path, inputs: Mapping[str, tuple[Form, Iterable[Kept | None]]], clips: str = ""
) -> None:
    """Writes the pictures of all clips to a store, clip by clip: they are never all in memory.

    inputs: name -> the form of its pictures, and what is kept of each clip, in the clip store's
    order; None: the clip has no pictures. clips: the digest of the clip store.
    The store is written whole or, on an error, not at all.
    """
    with written_whole(folder) as unfinished:
        unfinished.mkdir()
        index: dict[str, np.ndarray] = {}
        described: dict[str, Any] = {}
        for name, (form, kept) in inputs.items():
            digest = hashlib.sha256()
            columns = _write_rows(_rows_file(unfinished, name), form, kept, digest)
            index |= {f"{name}/{key}": column for key, column in columns.items()}
            described[name] = {
                "rows": [int(columns["counts"].sum()), *form.shape],
                "type": form.type.str,
                "digest": digest.hexdigest(),
            }
        np.savez(unfinished / "index.npz", **index)  # type: ignore[arg-type]  # all are arrays
        write_meta(unfinished, {"inputs": described, "clips": clips})


def _write_rows(
    path: Path, form: Form, kept: Iterable[Kept | None], digest: "hashlib._Hash"
) -> dict[str, np.ndarray]:
    """Writes an input's rows, and adds them and their index to the digest; returns the columns."""
    crcs, start = Crcs(), 0
    entries: list[tuple[int, int, float, float]] = []
    with path.open("wb") as file:
        for each in kept:
            if each is None:
                entries.append((start, 0, 0.0, 0.0))
                continue
            pictures = np.ascontiguousarray(each.pictures, dtype=form.type)
            assert len(pictures) and pictures.shape[1:] == form.shape
            file.write(pictures.data)
            digest.update(pictures.data)
            crcs.update(pictures)
            entries.append((start, len(pictures), each.rate, each.offset))
            start += len(pictures)
    values = list(zip(*entries, strict=True)) or [()] * len(COLUMNS)
    columns = {
        key: np.array(column, dtype)
        for (key, dtype), column in zip(COLUMNS.items(), values, strict=True)
    }
    for column in columns.values():
        digest.update(column.tobytes())
    return columns | {"crcs": crcs.of_blocks()}


def _rows_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.rows"
