"""Layouts of Kinect's bodies: joints in 3D, in metres."""

from brl.clips.layout import Layout

NTU25 = Layout(
    name="ntu25",
    parents=(
        1, 20, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 20, 22, 7, 24, 11,
    ),
    mirror_pairs=(
        (4, 8), (5, 9), (6, 10), (7, 11), (12, 16), (13, 17), (14, 18), (15, 19), (21, 23),
        (22, 24),
    ),
    upper_body=(*range(1, 12), *range(20, 25)),
    graph_parents=((21, 7), (23, 11)),
    parts={
        "hand": (20, 4, 5, 6, 7, 21, 22, 8, 9, 10, 11, 23, 24),
        "leg": (0, *range(12, 20)),
    },
    names=(
        "spine base", "spine middle", "neck", "head",
        "left shoulder", "left elbow", "left wrist", "left hand",
        "right shoulder", "right elbow", "right wrist", "right hand",
        "left hip", "left knee", "left ankle", "left foot",
        "right hip", "right knee", "right ankle", "right foot",
        "spine shoulder", "left hand tip", "left thumb", "right hand tip", "right thumb",
    ),
)  # fmt: skip

NW_UCLA20 = Layout(
    name="nw_ucla20",
    parents=(1, 2, 2, 2, 2, 4, 5, 6, 2, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18),
    mirror_pairs=(
        (4, 8), (5, 9), (6, 10), (7, 11), (12, 16), (13, 17), (14, 18), (15, 19),
    ),
    upper_body=tuple(range(1, 12)),
    parts={"hand": (2, *range(4, 12)), "leg": (0, *range(12, 20))},
    names=(
        "hip centre", "spine", "shoulder centre", "head",
        "left shoulder", "left elbow", "left wrist", "left hand",
        "right shoulder", "right elbow", "right wrist", "right hand",
        "left hip", "left knee", "left ankle", "left foot",
        "right hip", "right knee", "right ankle", "right foot",
    ),
)  # fmt: skip

# The joints of NW_UCLA20, numbered from the head down.
UTD_MHAD20 = Layout(
    name="utd_mhad20",
    parents=(1, 1, 1, 2, 1, 4, 5, 6, 1, 8, 9, 10, 3, 12, 13, 14, 3, 16, 17, 18),
    mirror_pairs=(
        (4, 8), (5, 9), (6, 10), (7, 11), (12, 16), (13, 17), (14, 18), (15, 19),
    ),
    upper_body=(0, 1, 2, *range(4, 12)),
    parts={"hand": (1, *range(4, 12)), "leg": (3, *range(12, 20))},
    names=(
        "head", "shoulder centre", "spine", "hip centre",
        "left shoulder", "left elbow", "left wrist", "left hand",
        "right shoulder", "right elbow", "right wrist", "right hand",
        "left hip", "left knee", "left ankle", "left foot",
        "right hip", "right knee", "right ankle", "right foot",
    ),
)  # fmt: skip

# The same joints in an order of its own.
MSR_ACTION3D20 = Layout(
    name="msr_action3d20",
    parents=(2, 2, 2, 2, 6, 6, 3, 0, 1, 7, 8, 9, 10, 4, 5, 13, 14, 15, 16, 2),
    mirror_pairs=(
        (0, 1), (4, 5), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16), (17, 18),
    ),
    upper_body=(*range(4), *range(7, 13), 19),
    parts={"hand": (2, 0, 7, 9, 11, 1, 8, 10, 12), "leg": (6, 4, 13, 15, 17, 5, 14, 16, 18)},
    names=(
        "left shoulder", "right shoulder", "shoulder centre", "spine",
        "left hip", "right hip", "hip centre",
        "left elbow", "right elbow", "left wrist", "right wrist", "left hand", "right hand",
        "left knee", "right knee", "left ankle", "right ankle", "left foot", "right foot",
        "head",
    ),
)  # fmt: skip
