"""Clips as small moving stick figures: what the page needs to draw them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from brl.clips.layout import Layout
from brl.clips.store import ClipStore

FRAMES = 40  # of a clip are shown, evenly spaced
STEPS = 200  # a picture's width and height, in steps of its joints' places
SAMPLED = 200  # clips that tell which way is up


def bones(layout: Layout) -> list[tuple[int, int]]:
    """Joints that are to be joined by a line."""
    return [(v, parent) for v, parent in enumerate(layout.parents) if v != parent]


@dataclass(frozen=True)
class View:
    """Which way a store's bodies are looked at: the axes that are a picture's right and down, and
    whether down is against the axis."""

    right: int
    down: int
    against: bool

    @classmethod
    def of(cls, store: ClipStore) -> "View":
        """From the front: upper bodies are above, and left and right lie apart. Stores have axes
        of their own: in some z points up, in others y, in pictures y points down."""
        layout, middle = store.layout, store.starts[:SAMPLED] + store.frames[:SAMPLED] // 2
        joints = np.array(store.rows[middle][..., : layout.dimensions], dtype=float)
        lower = layout.lower_body()
        up = np.zeros(layout.dimensions)
        if lower.any() and not lower.all():
            up = (joints[:, ~lower].mean(axis=1) - joints[:, lower].mean(axis=1)).mean(axis=0)
        down = int(np.abs(up).argmax()) if up.any() else 1
        apart = np.abs(joints - joints[:, layout.mirrored()]).mean(axis=(0, 1))
        apart[down] = -1
        return cls(right=int(apart.argmax()), down=down, against=bool(up[down] > 0))


def moving_bodies(store: ClipStore, view: View, clip: int) -> dict[str, Any]:
    """A clip: `frames`, T frames of M bodies of V joints of x, y, right and down, in whole steps
    from 0 to 200; -1 for a joint that was not seen. One scale for both, so that nothing is
    distorted.
    """
    length, bodies, start = store.frames[clip], store.bodies[clip], store.starts[clip]
    rows = store.rows[start : start + bodies * length]
    chosen = np.linspace(0, length - 1, min(length, FRAMES)).round().astype(int)
    joints = rows.reshape(bodies, length, *rows.shape[1:])[:, chosen].swapaxes(0, 1)
    places = np.array(joints[..., [view.right, view.down]], dtype=float)
    if view.against:
        places[..., 1] *= -1
    seen = np.abs(joints).sum(axis=-1) > 0
    if not seen.any():
        return {"frames": []}
    low, high = places[seen].min(axis=0), places[seen].max(axis=0)
    extent = max((high - low).max(), 1e-9)
    steps = ((places - (low + high) / 2) / extent + 0.5) * STEPS
    whole = np.where(seen[..., None], steps.round(), -1).astype(int)
    return {"frames": whole.tolist()}
