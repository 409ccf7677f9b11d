"""Layouts from the names of their joints: pairs, halves and parts of the body follow from them."""

from collections.abc import Collection

from brl.clips.layout import Layout

# Words in the names of an arm's joints, and in those of the lower body.
ARM = {"collar", "shoulder", "elbow", "wrist", "hand", "thumb", "index", "middle", "ring", "pinky"}
LEG = {"pelvis", "hip", "knee", "ankle", "foot", "toe", "heel"}


def named(
    name: str, tree: dict[str, str], *, arms: str, legs: str, dimensions: int, scored: bool = False
) -> Layout:
    """A layout of a whole body.

    tree: the joints in their order, each with its parent; the centre is its own parent. A pair is
    `left ...` and `right ...`. arms, legs: the joints on which the parts `hand` and `leg` hang.
    """
    names = list(tree)
    lower = [joint for joint in names if LEG & {*joint.split()}]
    upper = [joint for joint in names if joint not in lower]
    limbs = {"hand": [joint for joint in upper if ARM & {*joint.split()}], "leg": lower}

    def numbers(joints: Collection[str]) -> tuple[int, ...]:
        return tuple(map(names.index, joints))

    return Layout(
        name=name,
        parents=numbers(tree.values()),
        mirror_pairs=tuple(
            (names.index(joint), names.index(joint.replace("left", "right", 1)))
            for joint in names
            if joint.startswith("left")
        ),
        upper_body=numbers(upper),
        dimensions=dimensions,
        scored=scored,
        parts={
            part: numbers(dict.fromkeys([root, *limbs[part]]))
            for part, root in (("hand", arms), ("leg", legs))
        },
        names=tuple(names),
    )


def fingers(palm: str, side: str = "") -> dict[str, str]:
    """The 20 joints of a hand's fingers, from the thumb to the little one, outwards.

    palm: the joint on which they hang. side: the beginning of their names, such as `left `.
    """
    return {
        f"{side}{finger} {number}": f"{side}{finger} {number - 1}" if number > 1 else palm
        for finger in ("thumb", "index", "middle", "ring", "pinky")
        for number in range(1, 5)
    }
