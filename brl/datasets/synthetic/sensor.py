"""A model of a depth sensor: the view of a camera, and measurement errors.

Camera frame: x to the camera's left, y up, z away from it; metres.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

# Error of each joint relative to the trunk: largest for hands and feet.
_RELATIVE_ERROR = np.array(
    [1.0, 0.8, 0.8, 1.0, 1.0, 1.3, 1.7, 2.1, 1.0, 1.3, 1.7, 2.1, 1.1, 1.4, 1.8, 2.1, 1.1, 1.4,
     1.8, 2.1, 0.8, 2.5, 2.5, 2.5, 2.5]
)  # fmt: skip
_LIMBS = tuple(
    np.array(joints)
    for joints in ((5, 6, 7, 21, 22), (9, 10, 11, 23, 24), (13, 14, 15), (17, 18, 19))
)
_TRUNK_JOINTS = np.array([0, 1, 20])
_REFERENCE_DEPTH = 3.0  # metres: noise grows with the square of the depth
_HIDDEN_DEPTH = 0.2  # metres behind the trunk at which a joint counts as hidden
_DRIFT_FRAMES = 6  # frames between independent values of the drift


@dataclass(frozen=True)
class View:
    """A camera that points at the middle of the room.

    azimuth   angle around the room, in degrees
    height    metres above the floor
    distance  metres from the middle of the room
    """

    azimuth: float
    height: float
    distance: float


@dataclass(frozen=True)
class Sensor:
    """Size and frequency of the sensor's errors.

    white     standard deviation of the error of a trunk joint at 3 m, independent in each frame, in
              metres
    drift     the same for the slowly changing error
    hidden    relative increase of the error of a joint behind the body
    outliers  probability per clip that a limb is displaced for a few frames
    thrown    standard deviation of that displacement, in metres
    frozen    probability per clip that a limb stands still for some frames
    blackout  probability per clip of a few frames that show nothing
    skipped   probability per frame that it is dropped, so that time jumps
    lost      probability per clip that a second body is missing for part of it
    """

    white: float
    drift: float
    hidden: float
    outliers: float
    thrown: float
    frozen: float
    blackout: float
    skipped: float
    lost: float

    def measured(self, joints: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Adds the sensor's errors to a body (T, V, 3) in the camera frame."""
        depth = joints[..., 2]
        behind = depth - depth[:, _TRUNK_JOINTS].mean(axis=1, keepdims=True)
        hidden = np.clip(behind / _HIDDEN_DEPTH, 0.0, 1.5)
        scale = _RELATIVE_ERROR * (depth / _REFERENCE_DEPTH) ** 2 * (1 + self.hidden * hidden)
        error = self.white * rng.standard_normal(joints.shape)
        error += self.drift * slow_noise(rng, len(joints), joints.shape[1:], _DRIFT_FRAMES)
        seen = joints + scale[..., None] * error
        if rng.random() < self.outliers:
            thrown = seen[_stretch(rng, len(seen), 1, 5)]
            thrown[:, _any_limb(rng)] += self.thrown * rng.standard_normal(3)
        if rng.random() < self.frozen:
            frozen, limb = seen[_stretch(rng, len(seen), 4, 16)], _any_limb(rng)
            frozen[:, limb] = frozen[0, limb]
        return seen

    def recorded(
        self, bodies: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Bodies (M, T, V, 3) with frames blacked out or dropped.

        Returns bodies (M, T', V, 3), T' <= T, and which frames were kept, (T,) bool.
        """
        if len(bodies) > 1 and rng.random() < self.lost:
            frames = bodies.shape[1]
            bodies[1, _stretch(rng, frames, frames // 5, frames // 2)] = 0.0
        if rng.random() < self.blackout:
            bodies[:, _stretch(rng, bodies.shape[1], 1, 5)] = 0.0
        kept = rng.random((bodies.shape[1],)) >= self.skipped
        return bodies[:, kept], kept


def _any_limb(rng: np.random.Generator) -> np.ndarray:
    return _LIMBS[rng.integers(len(_LIMBS))]


def _stretch(rng: np.random.Generator, frames: int, shortest: int, longest: int) -> slice:
    """Some consecutive frames of a clip, at least `shortest` and fewer than `longest`."""
    length = int(rng.integers(shortest, longest))
    start = int(rng.integers(0, frames - length))
    return slice(start, start + length)


def slow_noise(
    rng: np.random.Generator, frames: int, shape: tuple[int, ...], scale: float
) -> np.ndarray:
    """Noise (frames, *shape) around 0, interpolated between normal values every `scale` frames."""
    position = np.arange(frames) / scale
    knot = position.astype(int)
    share = (position - knot).reshape(-1, *[1] * len(shape))
    knots = rng.standard_normal((knot[-1] + 2, *shape))
    return (1 - share) * knots[knot] + share * knots[knot + 1]


@cache
def standing(view: View, target_height: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """Where the camera of a view stands in the room, (3,) in metres, and its axes, (3, 3).

    The rows of the axes are left, up and ahead.
    """
    azimuth = np.deg2rad(view.azimuth)
    camera = np.array(
        [view.distance * np.sin(azimuth), view.height, view.distance * np.cos(azimuth)]
    )
    ahead = np.array([0.0, target_height, 0.0]) - camera
    ahead /= np.linalg.norm(ahead)
    left = np.cross((0.0, 1.0, 0.0), ahead)
    left /= np.linalg.norm(left)
    return camera, np.array([left, np.cross(ahead, left), ahead])


def seen_from(joints: np.ndarray, view: View) -> np.ndarray:
    """Transforms joints (..., 3) from the room into the camera frame of a view; metres."""
    camera, axes = standing(view)
    return (joints - camera) @ axes.T
