"""The clip store: the one format everything after `prepare` knows.

A folder of three files. `rows.f32`: every body's frames, end to end, (R, V, K) float32 without
a header, memory mapped. `index.npz`: a row a clip, and the clips of each part of each split in
the split's own order. `meta.json`: dataset, layout, how recordings were normalised, shape of the
rows, class names, splits, digest.
Body m of a clip lies in rows start + m * frames up to start + (m + 1) * frames; absent bodies
take no room.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from brl.clips.clip import PARTS, Clip, Part, Splits
from brl.clips.layout import Layout
from brl.clips.normalize import Normalization
from brl.support.errors import UserError
from brl.support.files import written_whole


@dataclass(frozen=True)
class ClipStore:
    """An open clip store of N clips.

    names (N,) str; labels, starts, frames, bodies (N,) int64; parts: (split, part) to the
    indices of its clips in the split's own order, (n,) int64.
    """

    folder: Path
    meta: dict[str, Any]
    names: np.ndarray
    labels: np.ndarray
    starts: np.ndarray
    frames: np.ndarray
    bodies: np.ndarray
    parts: dict[tuple[str, Part], np.ndarray]

    @classmethod
    def open(cls, folder: Path) -> "ClipStore":
        """Reads the index; the rows are mapped when first asked for."""
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        with np.load(folder / "index.npz", allow_pickle=False) as index:
            columns = {name: index[name] for name in index.files}
        parts = {
            (split, part): columns.pop(f"split/{split}/{part}")
            for split in meta["splits"]
            for part in PARTS
        }
        return cls(folder=folder, meta=meta, parts=parts, **columns)

    @cached_property
    def layout(self) -> Layout:
        return TypeAdapter(Layout).validate_python(self.meta["layout"])

    @property
    def classes(self) -> list[str]:
        """Class names in label order."""
        return self.meta["classes"]

    @cached_property
    def normalization(self) -> Normalization:
        """How the recordings were brought into their own frame of reference."""
        return Normalization(**self.meta["normalization"])

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
        """Hash of rows, index, layout and classes: equal stores have equal digests."""
        return self.meta["digest"]

    @cached_property
    def rows(self) -> np.ndarray:
        """(R, V, K) float32, mapped; private to this process, so torch may share its memory."""
        shape = tuple(self.meta["rows"])
        return np.memmap(self.folder / "rows.f32", dtype=np.float32, mode="c", shape=shape)

    def part(self, split: str, part: Part) -> np.ndarray:
        """Indices of a part's clips in the split's own order, (n,) int64."""
        if (split, part) not in self.parts:
            known = ", ".join(self.meta["splits"])
            raise UserError(
                f"params.yaml: dataset.split: {self.meta['dataset']} has no split {split!r}; "
                f"known: {known}"
            )
        return self.parts[split, part]


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
    """Writes clips, as they come, to a store; at no time are all of them in memory.

    clips: of the layout and the classes, finite, normalised as `normalization` says; splits: gives
    all splits for the clips' names.
    Raises UserError where names are not unique or a split does not fit the clips.
    """
    names: list[str] = []
    columns: list[tuple[int, int, int, int]] = []
    digest = hashlib.sha256()
    row = 0
    with written_whole(folder) as unfinished:
        unfinished.mkdir()
        with (unfinished / "rows.f32").open("wb") as rows:
            for clip in clips:
                joints = np.ascontiguousarray(clip.joints, dtype=np.float32)
                bodies, frames = joints.shape[:2]
                rows.write(joints.data)
                digest.update(joints.data)
                names.append(clip.name)
                columns.append((clip.label, row, frames, bodies))
                row += bodies * frames
        parts = _places(dataset, names, splits(names))
        labels, starts, frame_counts, body_counts = np.array(columns, dtype=np.int64).T
        index = {
            "names": np.array(names),
            "labels": labels,
            "starts": starts,
            "frames": frame_counts,
            "bodies": body_counts,
            **{f"split/{split}/{part}": places for (split, part), places in parts.items()},
        }
        for column in index.values():
            digest.update(column.tobytes())
        meaning = asdict(layout) | {"name": "", "classes": classes}
        digest.update(json.dumps(meaning).encode())
        np.savez(unfinished / "index.npz", **index)
        meta = {
            "dataset": dataset,
            "layout": asdict(layout),
            "normalization": asdict(normalization),
            "rows": [row, layout.num_joints, layout.channels],
            "classes": list(classes),
            "splits": list(dict.fromkeys(split for split, _ in parts)),
            "digest": digest.hexdigest(),
        }
        text = json.dumps(meta, indent=2, ensure_ascii=False)
        (unfinished / "meta.json").write_text(text + "\n", encoding="utf-8")


def _places(dataset: str, names: list[str], splits: Splits) -> dict[tuple[str, Part], np.ndarray]:
    """Where the clips of each part of each split stand in the store."""
    if not names:
        raise UserError(f"{dataset}: not a single clip was found")
    if twice := _repeated(names):
        raise UserError(f"{dataset}: two clips are named {twice!r}; names must be unique")
    place = {name: number for number, name in enumerate(names)}
    places = {}
    for split, parts in splits.items():
        if twice := _repeated([name for part in PARTS for name in parts[part]]):
            raise UserError(
                f"{dataset}: split {split!r}: the clip {twice!r} is in it twice; a clip must be "
                "a training clip or a test clip, once"
            )
        for part in PARTS:
            unknown = [name for name in parts[part] if name not in place]
            if unknown:
                raise UserError(
                    f"{dataset}: split {split!r}: {part}: there is no clip {unknown[0]!r} "
                    f"({len(unknown)} of {len(parts[part])} names are unknown)"
                )
            if not parts[part]:
                raise UserError(f"{dataset}: split {split!r} has no {part} clip; it needs some")
            places[split, part] = np.array([place[name] for name in parts[part]], dtype=np.int64)
    return places


def _repeated(names: list[str]) -> str | None:
    """The first name that occurs a second time."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
