"""Clips as moving stick figures: the coordinates that the page draws."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from brl.clips.layout import Layout
from brl.clips.store import ClipStore

FRAMES = 40  # most frames shown of a clip, evenly spaced
STEPS = 200  # width and height of a picture, in steps
SAMPLED = 200  # clips from which the view is derived


def bones(layout: Layout) -> list[tuple[int, int]]:
    """Pairs of joints, each with its parent, that a line connects."""
    return [(v, parent) for v, parent in enumerate(layout.parents) if v != parent]


@dataclass(frozen=True)
class View:
    """The direction from which a store's bodies are seen.

    right, down  the coordinate axes that point to the right and down in the picture
    inverted     whether the coordinates grow upwards, against `down`
    """

    right: int
    down: int
    inverted: bool

    @classmethod
    def of(cls, store: ClipStore) -> "View":
        """The view from the front: the upper body is above, left and right are apart.

        Datasets differ in their axes: z or y points up, or, in image coordinates, y points down.
        """
        layout, middle = store.layout, store.starts[:SAMPLED] + store.frames[:SAMPLED] // 2
        joints = np.array(store.rows[middle][..., : layout.dimensions], dtype=float)
        lower = layout.lower_body()
        up = np.zeros(layout.dimensions)
        if lower.any() and not lower.all():
            up = (joints[:, ~lower].mean(axis=1) - joints[:, lower].mean(axis=1)).mean(axis=0)
        down = int(np.abs(up).argmax()) if up.any() else 1
        apart = np.abs(joints - joints[:, layout.mirrored()]).mean(axis=(0, 1))
        apart[down] = -1
        return cls(right=int(apart.argmax()), down=down, inverted=bool(up[down] > 0))


def moving_bodies(store: ClipStore, view: View, clip: int) -> dict[str, Any]:
    """The positions of a clip's joints: `frames`, (T, M, V, 2) nested lists of whole steps.

    x points right and y down, both from 0 to `STEPS` on one scale. A missing joint has -1.
    """
    length = store.frames[clip]
    chosen = np.linspace(0, length - 1, min(length, FRAMES)).round().astype(int)
    joints = store.joints(clip)[:, chosen].swapaxes(0, 1)
    positions = np.array(joints[..., [view.right, view.down]], dtype=float)
    if view.inverted:
        positions[..., 1] *= -1
    seen = np.abs(joints).sum(axis=-1) > 0
    if not seen.any():
        return {"frames": []}
    low, high = positions[seen].min(axis=0), positions[seen].max(axis=0)
    extent = max((high - low).max(), 1e-9)
    steps = ((positions - (low + high) / 2) / extent + 0.5) * STEPS
    whole = np.where(seen[..., None], steps.round(), -1).astype(int)
    return {"frames": whole.tolist()}
