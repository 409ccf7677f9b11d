"""Articulated body of the built-in dataset: forward kinematics from angles to positions.

The body frame is right-handed: x to the body's left, y up, z forward. Angles are degrees.
Positions are metres, on a floor at y = 0. Joints are numbered as in the NTU 25-joint layout.
"""

from dataclasses import dataclass

import numpy as np

JOINTS = 25

# The parent of each joint in the kinematic tree; -1 marks the root, the spine base. The pelvis is
# the root because the legs carry it; the tree of the streams is rooted at the chest.
KINEMATIC_PARENTS = (
    -1, 0, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 1, 7, 7, 11, 11,
)  # fmt: skip

TRUNK_ANGLES = ("lift", "yaw", "lean", "sway", "bend", "side", "twist", "nod", "look")
ARM_ANGLES = ("raise", "plane", "turn", "elbow", "wrist")
LEG_ANGLES = ("hip", "out", "knee", "toe")

# Column of each angle in an array of angles (T, DOFS); those of limbs have the prefix "left " or
# "right ". Only "lift" is not an angle, but metres above the floor.
COLUMN = {
    name: column
    for column, name in enumerate(
        TRUNK_ANGLES
        + tuple(f"{side} {name}" for side in ("left", "right") for name in ARM_ANGLES)
        + tuple(f"{side} {name}" for side in ("left", "right") for name in LEG_ANGLES)
    )
}
DOFS = len(COLUMN)

_ARMS = slice(len(TRUNK_ANGLES), len(TRUNK_ANGLES) + 2 * len(ARM_ANGLES))
_LEGS = slice(_ARMS.stop, DOFS)

# Range of each angle; both sides share it.
_RANGES = {
    "lift": (0.0, 1.0),
    "yaw": (-720.0, 720.0),
    "lean": (-15.0, 95.0),
    "sway": (-15.0, 15.0),
    "bend": (-20.0, 70.0),
    "side": (-30.0, 30.0),
    "twist": (-50.0, 50.0),
    "nod": (-40.0, 50.0),
    "look": (-70.0, 70.0),
    "raise": (-40.0, 175.0),
    "plane": (-45.0, 120.0),
    "turn": (-85.0, 90.0),
    "elbow": (0.0, 150.0),
    "wrist": (-50.0, 50.0),
    "hip": (-30.0, 115.0),
    "out": (-5.0, 45.0),
    "knee": (0.0, 135.0),
    "toe": (-45.0, 45.0),
}
_LOWEST, _HIGHEST = np.array([_RANGES[name.split()[-1]] for name in COLUMN]).T

_MIRROR_COLUMNS = np.array(
    [
        COLUMN[name.replace("left", "#").replace("right", "left").replace("#", "right")]
        for name in COLUMN
    ]
)
_MIRROR_SIGNS = np.array(
    [-1.0 if name in ("yaw", "sway", "side", "twist", "look") else 1.0 for name in COLUMN]
)

_SIDES = np.array([1.0, -1.0])  # left, right: the sign of a sideways offset
_CONTACT_SOFTNESS = 0.015  # metres by which a foot must be lower to carry the body alone


@dataclass(frozen=True)
class Body:
    """Lengths of a body's segments, in metres; both sides have the same."""

    lower_spine: float = 0.27
    upper_spine: float = 0.22
    neck: float = 0.08
    head: float = 0.15
    half_shoulders: float = 0.17
    upper_arm: float = 0.28
    forearm: float = 0.25
    hand: float = 0.08
    fingers: float = 0.08
    thumb: float = 0.05
    half_hips: float = 0.085
    thigh: float = 0.42
    shin: float = 0.40
    foot: float = 0.14
    heel: float = 0.06


def mirrored(angles: np.ndarray) -> np.ndarray:
    """Swaps left and right of angles (..., DOFS)."""
    return angles[..., _MIRROR_COLUMNS] * _MIRROR_SIGNS


def within_reach(angles: np.ndarray) -> np.ndarray:
    """Clips angles (..., DOFS) to the ranges of human joints."""
    return np.clip(angles, _LOWEST, _HIGHEST)


