"""Skeleton layouts: one parents list each; graph, offsets and mirror image follow from it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Layout:
    """A set of V joints hanging together as a tree.

    parents       parents[v] is the joint one hop nearer to the body's centre; the centre is its
                  own parent
    mirror_pairs  joints that change places in a mirror
    graph_parents parents that differ in the network's graph from those of the bones
    scored        the last channel is the joint's detection score, not a coordinate (2D layouts)
    """

    name: str
    parents: tuple[int, ...]
    mirror_pairs: tuple[tuple[int, int], ...]
    graph_parents: tuple[tuple[int, int], ...] = ()
    scored: bool = False

    @property
    def num_joints(self) -> int:
        """V."""
        return len(self.parents)

    def ancestors(self, hops: int) -> np.ndarray:
        """The joint `hops` steps towards the centre for each joint, (V,) int64.

        A joint nearer to the centre than that has none and gets its own index, so that the
        difference to its ancestor is zero (method: skip modality).
        """
        parents = np.array(self.parents)
        reached = np.arange(self.num_joints)
        enough = np.ones(self.num_joints, dtype=bool)
        for _ in range(hops):
            enough &= parents[reached] != reached
            reached = parents[reached]
        return np.where(enough, reached, np.arange(self.num_joints))

    def mirrored(self) -> np.ndarray:
        """Joint order in a mirror, (V,) int64."""
        order = np.arange(self.num_joints)
        for left, right in self.mirror_pairs:
            order[left], order[right] = right, left
        return order

    def spatial_partition(self) -> np.ndarray:
        """Adjacency of the `spatial` partition, (3, V, V) float32: [subset, source, receiver].

        Subsets: itself; inward (child to parent); outward. The columns of the last two sum to
        one where a joint receives anything. Source: ST-GCN (arXiv 1801.07455), section 3.3.
        """
        parents = np.array(self.parents)
        for joint, parent in self.graph_parents:
            parents[joint] = parent
        children = np.flatnonzero(parents != np.arange(self.num_joints))
        inward = np.zeros((self.num_joints, self.num_joints), dtype=np.float32)
        inward[parents[children], children] = 1

        def normalised(adjacency: np.ndarray) -> np.ndarray:
            return adjacency / np.maximum(adjacency.sum(axis=0), 1)

        identity = np.eye(self.num_joints, dtype=np.float32)
        return np.stack([identity, normalised(inward), normalised(inward.T)])


NTU25 = Layout(
    name="ntu25",
    parents=(
        1, 20, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 20, 22, 7, 24, 11,
    ),
    mirror_pairs=(
        (4, 8), (5, 9), (6, 10), (7, 11), (12, 16), (13, 17), (14, 18), (15, 19), (21, 23),
        (22, 24),
    ),
    graph_parents=((21, 7), (23, 11)),
)  # fmt: skip

NW_UCLA20 = Layout(
    name="nw_ucla20",
    parents=(1, 2, 2, 2, 2, 4, 5, 6, 2, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18),
    mirror_pairs=(
        (4, 8), (5, 9), (6, 10), (7, 11), (12, 16), (13, 17), (14, 18), (15, 19),
    ),
)  # fmt: skip

COCO17 = Layout(
    name="coco17",
    parents=(0, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 0, 0, 11, 12, 13, 14),
    mirror_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    graph_parents=((11, 5), (12, 6)),
    scored=True,
)

LAYOUTS = {layout.name: layout for layout in (NTU25, NW_UCLA20, COCO17)}
