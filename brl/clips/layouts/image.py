"""Layouts of bodies in images: joints in 2D, each with its score."""

from brl.clips.layout import Layout
from brl.clips.layouts.face import FACE
from brl.clips.layouts.named import fingers, named

COCO17 = Layout(
    name="coco17",
    parents=(0, 0, 0, 1, 2, 0, 0, 5, 6, 7, 8, 0, 0, 11, 12, 13, 14),
    mirror_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    upper_body=tuple(range(11)),
    graph_parents=((11, 5), (12, 6)),
    dimensions=2,
    scored=True,
    parts={"hand": (0, *range(5, 11)), "leg": (0, *range(11, 17))},
    names=(
        "nose", "left eye", "right eye", "left ear", "right ear",
        "left shoulder", "right shoulder", "left elbow", "right elbow", "left wrist", "right wrist",
        "left hip", "right hip", "left knee", "right knee", "left ankle", "right ankle",
    ),
)  # fmt: skip

# Head, then shoulders, elbows, wrists, hips, knees and ankles. The right one comes first: what the
# authors call left is on the right of the body in nearly all clips.
PENN_ACTION13 = Layout(
    name="penn_action13",
    parents=(0, 0, 0, 1, 2, 3, 4, 1, 2, 7, 8, 9, 10),
    mirror_pairs=((2, 1), (4, 3), (6, 5), (8, 7), (10, 9), (12, 11)),
    upper_body=tuple(range(7)),
    dimensions=2,
    scored=True,
    parts={"hand": (0, *range(1, 7)), "leg": (0, *range(7, 13))},
    names=(
        "head",
        "right shoulder", "left shoulder", "right elbow", "left elbow", "right wrist", "left wrist",
        "right hip", "left hip", "right knee", "left knee", "right ankle", "left ankle",
    ),
)  # fmt: skip

OPENPOSE18 = Layout(
    name="openpose18",
    parents=(1, 1, 1, 2, 3, 1, 5, 6, 2, 8, 9, 5, 11, 12, 0, 0, 14, 15),
    mirror_pairs=((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (14, 15), (16, 17)),
    upper_body=(*range(8), *range(14, 18)),
    dimensions=2,
    scored=True,
    parts={"hand": (1, *range(2, 8)), "leg": (1, *range(8, 14))},
    names=(
        "nose", "neck",
        "right shoulder", "right elbow", "right wrist",
        "left shoulder", "left elbow", "left wrist",
        "right hip", "right knee", "right ankle",
        "left hip", "left knee", "left ankle",
        "right eye", "left eye", "right ear", "left ear",
    ),
)  # fmt: skip

FEET = {
    "left big toe": "left ankle",
    "left small toe": "left big toe",
    "left heel": "left ankle",
    "right big toe": "right ankle",
    "right small toe": "right big toe",
    "right heel": "right ankle",
}

OPENPOSE25 = named(
    "openpose25",
    {
        "nose": "neck",
        "neck": "neck",
        "right shoulder": "neck",
        "right elbow": "right shoulder",
        "right wrist": "right elbow",
        "left shoulder": "neck",
        "left elbow": "left shoulder",
        "left wrist": "left elbow",
        "hip centre": "neck",
        "right hip": "hip centre",
        "right knee": "right hip",
        "right ankle": "right knee",
        "left hip": "hip centre",
        "left knee": "left hip",
        "left ankle": "left knee",
        "right eye": "nose",
        "left eye": "nose",
        "right ear": "right eye",
        "left ear": "left eye",
        **FEET,
    },
    arms="neck",
    legs="hip centre",
    dimensions=2,
    scored=True,
)

# The bones of COCO17, but the hips hang on the shoulders, as in its graph.
COCO_BODY = {
    **{name: COCO17.names[above] for name, above in zip(COCO17.names, COCO17.parents, strict=True)},
    "left hip": "left shoulder",
    "right hip": "right shoulder",
}

# The joints of COCO17, then those between left and right, and the feet.
HALPE26 = named(
    "halpe26",
    {
        **COCO_BODY,
        "nose": "neck",
        "left shoulder": "neck",
        "right shoulder": "neck",
        "left hip": "hip centre",
        "right hip": "hip centre",
        "head top": "neck",
        "neck": "neck",
        "hip centre": "neck",
        "left big toe": "left ankle",
        "right big toe": "right ankle",
        "left small toe": "left big toe",
        "right small toe": "right big toe",
        "left heel": "left ankle",
        "right heel": "right ankle",
    },
    arms="neck",
    legs="hip centre",
    dimensions=2,
    scored=True,
)

# The joints of COCO17, then feet, face and hands.
COCO_WHOLEBODY133 = named(
    "coco_wholebody133",
    {
        **COCO_BODY,
        **FEET,
        **FACE,
        "left hand root": "left wrist",
        **fingers("left hand root", "left "),
        "right hand root": "right wrist",
        **fingers("right hand root", "right "),
    },
    arms="nose",
    legs="nose",
    dimensions=2,
    scored=True,
)