def _rotation(axis: int, degrees: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) about coordinate axis 0, 1 or 2."""
    radians = np.deg2rad(degrees)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.zeros((*radians.shape, 3, 3))
    matrix[..., axis, axis] = 1.0
    matrix[..., first, first] = matrix[..., second, second] = np.cos(radians)
    matrix[..., second, first] = np.sin(radians)
    matrix[..., first, second] = -matrix[..., second, first]
    return matrix


def about_vertical(degrees: float) -> np.ndarray:
    """Rotation matrix (3, 3) about the vertical axis; positive angles turn forward to the left."""
    return _rotation(1, np.array(degrees))


def _place_trunk(joints: np.ndarray, angles: np.ndarray, body: Body) -> tuple[np.ndarray, ...]:
    """Sets spine, neck and head; returns the frames of heading, pelvis and chest (T, 3, 3)."""
    trunk = {name: angles[:, COLUMN[name]] for name in TRUNK_ANGLES}
    heading = _rotation(1, trunk["yaw"])
    pelvis = heading @ _rotation(0, trunk["lean"]) @ _rotation(2, trunk["sway"])
    half_spine = (
        _rotation(1, trunk["twist"] / 2)
        @ _rotation(0, trunk["bend"] / 2)
        @ _rotation(2, trunk["side"] / 2)
    )
    middle = pelvis @ half_spine
    chest = middle @ half_spine
    head = chest @ _rotation(1, trunk["look"]) @ _rotation(0, trunk["nod"])
    joints[:, 1] = pelvis @ (0.0, body.lower_spine, 0.0)
    joints[:, 20] = joints[:, 1] + middle @ (0.0, body.upper_spine, 0.0)
    joints[:, 2] = joints[:, 20] + chest @ (0.0, body.neck, 0.0)
    joints[:, 3] = joints[:, 2] + head @ (0.0, body.head, 0.15 * body.head)
    return heading, pelvis, chest


def _place_arms(joints: np.ndarray, angles: np.ndarray, chest: np.ndarray, body: Body) -> None:
    """Sets the joints of both arms, given the frame of the chest (T, 3, 3)."""
    arms = angles[:, _ARMS].reshape(-1, 2, len(ARM_ANGLES))
    raised, plane, turn, elbow, wrist = np.moveaxis(arms, -1, 0)
    # Swing about a horizontal axis, then turn about the upper arm. Unlike a chain of Euler angles,
    # this has no singularity where the arm hangs or points forward.
    upper_arm = (
        chest[:, None]
        @ _rotation(1, _SIDES * plane)
        @ _rotation(0, -raised)
        @ _rotation(1, _SIDES * (turn - plane))
    )
    forearm = upper_arm @ _rotation(0, -elbow)
    hand = forearm @ _rotation(0, -wrist)
    shoulder_offsets = np.outer(_SIDES, (body.half_shoulders, 0.0, 0.0)) - (0.0, 0.03, 0.0)
    thumb_offsets = np.outer(_SIDES, (-0.4 * body.thumb, 0.0, 0.0))
    thumb_offsets += (0.0, -0.4 * body.thumb, 0.8 * body.thumb)
    joints[:, (4, 8)] = joints[:, None, 20] + np.einsum("tij,sj->tsi", chest, shoulder_offsets)
    joints[:, (5, 9)] = joints[:, (4, 8)] - body.upper_arm * upper_arm[..., 1]
    joints[:, (6, 10)] = joints[:, (5, 9)] - body.forearm * forearm[..., 1]
    joints[:, (7, 11)] = joints[:, (6, 10)] - body.hand * hand[..., 1]
    joints[:, (21, 23)] = joints[:, (7, 11)] - body.fingers * hand[..., 1]
    joints[:, (22, 24)] = joints[:, (7, 11)] + np.einsum("tsij,sj->tsi", hand, thumb_offsets)


def _place_legs(
    joints: np.ndarray, angles: np.ndarray, heading: np.ndarray, pelvis: np.ndarray, body: Body
) -> None:
    """Sets the joints of both legs, given the frames of heading and pelvis (T, 3, 3)."""
    legs = angles[:, _LEGS].reshape(-1, 2, len(LEG_ANGLES))
    hip, out, knee, toe = np.moveaxis(legs, -1, 0)
    # Thigh and foot are relative to the vertical, not to the pelvis: legs and soles stay where they
    # are when the body leans forward.
    thigh = heading[:, None] @ _rotation(2, _SIDES * out) @ _rotation(0, -hip)
    shin = thigh @ _rotation(0, knee)
    foot = heading[:, None] @ _rotation(0, -toe)
    hip_offsets = np.outer(_SIDES, (body.half_hips, 0.0, 0.0)) - (0.0, 0.03, 0.0)
    joints[:, (12, 16)] = np.einsum("tij,sj->tsi", pelvis, hip_offsets)
    joints[:, (13, 17)] = joints[:, (12, 16)] - body.thigh * thigh[..., 1]
    joints[:, (14, 18)] = joints[:, (13, 17)] - body.shin * shin[..., 1]
    joints[:, (15, 19)] = joints[:, (14, 18)] + foot @ (0.0, -body.heel, body.foot)


def _planted(joints: np.ndarray, lift: np.ndarray) -> np.ndarray:
    """Moves a body, given relative to its pelvis, so that the foot that carries it stays in place.

    joints: (T, V, 3). lift: (T,), height of the lowest joint. When the body walks or sits down, the
    pelvis thus follows the legs. Each step weighs its two frames equally, so that a motion played
    backwards is the exact reverse.
    """
    heights = joints[..., 1]
    feet = joints[:, (15, 19)]
    lowness = -(feet[..., 1] - feet[..., 1].min(axis=1, keepdims=True)) / _CONTACT_SOFTNESS
    carrying = np.exp(lowness) / np.exp(lowness).sum(axis=1, keepdims=True)
    steps = -((carrying[1:] + carrying[:-1])[..., None] / 2 * np.diff(feet, axis=0)).sum(axis=1)
    root = np.zeros((len(joints), 3))
    root[1:] = steps.cumsum(axis=0)
    root[:, 1] = lift - heights.min(axis=1)
    return joints + root[:, None]


def forward_kinematics(angles: np.ndarray, body: Body) -> np.ndarray:
    """Joint positions (T, 25, 3), in metres, of a body with angles (T, DOFS), in degrees.

    The pelvis starts at x = z = 0. In each frame the lowest joint touches the floor, plus "lift".
    """
    joints = np.zeros((len(angles), JOINTS, 3))
    heading, pelvis, chest = _place_trunk(joints, angles, body)
    _place_arms(joints, angles, chest, body)
    _place_legs(joints, angles, heading, pelvis, body)
    return _planted(joints, angles[:, COLUMN["lift"]])
