"""Skeleton layouts: a tree of joints, from which bones, graph and mirror image follow."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

WHOLE_BODY = "body"
MOST_JOINTS = 1000  # a network's memory grows with the square
OWN = "own"  # the name of a layout that a user describes


@dataclass(frozen=True)
class Layout:
    """A skeleton of V joints that form a tree.

    parents        parents[v] is the joint one hop nearer to the body's centre; the centre is its
                   own parent
    mirror_pairs   (left, right) pairs of joints, swapped in a mirror image
    upper_body     joints of the upper body; all others form the lower body
    graph_parents  (joint, parent) pairs where the network's graph differs from `parents`
    dimensions     coordinates of a joint, 2 or 3
    scored         whether the last channel is the joint's detection score (2D layouts)
    parts          joints of each named part of the body; besides these there is always the part
                   `body`, which is all of it

    Raises ValueError, with a message for the user, where the joints form no tree or a joint does
    not exist.
    """

    name: str
    parents: tuple[int, ...]
    mirror_pairs: tuple[tuple[int, int], ...]
    upper_body: tuple[int, ...]
    graph_parents: tuple[tuple[int, int], ...] = ()
    dimensions: int = 3
    scored: bool = False
    parts: dict[str, tuple[int, ...]] = field(default_factory=dict, hash=False)
    names: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if self.num_joints > MOST_JOINTS:
            raise ValueError(f"parents: {self.num_joints} joints; must be {MOST_JOINTS} or fewer")
        paired = [joint for pair in self.mirror_pairs for joint in pair]
        named = {"parents": self.parents, "left_right": paired, "upper_body": self.upper_body}
        named |= {f"parts: {name}": joints for name, joints in self.parts.items()}
        for key, joints in named.items():
            for joint in joints:
                if not 0 <= joint < self.num_joints:
                    raise ValueError(
                        f"{key}: no joint {joint}; there are 0 to {self.num_joints - 1}"
                    )
        if self.names and len(self.names) != self.num_joints:
            raise ValueError(f"names: {len(self.names)} for {self.num_joints} joints")
        if len(set(paired)) < len(paired):
            raise ValueError("left_right: a joint occurs twice")
        if WHOLE_BODY in self.parts:
            raise ValueError(f"parts: {WHOLE_BODY}: has all joints already; choose another name")
        for name, joints in self.parts.items():
            if not joints or len(set(joints)) < len(joints):
                raise ValueError(f"parts: {name}: must be one joint or more, each of them once")
        centres = [v for v, parent in enumerate(self.parents) if v == parent]
        if len(centres) != 1:
            raise ValueError(
                f"parents: {len(centres)} joints are their own parent; must be one, the centre"
            )
        reached = np.arange(self.num_joints)
        for _ in range(self.num_joints):
            reached = np.array(self.parents)[reached]
        if (reached != centres[0]).any():
            stray = int(np.flatnonzero(reached != centres[0])[0])
            raise ValueError(f"parents: joint {stray} does not lead to the centre, {centres[0]}")

    @property
    def num_joints(self) -> int:
        """Number of joints V."""
        return len(self.parents)

    @property
    def channels(self) -> int:
        """Number of channels K: the coordinates, and the score if there is one."""
        return self.dimensions + self.scored

    def written(self) -> dict[str, Any]:
        """What files hold of the layout, as JSON takes it.

        The names of joints, which select them in motion capture, are left out of known layouts:
        files are older than these names, and `brl.clips.layouts` has them.
        """
        content = asdict(self)
        if self.name != OWN or not self.names:
            del content["names"]
        return content

    def ancestors(self, hops: int) -> np.ndarray:
        """For each joint the joint `hops` steps towards the centre, (V,) int64.

        A joint nearer to the centre than that has no such ancestor. It gets its own index, so that
        the difference to its ancestor is zero. Two hops make the skip modality of BRL (arXiv
        2308.14024), one hop the bones.
        """
        parents = np.array(self.parents)
        reached = np.arange(self.num_joints)
        has_ancestor = np.ones(self.num_joints, dtype=bool)
        for _ in range(hops):
            has_ancestor &= parents[reached] != reached
            reached = parents[reached]
        return np.where(has_ancestor, reached, np.arange(self.num_joints))

    def parents_in_graph(self) -> np.ndarray:
        """The parent of each joint in the network's graph, (V,) int64."""
        parents = np.array(self.parents)
        for joint, parent in self.graph_parents:
            parents[joint] = parent
        return parents

    def mirrored(self) -> np.ndarray:
        """For each joint its mirror image, (V,) int64; the joint itself where it has no pair."""
        order = np.arange(self.num_joints)
        for left, right in self.mirror_pairs:
            order[left], order[right] = right, left
        return order

    def lower_body(self) -> np.ndarray:
        """Mask of the joints outside the upper body, (V,) bool."""
        return ~np.isin(np.arange(self.num_joints), self.upper_body)

    def part_joints(self, name: str) -> tuple[int, ...]:
        """The joints of a part, in its own order; of `body`, all V.

        Raises ValueError, with a message for the user, where there is no such part.
        """
        parts = {WHOLE_BODY: tuple(range(self.num_joints))} | self.parts
        if name not in parts:
            raise ValueError(f"no part {name!r}; known: {', '.join(parts)}")
        return parts[name]

    def part(self, name: str) -> "Layout":
        """The layout of a part alone, called LAYOUT/PART; `body` is this layout itself.

        Its joints are those of `part_joints`, numbered in that order. A joint's parent is its
        nearest ancestor in the part. Of the joints without one, the first is the centre, and the
        others hang on it. Pairs of which a joint is outside are left out.

        Raises ValueError, with a message for the user, where there is no such part.
        """
        joints = self.part_joints(name)
        if name == WHOLE_BODY:
            return self
        number = {joint: index for index, joint in enumerate(joints)}
        nearest = [self._nearest_ancestor(joint, joints) for joint in joints]
        centre = joints[nearest.index(None)]

        def inside(pairs: Collection[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
            kept = (pair for pair in pairs if number.keys() >= set(pair))
            return tuple((number[first], number[second]) for first, second in kept)

        return replace(
            self,
            name=f"{self.name}/{name}",
            parents=tuple(number[centre if above is None else above] for above in nearest),
            mirror_pairs=inside(self.mirror_pairs),
            upper_body=tuple(number[joint] for joint in self.upper_body if joint in number),
            graph_parents=inside([pair for pair in self.graph_parents if pair[0] != centre]),
            parts={},
            names=tuple(self.names[joint] for joint in joints) if self.names else (),
        )

    def _nearest_ancestor(self, joint: int, among: Collection[int]) -> int | None:
        """The first of these joints on the way from a joint to the centre, if any."""
        while (parent := self.parents[joint]) != joint:
            if parent in among:
                return parent
            joint = parent
        return None

    def spatial_partition(self) -> np.ndarray:
        """Adjacency of the `spatial` partition, (3, V, V) float32: [subset, source, receiver].

        The subsets are the joint itself, inward edges (child to parent) and outward edges. In the
        last two, each column sums to one unless it is empty. Source: ST-GCN (arXiv 1801.07455),
        section 3.3.
        """
        inward = self._inward()
        identity = np.eye(self.num_joints, dtype=np.float32)
        return np.stack([identity, _columns_to_one(inward), _columns_to_one(inward.T)])

    def distance_partition(self) -> np.ndarray:
        """Adjacency by distance to the centre, (3, V, V) float32: [subset, source, receiver].

        The subsets are the joint itself, sources at least as far from the centre as the receiver,
        and closer sources. Columns sum to one over all subsets. As in the published code, all
        distances beyond one hop count as equal. Source: ST-GCN (arXiv 1801.07455), section 3.3,
        "spatial configuration".
        """
        inward = self._inward()
        identity = np.eye(self.num_joints, dtype=np.float32)
        adjacency = _columns_to_one(inward + inward.T + identity)
        centre = next(v for v, parent in enumerate(self.parents) if v == parent)
        distances = np.where(adjacency[centre] > 0, 1, 2)
        distances[centre] = 0
        closer = distances[:, None] < distances
        linked = adjacency * (1 - identity)
        return np.stack([adjacency * identity, linked * ~closer, linked * closer])

    def _inward(self) -> np.ndarray:
        """Edges of the network's graph, (V, V) float32: [parent, child] = 1."""
        parents = self.parents_in_graph()
        children = np.flatnonzero(parents != np.arange(self.num_joints))
        inward = np.zeros((self.num_joints, self.num_joints), dtype=np.float32)
        inward[parents[children], children] = 1
        return inward


def _columns_to_one(adjacency: np.ndarray) -> np.ndarray:
    """The matrix with each column divided by its sum; empty columns stay."""
    return adjacency / np.maximum(adjacency.sum(axis=0), 1)
