"""The clip store: the only data format after the stage `prepare`.

A store is a folder of three files:
- `rows.f32`: the frames of all bodies, end to end, (R, V, K) float32 without a header, read as a
  memory map.
- `index.npz`: one entry per clip, and for each part of each split the indices of its clips, in the
  split's own order.
- `meta.json`: dataset, layout, normalisation, shape of the rows, class names, splits and digest.

Each file is held by another one: meta.json has its own checksum and that of index.npz, which has a
CRC-32 of each block of the rows. Opening compares the first two, mapping the rows a few blocks.

Body m of a clip occupies rows start + m * frames up to start + (m + 1) * frames. A body that a clip
does not have takes no space (`brl/clips/presence.py`).
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from brl.clips.blocks import Crcs, first_damaged, some_blocks
from brl.clips.clip import PARTS, Clip, Part, Splits
from brl.clips.described import read_described, write_meta
from brl.clips.layout import Layout
from brl.clips.layouts import LAYOUTS
from brl.clips.normalize import Normalization
from brl.support.errors import Damaged, UserError
from brl.support.files import written_whole


@dataclass(frozen=True)
class ClipStore:
    """An open clip store of N clips.

    folder  the store's folder
    meta    the content of meta.json
    names   (N,) str
    labels  (N,) int64, class indices from 0
    starts  (N,) int64, first row of each clip
    frames  (N,) int64, frames T of each clip
    bodies  (N,) int64, bodies M of each clip
    crcs    (B,) uint32, CRC-32 of the blocks of rows.f32
    parts   (split, part) -> (n,) int64, indices of its clips in the split's own order
    """

    folder: Path
    meta: dict[str, Any]
    names: np.ndarray
    labels: np.ndarray
    starts: np.ndarray
    frames: np.ndarray
    bodies: np.ndarray
    crcs: np.ndarray
    parts: dict[tuple[str, Part], np.ndarray]

    @classmethod
    def open(cls, folder: Path) -> "ClipStore":
        """Opens a store; the rows are mapped on first use.

        Raises UserError where meta.json or index.npz is damaged.
        """
        meta, columns = read_described(folder, "a store")
        parts = {
            (split, part): columns.pop(f"split/{split}/{part}")
            for split in meta["splits"]
            for part in PARTS
        }
        return cls(folder=folder, meta=meta, parts=parts, **columns)

    @cached_property
    def layout(self) -> Layout:
        """The skeleton layout of all clips."""
        return TypeAdapter(Layout).validate_python(self.meta["layout"])

    @property
    def classes(self) -> list[str]:
        """Class names in label order."""
        return self.meta["classes"]

    @cached_property
    def normalization(self) -> Normalization:
        """The rule by which the recordings were normalised."""
        return Normalization(**self.meta["normalization"])

    @property
    def max_bodies(self) -> int:
        """M: the largest number of bodies of any clip."""
        return int(self.bodies.max())

    @property
    def channels(self) -> int:
        """Number of channels K of a joint."""
        return self.meta["rows"][2]

    @property
    def digest(self) -> str:
        """Hash of rows, index, layout and classes: equal stores have equal digests."""
        return self.meta["digest"]

    @cached_property
    def rows(self) -> np.ndarray:
        """All rows, (R, V, K) float32, as a copy-on-write memory map, which torch may share.

        Raises UserError where the file has another size, or one of a few blocks is damaged.
        """
        path, shape = self.folder / "rows.f32", tuple(self.meta["rows"])
        size, expected = path.stat().st_size, math.prod(shape) * np.dtype(np.float32).itemsize
        if size != expected:
            raise Damaged(path, f"{size:,} bytes, which must be {expected:,}")
        rows = np.memmap(path, dtype=np.float32, mode="c", shape=shape)
        self._compare(rows, some_blocks(len(self.crcs)))
        return rows

    def joints(self, clip: int) -> np.ndarray:
        """The joints (M, T, V, K) of the clip with this index."""
        bodies, frames, start = self.bodies[clip], self.frames[clip], self.starts[clip]
        rows = self.rows[start : start + bodies * frames]
        return np.array(rows).reshape(bodies, frames, *rows.shape[1:])

    def part(self, split: str, part: Part) -> np.ndarray:
        """Indices of a part's clips in the split's own order, (n,) int64.

        Raises UserError where the dataset has no such split.
        """
        if (split, part) not in self.parts:
            known = ", ".join(self.meta["splits"])
            raise UserError(
                f"params.yaml: dataset.split: {self.meta['dataset']} has no split {split!r}; "
                f"known: {known}"
            )
        return self.parts[split, part]

    def check(self) -> None:
        """Compares all rows with their checksums; raises UserError where they are damaged."""
        self._compare(self.rows, range(len(self.crcs)))

    def _compare(self, rows: np.ndarray, blocks: Iterable[int]) -> None:
        """Raises UserError for the first of these blocks of the rows that is damaged."""
        damaged = first_damaged(rows, self.crcs, blocks)
        if damaged is not None:
            place = f"block {damaged + 1} of {len(self.crcs)}"
            raise Damaged(self.folder / "rows.f32", f"{place} does not match its checksum")


def write_store(
    folder: Path,
    clips: Iterable[Clip],
    *,
    dataset: str,
    layout: Layout,
    classes: tuple[str, ...],
    splits: Callable[[list[str]], Splits],
    normalization: Normalization,
) -> None:
    """Writes clips to a store one by one; they are never all in memory.

    clips: finite, normalised, of this layout and these classes; they are written in their order.
    splits: maps the names of all clips to the splits. normalization: how the clips were normalised.
    Raises UserError where names are not unique or a split does not fit the clips.
    """
    digest = hashlib.sha256()
    with written_whole(folder) as unfinished:
        unfinished.mkdir()
        crcs = Crcs()
        names, columns = _write_rows(unfinished / "rows.f32", clips, digest, crcs)
        parts = _part_indices(dataset, names, splits(names))
        index: dict[str, Any] = {
            "names": np.array(names),
            **columns,
            **{f"split/{split}/{part}": indices for (split, part), indices in parts.items()},
        }
        for column in index.values():
            digest.update(column.tobytes())
        digest.update(_meaning(layout, classes))
        # Kept results stay valid: their digests know nothing of blocks.
        np.savez(unfinished / "index.npz", crcs=crcs.of_blocks(), **index)
        num_rows = int((columns["frames"] * columns["bodies"]).sum())
        meta = {
            "dataset": dataset,
            "layout": layout.written(),
            "normalization": asdict(normalization),
            "rows": [num_rows, layout.num_joints, layout.channels],
            "classes": list(classes),
            "splits": list(dict.fromkeys(split for split, _ in parts)),
            "digest": digest.hexdigest(),
        }
        write_meta(unfinished, meta)


def _meaning(layout: Layout, classes: tuple[str, ...]) -> bytes:
    """What rows and labels stand for, as it enters the digest: layout and classes.

    The names of the layout and of joints are left out. Parts enter it where a user describes them.
    Those of the known layouts are younger than results that are kept under a digest.
    """
    meaning = layout.written() | {"name": "", "classes": classes}
    meaning.pop("names", None)
    if layout.name in LAYOUTS or not layout.parts:
        del meaning["parts"]
    return json.dumps(meaning).encode()


def _write_rows(
    path: Path, clips: Iterable[Clip], digest: "hashlib._Hash", crcs: Crcs
) -> tuple[list[str], dict[str, np.ndarray]]:
    """Writes the joints of all clips to a file and adds them to the digest and to the checksums.

    Returns the names, and the columns of the index: labels, starts, frames, bodies, (N,) int64.
    """
    names: list[str] = []
    entries: list[tuple[int, int, int, int]] = []
    start = 0
    with path.open("wb") as file:
        for clip in clips:
            joints = np.ascontiguousarray(clip.joints, dtype=np.float32)
            bodies, frames = joints.shape[:2]
            file.write(joints.data)
            digest.update(joints.data)
            crcs.update(joints)
            names.append(clip.name)
            entries.append((clip.label, start, frames, bodies))
            start += bodies * frames
    columns = np.array(entries, dtype=np.int64).reshape(-1, 4).T
    return names, dict(zip(("labels", "starts", "frames", "bodies"), columns, strict=True))


def _part_indices(
    dataset: str, names: list[str], splits: Splits
) -> dict[tuple[str, Part], np.ndarray]:
    """Indices in the store of the clips of each part of each split.

    Raises UserError where names are not unique or a split does not fit them.
    """
    if not names:
        raise UserError(f"{dataset}: not a single clip was found")
    if twice := _repeated(names):
        raise UserError(f"{dataset}: two clips are named {twice!r}; names must be unique")
    index_of = {name: index for index, name in enumerate(names)}
    indices = {}
    for split, parts in splits.items():
        if twice := _repeated([name for part in PARTS for name in parts[part]]):
            raise UserError(
                f"{dataset}: split {split!r}: the clip {twice!r} occurs twice; a clip must be "
                "either a training clip or a test clip, once"
            )
        for part in PARTS:
            unknown = [name for name in parts[part] if name not in index_of]
            if unknown:
                raise UserError(
                    f"{dataset}: split {split!r}: {part}: there is no clip {unknown[0]!r} "
                    f"({len(unknown)} of {len(parts[part])} names are unknown)"
                )
            if not parts[part]:
                raise UserError(
                    f"{dataset}: split {split!r} has no {part} clip; it needs at least one"
                )
            indices[split, part] = np.array([index_of[name] for name in parts[part]], np.int64)
    return indices


def _repeated(names: list[str]) -> str | None:
    """The first name that repeats an earlier one, if any."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
