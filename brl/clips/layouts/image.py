"""Layouts of bodies in images: joints in 2D, each with its score."""

from brl.clips.layout import Layout

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
