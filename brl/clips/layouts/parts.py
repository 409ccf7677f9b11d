"""Bodies in parts: limbs, which Shap-Mix mixes, and what pre-training masks as a whole."""

from collections.abc import Sequence

import numpy as np

from brl.clips.layout import Layout

# Head, torso, left and right arm, left and right leg; shoulders and hips belong to the torso. Those
# of coco17 are SkeletonMAE's (arXiv 2307.08476, figure 2), the others have the same meaning.
PARTS: dict[str, tuple[tuple[int, ...], ...]] = {
    "ntu25": (
        (2, 3), (0, 1, 4, 8, 12, 16, 20), (5, 6, 7, 21, 22), (9, 10, 11, 23, 24), (13, 14, 15),
        (17, 18, 19),
    ),
    "nw_ucla20": (
        (3,), (0, 1, 2, 4, 8, 12, 16), (5, 6, 7), (9, 10, 11), (13, 14, 15), (17, 18, 19),
    ),
    "utd_mhad20": (
        (0,), (1, 2, 3, 4, 8, 12, 16), (5, 6, 7), (9, 10, 11), (13, 14, 15), (17, 18, 19),
    ),
    "msr_action3d20": (
        (19,), (0, 1, 2, 3, 4, 5, 6), (7, 9, 11), (8, 10, 12), (13, 15, 17), (14, 16, 18),
    ),
    "coco17": ((0, 1, 2, 3, 4), (5, 6, 11, 12), (7, 9), (8, 10), (13, 15), (14, 16)),
    "penn_action13": ((0,), (1, 2, 7, 8), (4, 6), (3, 5), (10, 12), (9, 11)),
    "openpose18": ((0, 14, 15, 16, 17), (1, 2, 5, 8, 11), (6, 7), (3, 4), (12, 13), (9, 10)),
    "openpose25": (
        (0, 15, 16, 17, 18), (1, 2, 5, 8, 9, 12), (6, 7), (3, 4), (13, 14, 19, 20, 21),
        (10, 11, 22, 23, 24),
    ),
    "halpe26": (
        (0, 1, 2, 3, 4, 17), (5, 6, 11, 12, 18, 19), (7, 9), (8, 10), (13, 15, 20, 22, 24),
        (14, 16, 21, 23, 25),
    ),
    "coco_wholebody133": (
        (*range(5), *range(23, 91)), (5, 6, 11, 12), (7, 9, *range(91, 112)),
        (8, 10, *range(112, 133)), (13, 15, 17, 18, 19), (14, 16, 20, 21, 22),
    ),
    "mediapipe33": (
        tuple(range(11)), (11, 12, 23, 24), (13, 15, 17, 19, 21), (14, 16, 18, 20, 22),
        (25, 27, 29, 31), (26, 28, 30, 32),
    ),
    "h36m17": ((9, 10), (0, 1, 4, 7, 8, 11, 14), (12, 13), (15, 16), (5, 6), (2, 3)),
    "smpl24": (
        (12, 15), (0, 1, 2, 3, 6, 9, 13, 14, 16, 17), (18, 20, 22), (19, 21, 23), (4, 7, 10),
        (5, 8, 11),
    ),
}  # fmt: skip


def limbs(layout: Layout) -> list[set[int]]:
    """Trunk, left arm, right arm, left leg, right leg: each joint of a layout is in one of them.

    An arm or a leg is one side of the paired joints of the layout's part `hand` or `leg`; all other
    joints are the trunk. Raises ValueError, with a message for the user, where the layout lacks
    these parts.
    """
    sides = [{pair[side] for pair in layout.mirror_pairs} for side in (0, 1)]
    arms_and_legs = [
        side & set(layout.part_joints(name)) for name in ("hand", "leg") for side in sides
    ]
    return [set(range(layout.num_joints)).difference(*arms_and_legs), *arms_and_legs]


def masked_parts(layout: Layout, seen: Sequence[int]) -> np.ndarray:
    """The body parts among the joints that a stream sees: (P, V) bool, each joint in one part.

    seen (V,): joints of the layout. Layouts that are not in `PARTS` are divided by their tree.
    """
    parts = PARTS.get(layout.name) or branches(layout)
    rows = [np.isin(seen, part) for part in parts]
    return np.stack([row for row in rows if row.any()])


def branches(layout: Layout) -> list[tuple[int, ...]]:
    """The parts of a tree of joints: what leads from a fork or the centre to an end, and the rest.

    A fork is a joint with several children; it belongs to the rest.
    """
    parents = np.array(layout.parents)
    joints = np.arange(layout.num_joints)
    children = np.bincount(parents[parents != joints], minlength=layout.num_joints)
    parts = []
    for end in np.flatnonzero(children == 0):
        branch, joint = [], int(end)
        while children[joint] < 2 and parents[joint] != joint:
            branch.append(joint)
            joint = int(parents[joint])
        if branch:
            parts.append(tuple(branch))
    rest = {*joints.tolist()}.difference(*parts)
    return [*parts, tuple(sorted(rest))]
