"""Parts of the body: a part of a layout is a layout, whose edges follow the whole body's."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from brl.clips.layout import Layout
from brl.clips.layouts import COCO17, LAYOUTS, NTU25, OPENPOSE18

ALL = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
WHOLE_BODIES = [layout for layout in LAYOUTS.values() if layout.name != "hand21"]


@st.composite
def trees(draw: st.DrawFn) -> Layout:
    """A tree of 2 to 12 joints in any order, with mirror pairs and a part of any joints."""
    size = draw(st.integers(2, 12))
    order = draw(st.permutations(range(size)))
    parents = [0] * size
    parents[order[0]] = order[0]
    for number, joint in enumerate(order[1:], start=1):
        parents[joint] = order[draw(st.integers(0, number - 1))]
    shuffled = draw(st.permutations(range(size)))
    pairs = tuple(zip(shuffled[: size // 2], shuffled[size // 2 :], strict=False))
    joints = draw(st.lists(st.integers(0, size - 1), min_size=1, unique=True))
    upper = tuple(range(size // 2))
    return Layout("tree", tuple(parents), pairs, upper, parts={"some": tuple(joints)})


def ancestors_of(layout: Layout, joint: int) -> list[int]:
    """All ancestors, the nearest first."""
    found = []
    while layout.parents[joint] != joint:
        joint = layout.parents[joint]
        found.append(joint)
    return found


@given(trees())
def test_a_joint_hangs_on_its_nearest_ancestor_in_the_part(layout):
    """A joint without one is the centre, or hangs on it. Layout itself checks the tree."""
    part, joints = layout.part("some"), layout.part_joints("some")
    assert part.num_joints == len(joints)
    highest = [j for j in joints if not set(ancestors_of(layout, j)) & set(joints)]
    for joint, parent in zip(joints, part.parents, strict=True):
        above = [ancestor for ancestor in ancestors_of(layout, joint) if ancestor in joints]
        assert joints[parent] == (above[0] if above else highest[0])


@given(trees())
def test_pairs_and_halves_are_those_of_the_whole_body(layout):
    part, joints = layout.part("some"), layout.part_joints("some")
    pairs = {tuple(joints[joint] for joint in pair) for pair in part.mirror_pairs}
    assert pairs == {pair for pair in layout.mirror_pairs if set(pair) <= set(joints)}
    assert {joints[joint] for joint in part.upper_body} == set(layout.upper_body) & set(joints)
    assert [joints[joint] for joint in np.flatnonzero(part.lower_body())] == [
        joint for joint in joints if layout.lower_body()[joint]
    ]


@ALL
@given(data=st.data())
def test_the_graph_of_any_part_is_a_tree_too(layout, data):
    """Also where the network's graph has other edges than the bones."""
    anything = st.lists(st.sampled_from(range(layout.num_joints)), min_size=1, unique=True)
    drawn = asdict(layout) | {"parts": {"some": tuple(data.draw(anything))}}
    part = Layout(**drawn).part("some")
    _, inward, outward = part.spatial_partition()
    edges = inward + outward
    assert (inward.sum(axis=0) == 1).sum() == part.num_joints - 1
    linked = np.linalg.matrix_power(np.eye(part.num_joints) + edges, part.num_joints) > 0
    assert linked.all()


@ALL
def test_the_body_is_the_layout_itself(layout):
    assert layout.part("body") is layout
    assert layout.part_joints("body") == tuple(range(layout.num_joints))


@pytest.mark.parametrize("layout", WHOLE_BODIES, ids=lambda layout: layout.name)
@pytest.mark.parametrize("name", ["hand", "leg"])
def test_known_layouts_have_arms_and_legs(layout, name):
    """Each is its own mirror image, and starts with its centre, the only joint without a pair."""
    part = layout.part(name)
    assert part.name == f"{layout.name}/{name}"
    assert (part.dimensions, part.scored) == (layout.dimensions, layout.scored)
    assert part.parents[0] == 0
    paired = {joint for pair in part.mirror_pairs for joint in pair}
    assert paired == set(range(1, part.num_joints))
    assert paired & set(part.upper_body) == (paired if name == "hand" else set())


def test_parts_of_ntu_have_the_joints_of_psumnet():
    """arXiv 2208.05775, section 3. In its graph, hand tips and thumbs hang on the hands."""
    assert NTU25.part_joints("hand") == (20, 4, 5, 6, 7, 21, 22, 8, 9, 10, 11, 23, 24)
    assert NTU25.part_joints("leg") == (0, 12, 13, 14, 15, 16, 17, 18, 19)
    assert edges_of(NTU25, "hand") == {
        (4, 20), (5, 4), (6, 5), (7, 6), (21, 7), (22, 7),
        (8, 20), (9, 8), (10, 9), (11, 10), (23, 11), (24, 11),
    }  # fmt: skip
    assert edges_of(NTU25, "leg") == {
        (12, 0), (13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18),
    }  # fmt: skip


def edges_of(layout: Layout, name: str) -> set[tuple[int, int]]:
    """Edges (child, parent) of a part's graph, numbered as in the whole body."""
    joints = layout.part_joints(name)
    parents, children = layout.part(name).spatial_partition()[1].nonzero()
    return {(joints[c], joints[p]) for c, p in zip(children, parents, strict=True)}


def test_legs_hang_on_the_centre_where_there_is_no_pelvis():
    assert COCO17.part_joints("hand") == (0, 5, 6, 7, 8, 9, 10)
    assert COCO17.part("hand").parents == (0, 0, 0, 1, 2, 3, 4)
    assert COCO17.part_joints("leg") == (0, 11, 12, 13, 14, 15, 16)
    assert edges_of(COCO17, "leg") == {(11, 0), (12, 0), (13, 11), (14, 12), (15, 13), (16, 14)}
    assert OPENPOSE18.part("leg").parents == (0, 0, 1, 2, 0, 4, 5)


def test_an_unknown_part_lists_the_known_ones():
    for ask in (NTU25.part, NTU25.part_joints):
        with pytest.raises(ValueError, match="no part 'arm'; known: body, hand, leg"):
            ask("arm")


@ALL
def test_layouts_read_back_from_json_and_old_ones_have_no_parts(layout):
    stored = json.loads(json.dumps(asdict(layout)))
    read = TypeAdapter(Layout).validate_python(stored)
    assert read == layout
    assert hash(read) == hash(layout)
    del stored["parts"]
    old = TypeAdapter(Layout).validate_python(stored)
    assert old.part("body") is old
    with pytest.raises(ValueError, match="no part 'hand'; known: body"):
        old.part("hand")
