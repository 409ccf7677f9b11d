"""The clip store: the one format everything after `prepare` knows.

A folder of three files. `rows.f32`: every body's frames, end to end, (R, V, K) float32 without
a header, memory mapped. `index.npz`: a row a clip. `meta.json`: dataset, layout, shape of the
rows, class names, splits, digest.
Body m of a clip lies in rows start + m * frames up to start + (m + 1) * frames; absent bodies
take no room.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from brl.data.clip import Clip, Part
from brl.errors import UserError
from brl.files import written_whole
from brl.skeleton import LAYOUTS, Layout

PARTS: tuple[Part, ...] = ("train", "test")


@dataclass(frozen=True)
class ClipStore:
    """An open clip store of N clips.

    names (N,) str; labels, starts, frames, bodies (N,) int64; parts: for each split (N,) int8,
    0 where the clip does not belong to it, else 1 + its part's place in `PARTS`.
    """

    folder: Path
    meta: dict[str, Any]
    names: np.ndarray
    labels: np.ndarray
    starts: np.ndarray
    frames: np.ndarray
    bodies: np.ndarray
    parts: dict[str, np.ndarray]

    @classmethod
    def open(cls, folder: Path) -> "ClipStore":
        """Reads the index; the rows are mapped when first asked for."""
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        with np.load(folder / "index.npz", allow_pickle=False) as index:
            columns = {name: index[name] for name in index.files}
        parts = {split: columns.pop(f"split/{split}") for split in meta["splits"]}
        return cls(folder=folder, meta=meta, parts=parts, **columns)

    @property
    def layout(self) -> Layout:
        return LAYOUTS[self.meta["layout"]]

    @property
    def classes(self) -> list[str]:
        """Class names in label order."""
        return self.meta["classes"]

    @property
    def max_bodies(self) -> int:
        """M: the most bodies of any clip."""
        return int(self.bodies.max())

    @property
    def channels(self) -> int:
        """K."""
        return self.meta["rows"][2]

    @property
    def digest(self) -> str:
        """Hash of rows and index: equal stores have equal digests."""
        return self.meta["digest"]

    @cached_property
    def rows(self) -> np.ndarray:
        """(R, V, K) float32, mapped; private to this process, so torch may share its memory."""
        shape = tuple(self.meta["rows"])
        return np.memmap(self.folder / "rows.f32", dtype=np.float32, mode="c", shape=shape)

    def part(self, split: str, part: Part) -> np.ndarray:
        """Indices of a part's clips in the store's order, (n,) int64."""
        if split not in self.parts:
            raise UserError(
                f"params.yaml: dataset.split: {self.meta['dataset']} has no split {split!r}; "
                f"known: {', '.join(self.parts)}"
            )
        return np.flatnonzero(self.parts[split] == 1 + PARTS.index(part))


def write_store(
    folder: Path,
    clips: Iterable[Clip],
    *,
    dataset: str,
    layout: Layout,
    classes: tuple[str, ...],
    splits: tuple[str, ...],
) -> None:
    """Writes clips, as they come, to a store; at no time are all of them in memory.

    Raises UserError, naming the clip, where one does not fit the layout or the classes.
    """
    names: list[str] = []
    columns: list[tuple[int, int, int, int]] = []
    parts: list[list[int]] = []
    digest = hashlib.sha256()
    row = 0
    with written_whole(folder) as unfinished:
        unfinished.mkdir()
        with (unfinished / "rows.f32").open("wb") as rows:
            for clip in clips:
                _check(clip, layout, len(classes))
                joints = np.ascontiguousarray(clip.joints, dtype=np.float32)
                bodies, frames = joints.shape[:2]
                rows.write(joints.data)
                digest.update(joints.data)
                names.append(clip.name)
                columns.append((clip.label, row, frames, bodies))
                parts.append([_part_code(clip, split) for split in splits])
                row += bodies * frames
        if not names:
            raise UserError(f"{dataset}: not a single clip was found")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise UserError(f"{dataset}: two clips are named {twice!r}; names must be unique")
        labels, starts, frame_counts, body_counts = np.array(columns, dtype=np.int64).T
        index = {
            "names": np.array(names),
            "labels": labels,
            "starts": starts,
            "frames": frame_counts,
            "bodies": body_counts,
            **{
                f"split/{split}": np.array(column, dtype=np.int8)
                for split, column in zip(splits, zip(*parts, strict=True), strict=True)
            },
        }
        for column in index.values():
            digest.update(column.tobytes())
        np.savez(unfinished / "index.npz", **index)
        meta = {
            "dataset": dataset,
            "layout": layout.name,
            "rows": [row, *joints.shape[2:]],
            "classes": list(classes),
            "splits": list(splits),
            "digest": digest.hexdigest(),
        }
        text = json.dumps(meta, indent=2, ensure_ascii=False)
        (unfinished / "meta.json").write_text(text + "\n", encoding="utf-8")


def _check(clip: Clip, layout: Layout, num_classes: int) -> None:
    shape = clip.joints.shape
    if len(shape) != 4 or shape[2] != layout.num_joints or 0 in shape:
        raise UserError(
            f"clip {clip.name}: joints of shape {shape}; must be (bodies, frames, "
            f"{layout.num_joints}, coordinates), none of them 0"
        )
    if not 0 <= clip.label < num_classes:
        raise UserError(f"clip {clip.name}: label {clip.label}; must be 0 to {num_classes - 1}")
    if not np.isfinite(clip.joints).all():
        raise UserError(f"clip {clip.name}: a coordinate is not a finite number")


def _part_code(clip: Clip, split: str) -> int:
    part = clip.parts.get(split)
    return 0 if part is None else 1 + PARTS.index(part)
