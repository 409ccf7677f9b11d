"""A body at rest in every known layout: what a picture shows, and how long bones are."""

import numpy as np

from brl.clips.layout import Layout

# An adult of 1.75 m, standing, arms a little apart, feet turned out; rounded, as in tables of body
# proportions. In metres: x to the body's left, y up, z forward. The right side is the left's mirror
# image.
BODY = {
    "nose": (0, 1.58, 0.12), "head": (0, 1.62, 0.02), "head top": (0, 1.75, 0),
    "left eye": (0.033, 1.62, 0.09), "left inner eye": (0.018, 1.62, 0.1),
    "left outer eye": (0.048, 1.615, 0.08), "left ear": (0.075, 1.6, 0),
    "left mouth": (0.025, 1.53, 0.09),
    "neck": (0, 1.48, 0), "thorax": (0, 1.42, 0), "left collar": (0.08, 1.37, 0),
    "shoulder centre": (0, 1.43, 0), "spine shoulder": (0, 1.39, 0),
    "spine": (0, 1.02, 0), "spine middle": (0, 1.18, 0), "torso": (0, 1.18, 0),
    "spine 1": (0, 1.05, 0), "spine 2": (0, 1.18, 0), "spine 3": (0, 1.24, 0),
    "hip centre": (0, 0.95, 0), "spine base": (0, 0.95, 0), "pelvis": (0, 0.95, 0),
    "left shoulder": (0.18, 1.41, 0), "left elbow": (0.3, 1.16, 0),
    "left wrist": (0.41, 0.94, 0.03),
    "left hand root": (0.415, 0.93, 0.03), "left hand": (0.44, 0.88, 0.04),
    "left hand tip": (0.48, 0.79, 0.05),
    "left thumb": (0.405, 0.87, 0.08), "left index": (0.455, 0.855, 0.05),
    "left pinky": (0.49, 0.88, 0),
    "left hip": (0.1, 0.91, 0), "left knee": (0.13, 0.5, 0.03), "left ankle": (0.15, 0.09, 0),
    "left foot": (0.17, 0.03, 0.12), "left heel": (0.13, 0.03, -0.05),
    "left toe": (0.2, 0.02, 0.16),
    "left big toe": (0.18, 0.02, 0.18), "left small toe": (0.24, 0.02, 0.13),
}  # fmt: skip
# From the wrist: x away from the body, y along the fingers. Each finger's joints, from the palm on.
HAND = {
    "thumb": ((-0.03, 0.03), (-0.055, 0.06), (-0.075, 0.085), (-0.09, 0.11)),
    "index": ((-0.025, 0.09), (-0.03, 0.13), (-0.033, 0.155), (-0.035, 0.175)),
    "middle": ((0, 0.095), (0, 0.14), (0, 0.17), (0, 0.195)),
    "ring": ((0.022, 0.09), (0.025, 0.13), (0.028, 0.155), (0.03, 0.175)),
    "pinky": ((0.042, 0.08), (0.05, 0.11), (0.055, 0.13), (0.058, 0.147)),
}  # fmt: skip
# x and y from between the eyes. The left side and the middle.
FACE = {
    "chin": (0, -0.13), "nose base": (0, -0.055), "nose bridge 1": (0, 0.01),
    "nose bridge 2": (0, -0.007), "nose bridge 3": (0, -0.024), "nose bridge 4": (0, -0.04),
    "left nostril 1": (0.008, -0.053), "left nostril 2": (0.016, -0.05),
    "left eye inner corner": (0.02, 0), "left eye outer corner": (0.046, 0.002),
    "left eye inner upper lid": (0.028, 0.007), "left eye outer upper lid": (0.038, 0.008),
    "left eye inner lower lid": (0.028, -0.004), "left eye outer lower lid": (0.038, -0.003),
    "upper lip": (0, -0.075), "left upper lip 1": (0.008, -0.073),
    "left upper lip 2": (0.018, -0.077),
    "left lip corner": (0.028, -0.085), "left lower lip 2": (0.018, -0.096),
    "left lower lip 1": (0.009, -0.101), "lower lip": (0, -0.103),
    "inner upper lip": (0, -0.082), "left inner upper lip": (0.009, -0.081),
    "left inner lip corner": (0.022, -0.085), "left inner lower lip": (0.009, -0.091),
    "inner lower lip": (0, -0.092),
    **{
        f"left jaw {number + 1}": (0.072 * np.cos(angle), -0.13 * np.sin(angle))
        for number, angle in enumerate(np.pi / 16 * np.arange(8))
    },
    **{
        f"left brow {number + 1}": (0.062 - 0.0125 * number, 0.028 + height)
        for number, height in enumerate((0, 0.01, 0.013, 0.01, 0.004))
    },
}  # fmt: skip
EYES = (0, 1.62, 0.09)


def rest_pose(layout: Layout) -> np.ndarray:
    """The joints of a known layout's body at rest, (V, 3) float64, in metres, y up, z forward.

    A layout of one hand has the wrist in the origin and its fingers up.
    """
    return np.array([_position(name, one_hand="wrist" in layout.names) for name in layout.names])


def _position(name: str, one_hand: bool) -> np.ndarray:
    if name.startswith("right "):
        return _position(f"left {name.removeprefix('right ')}", one_hand) * (-1, 1, 1)
    finger, _, number = name.removeprefix("left ").rpartition(" ")
    if name == "wrist":
        return np.zeros(3)
    if finger in HAND:
        x, y = HAND[finger][int(number) - 1]
        return np.array([x, y, 0]) if one_hand else np.add(BODY["left wrist"], (x, -y, 0))
    if name in FACE:
        return np.add(EYES, (*FACE[name], 0))
    return np.array(BODY[name], dtype=float)
