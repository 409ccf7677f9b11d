"""Layouts are trees around a centre; streams and graphs follow from their parents."""

from dataclasses import replace

import numpy as np
import pytest

from brl.clips.layout import Layout
from brl.clips.layouts import (
    COCO17,
    LAYOUTS,
    MSR_ACTION3D20,
    NTU25,
    NW_UCLA20,
    OPENPOSE18,
    PENN_ACTION13,
    UTD_MHAD20,
)

ALL = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)


@pytest.mark.parametrize(
    ("layout", "joints", "centre"),
    [
        (NTU25, 25, 20),
        (NW_UCLA20, 20, 2),
        (UTD_MHAD20, 20, 1),
        (MSR_ACTION3D20, 20, 2),
        (COCO17, 17, 0),
        (PENN_ACTION13, 13, 0),
        (OPENPOSE18, 18, 1),
    ],
)
def test_published_layouts(layout, joints, centre):
    assert layout.num_joints == joints
    own_parent = [v for v, parent in enumerate(layout.parents) if v == parent]
    assert own_parent == [centre]


@pytest.mark.parametrize(
    ("layout", "spine_first"),
    [
        (NW_UCLA20, [1, 0, 2, 3, *range(4, 20)]),
        (UTD_MHAD20, [2, 3, 1, 0, *range(4, 20)]),
        (MSR_ACTION3D20, [3, 6, 2, 19, 0, 7, 9, 11, 1, 8, 10, 12, 4, 13, 15, 17, 5, 14, 16, 18]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_three_layouts_of_kinects_joints_are_one_tree(layout, spine_first):
    """The joints in one order: spine, hip centre, shoulder centre, head, then arms and legs."""
    place = {joint: number for number, joint in enumerate(spine_first)}
    assert [place[layout.parents[joint]] for joint in spine_first] == [
        2, 0, 2, 2, 2, 4, 5, 6, 2, 8, 9, 10, 1, 12, 13, 14, 1, 16, 17, 18,
    ]  # fmt: skip
    pairs = {(place[left], place[right]) for left, right in layout.mirror_pairs}
    assert pairs == {(left, left + 4) for left in (*range(4, 8), *range(12, 16))}
    assert {place[joint] for joint in layout.upper_body} == {0, 2, 3, *range(4, 12)}


@ALL
def test_every_joint_leads_to_the_centre(layout):
    reached = np.arange(layout.num_joints)
    for _ in range(layout.num_joints):
        reached = np.array(layout.parents)[reached]
    assert len(set(reached)) == 1


@ALL
def test_a_joint_too_near_to_the_centre_is_its_own_ancestor(layout):
    joints = np.arange(layout.num_joints)
    assert (layout.ancestors(0) == joints).all()
    assert (layout.ancestors(1) == layout.parents).all()
    grandparents = layout.ancestors(2)
    for joint in joints:
        parent = layout.parents[joint]
        near = joint == parent or parent == layout.parents[parent]
        assert grandparents[joint] == (joint if near else layout.parents[parent])
    assert (layout.ancestors(layout.num_joints) == joints).all()


@ALL
def test_mirroring_twice_gives_the_original_order(layout):
    mirrored = layout.mirrored()
    assert (mirrored[mirrored] == np.arange(layout.num_joints)).all()
    assert (mirrored != np.arange(layout.num_joints)).sum() == 2 * len(layout.mirror_pairs)


@ALL
def test_the_upper_body_is_its_own_mirror_image(layout):
    upper = set(layout.upper_body)
    assert 0 < len(upper) < layout.num_joints
    assert {layout.mirrored()[joint] for joint in upper} == upper


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"parents": (0, 0, 3)}, "parents: no joint 3; there are 0 to 2"),
        ({"parents": (0, 0, -1)}, "parents: no joint -1"),
        ({"parents": (0, 1, 0)}, "parents: 2 joints are their own parent"),
        ({"parents": (1, 2, 0)}, "parents: 0 joints are their own parent"),
        ({"parents": (0, 2, 1)}, "parents: joint 1 does not lead to the centre, 0"),
        ({"mirror_pairs": ((1, 2), (2, 0))}, "left_right: a joint occurs twice"),
        ({"mirror_pairs": ((1, 5),)}, "left_right: no joint 5"),
        ({"upper_body": (7,)}, "upper_body: no joint 7"),
    ],
)
def test_an_invalid_layout_is_refused(change, complaint):
    right = {"name": "x", "parents": (0, 0, 1), "mirror_pairs": ((1, 2),), "upper_body": (0,)}
    Layout(**right)
    with pytest.raises(ValueError, match=complaint):
        Layout(**right | change)


@ALL
def test_every_joint_has_a_name_and_pairs_are_named_left_and_right(layout):
    assert len(set(layout.names)) == layout.num_joints
    pairs = {frozenset(layout.names[joint] for joint in pair) for pair in layout.mirror_pairs}
    left = {name for name in layout.names if name.startswith("left")}
    assert pairs == {frozenset({name, name.replace("left", "right")}) for name in left}


def test_names_are_of_no_account():
    """They are in no file and no key: results of before are found."""
    nameless = replace(NTU25, names=())
    assert nameless == NTU25 and hash(nameless) == hash(NTU25)
    assert nameless.written() == NTU25.written()
    assert "names" not in NTU25.written()
    assert NTU25.part("leg").names[:2] == ("spine base", "left hip")
    with pytest.raises(ValueError, match="names: 1 for 25 joints"):
        replace(NTU25, names=("head",))
