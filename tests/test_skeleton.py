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
        (LAYOUTS["openpose25"], 25, 1),
        (LAYOUTS["halpe26"], 26, 18),
        (LAYOUTS["coco_wholebody133"], 133, 0),
        (LAYOUTS["mediapipe33"], 33, 0),
        (LAYOUTS["h36m17"], 17, 8),
        (LAYOUTS["smpl24"], 24, 9),
        (LAYOUTS["hand21"], 21, 0),
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
def test_a_mirror_image_has_the_same_bones(layout):
    """In the tree and in the network's graph."""
    mirrored = layout.mirrored()
    for parents in (np.array(layout.parents), layout.parents_in_graph()):
        assert (mirrored[parents] == parents[mirrored]).all()


@ALL
def test_the_upper_body_is_its_own_mirror_image(layout):
    upper = set(layout.upper_body)
    assert 0 < len(upper) < layout.num_joints or layout.name == "hand21"
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


# Joints as the formats' own definitions number them.
PUBLISHED = {
    "openpose25": {8: "hip centre", 15: "right eye", 19: "left big toe", 24: "right heel"},
    "halpe26": {16: "right ankle", 17: "head top", 19: "hip centre", 22: "left small toe"},
    "coco_wholebody133": {
        16: "right ankle", 17: "left big toe", 22: "right heel", 23: "right jaw 1", 31: "chin",
        39: "left jaw 1", 44: "right brow 5", 53: "nose bridge 4", 56: "nose base",
        59: "right eye outer corner", 65: "left eye inner corner", 71: "right lip corner",
        90: "right inner lower lip", 91: "left hand root", 111: "left pinky 4",
        112: "right hand root", 132: "right pinky 4",
    },
    "mediapipe33": {3: "left outer eye", 7: "left ear", 10: "right mouth", 17: "left pinky",
        22: "right thumb", 29: "left heel", 32: "right toe"},
    "h36m17": {0: "pelvis", 3: "right ankle", 8: "thorax", 10: "head", 11: "left shoulder"},
    "smpl24": {9: "spine 3", 12: "neck", 13: "left collar", 15: "head", 23: "right hand"},
    "hand21": {0: "wrist", 4: "thumb 4", 5: "index 1", 12: "middle 4", 20: "pinky 4"},
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_joints_have_the_numbers_of_their_format(name):
    names = LAYOUTS[name].names
    assert PUBLISHED[name] == {joint: names[joint] for joint in PUBLISHED[name]}


def test_whole_bodies_begin_with_the_joints_of_coco():
    for name in ("halpe26", "coco_wholebody133"):
        assert LAYOUTS[name].names[:17] == COCO17.names


def test_a_joint_hangs_on_a_joint_of_its_own_side():
    """Or on one of the middle."""
    for layout in LAYOUTS.values():
        for joint, parent in enumerate(layout.parents):
            sides = {layout.names[v].split()[0] for v in (joint, parent)}
            assert not sides >= {"left", "right"}
