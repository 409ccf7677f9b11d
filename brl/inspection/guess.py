"""Which known layout the joints of an unknown file have, by the lengths of its bones."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree

from brl.clips.layout import Layout
from brl.clips.layouts import LAYOUTS
from brl.clips.presence import present_bodies
from brl.inspection.poses import rest_pose

FRAMES = 100  # most frames that are measured, evenly spaced
LARGEST_SCORE = 1.1  # some estimators exceed 1 a little
# In its own layout a body's misfit is rarely larger than the first, and that of joints in another
# order is rarely smaller than the second (docs/layouts.md).
GOOD_MISFIT = 0.25
POOR_MISFIT = 0.4
CLEAR_MARGIN = 0.1


@dataclass(frozen=True)
class Channels:
    """What the channels of a joint are: its coordinates, then perhaps its detection score."""

    dimensions: int
    scored: bool

    @classmethod
    def of(cls, joints: np.ndarray) -> "Channels":
        """Of joints (..., K), K from 2 to 4. The last of 3 is a score if it stays from 0 to 1."""
        count = joints.shape[-1]
        if count == 3:
            last = joints[..., 2][np.isfinite(joints[..., 2])]
            scored = bool(((last >= 0) & (last <= LARGEST_SCORE)).all())
        else:
            scored = count == 4
        return cls(count - scored, scored)

    def __str__(self) -> str:
        return " ".join([*"xyz"[: self.dimensions], *["score"] * self.scored])


@dataclass(frozen=True)
class Fit:
    """How well a body's joints fit a layout; each number is 0 where they fit perfectly.

    variation      standard deviation of a bone's length over time, over its mean; mean of all bones
    asymmetry      difference of a left bone to its right one, over the mean length of bones
    disproportion  share of the skeleton's length that lies in other bones than in a body at rest
    detour         by how much the bones are longer than the shortest tree that joins all joints
    """

    layout: Layout
    variation: float
    asymmetry: float
    disproportion: float
    detour: float

    @property
    def misfit(self) -> float:
        """What layouts are compared by. Variation and asymmetry hardly tell them apart."""
        return self.disproportion + self.detour / 4


def guess(joints: np.ndarray, channels: Channels) -> list[Fit]:
    """The known layouts with as many joints, the one that fits best first.

    joints: (M, T, V, K); the body that is present in the most frames is measured. Empty where no
    layout has V joints, or where fewer than half of the joints are ever seen.
    """
    body = present_bodies(np.nan_to_num(joints), max_bodies=1)[0]
    body = body[np.linspace(0, len(body) - 1, min(len(body), FRAMES)).round().astype(int)]
    positions = body[..., : channels.dimensions]
    seen = (positions != 0).any(axis=-1)
    if channels.scored:
        seen &= body[..., -1] > 0
    together = seen[:, :, None] & seen[:, None]
    apart = positions[:, :, None] - positions[:, None]
    distances = np.ma.array(np.linalg.norm(apart, axis=-1), mask=~together)
    if seen.any(axis=0).mean() < 0.5 or not distances.any():
        return []
    fits = [
        _fit(layout, distances) for layout in LAYOUTS.values() if layout.num_joints == body.shape[1]
    ]
    return sorted(fits, key=lambda fit: fit.misfit)


def confidence(fits: list[Fit]) -> str:
    """How sure it is that the first of these fits is right: surely, perhaps, or hardly."""
    if fits[0].misfit > POOR_MISFIT:
        return "hardly"
    clear = all(fit.misfit - fits[0].misfit >= CLEAR_MARGIN for fit in fits[1:])
    return "surely" if clear and fits[0].misfit <= GOOD_MISFIT else "perhaps"


def _fit(layout: Layout, distances: np.ma.MaskedArray) -> Fit:
    """distances: (T, V, V) between joints in each frame, masked where one was not seen."""
    parents = layout.parents_in_graph()
    joints = np.flatnonzero(parents != np.arange(layout.num_joints))
    lengths = distances[:, joints, parents[joints]]
    typical = np.ma.median(lengths, axis=0)
    known = ~np.ma.getmaskarray(typical)
    rest = rest_pose(layout)
    at_rest = np.linalg.norm(rest[joints] - rest[parents[joints]], axis=-1)[known]
    measured = typical[known].filled()
    mirrored = np.searchsorted(joints, layout.mirrored()[joints])
    sides = np.ma.abs(typical - typical[mirrored])
    shares = measured / measured.sum(), at_rest / at_rest.sum()
    return Fit(
        layout,
        variation=float((lengths.std(axis=0) / lengths.mean(axis=0)).mean()),
        asymmetry=float(np.ma.filled(sides.mean(), 0) / typical.mean()),
        disproportion=float(np.abs(shares[0] - shares[1]).sum() / 2),
        detour=max(0.0, float(measured.sum() / _shortest_tree(distances) - 1)),
    )


def _shortest_tree(distances: np.ma.MaskedArray) -> float:
    """Length of the shortest tree that joins all joints that are seen together with others."""
    typical = np.ma.median(distances, axis=0)
    # A length of 0 would say that there is no edge.
    edges = (typical + 1e-9).filled(0)
    return float(minimum_spanning_tree(edges).sum())
