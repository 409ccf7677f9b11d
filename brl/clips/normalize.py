"""Normalisation of clips at `prepare`, and of recordings to recognise. Method: section 3."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from brl.clips.layout import Layout

SHORTEST_AXIS = 1e-6
SPINE_BASE, SPINE, LEFT_SHOULDER, RIGHT_SHOULDER = 0, 1, 4, 8
SIDEWAYS, UP = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])


@dataclass(frozen=True)
class Normalization:
    """How a dataset's joints come into their own frame of reference.

    kind    none | ntu: `normalize_ntu` | center: `center_first_frame`, scores stay |
            image: `to_image_frame`, by the reader, who knows the image's size
    center  the joint, of kind center
    """

    kind: Literal["none", "center", "ntu", "image"]
    center: int = 1

    def __call__(self, joints: np.ndarray, dimensions: int = 3) -> np.ndarray:
        """joints (M, T, V, K), the first `dimensions` channels coordinates, to (M', T', V, K)."""
        if self.kind == "ntu":
            return normalize_ntu(joints)
        if self.kind == "center":
            centred = center_first_frame(joints[..., :dimensions], self.center)
            return np.concatenate([centred, joints[..., dimensions:]], axis=-1)
        return joints


def normalized(
    joints: np.ndarray, layout: Layout, normalization: Normalization, max_bodies: int
) -> np.ndarray:
    """A recording's joints as the clip store holds them.

    joints (M, T, V, K) float32, where a coordinate may be no finite number: such a joint was not
    seen. Keeps the first `max_bodies` bodies that are there at all. Returns (M', T', V, K).
    """
    known = np.isfinite(joints).all(axis=-1, keepdims=True)
    seen = np.where(known, joints, np.float32(0))
    return normalization(present_bodies(seen, max_bodies), layout.dimensions)


def present_bodies(joints: np.ndarray, max_bodies: int) -> np.ndarray:
    """The first `max_bodies` bodies that are present in any frame; of an empty clip the first.

    joints (M, T, V, K) to (M', T, V, K).
    """
    present = np.flatnonzero((joints != 0).any(axis=(1, 2, 3)))
    return joints[present[:max_bodies]] if len(present) else joints[:1]


def normalize_ntu(joints: np.ndarray) -> np.ndarray:
    """Turns an NTU clip into its main body's own frame of reference.

    joints (M, T, V, 3), one or two bodies, in metres. Frames without the main body (the one
    present in more frames) go; joint 1 of its first frame becomes the origin; the spine (joint 0
    to 1) is turned to +z, then the shoulders (4 to 8) to +x, by the first frame. Joints at the
    sensor's zero stay zero. Returns (M, T', V, 3) float32, the main body first.
    """
    present = (joints != 0).any(axis=(2, 3))
    main = int(present.sum(axis=1).argmax())
    others = [body for body in range(len(joints)) if body != main]
    kept = joints[[main, *others]][:, present[main]].astype(np.float64)
    if kept.shape[1] == 0:
        return np.zeros_like(joints[:, :1], dtype=np.float32)
    missing = (kept == 0).all(axis=-1, keepdims=True)
    kept = np.where(missing, 0, kept - kept[0, 0, SPINE])
    for start, end, axis in ((SPINE_BASE, SPINE, UP), (LEFT_SHOULDER, RIGHT_SHOULDER, SIDEWAYS)):
        rotation = shortest_arc(kept[0, 0, end] - kept[0, 0, start], axis)
        kept = kept @ rotation.T
    return kept.astype(np.float32)


def shortest_arc(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The rotation (3, 3) that turns `vector` to the unit vector `axis` by the shortest way.

    The identity where the vector or the axis of rotation is shorter than 1e-6. Rodrigues' formula.
    """
    length = np.linalg.norm(vector)
    if length < SHORTEST_AXIS:
        return np.eye(3)
    normal = np.cross(vector / length, axis)
    sine, cosine = np.linalg.norm(normal), vector @ axis / length
    if sine < SHORTEST_AXIS:
        return np.eye(3)
    x, y, z = normal / sine
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + sine * skew + (1 - cosine) * (skew @ skew)


def center_first_frame(joints: np.ndarray, centre: int = 1) -> np.ndarray:
    """Moves joint `centre` of the first body, where it is first seen, into the origin.

    joints (M, T, V, K) to the same. Where it is never seen, the mean of what is first seen of the
    body takes its place. Joints at the sensor's zero were not seen and stay there, as in
    `normalize_ntu`; the published recipe moves them too, away from the body (NW-UCLA: 12 joints in
    two training clips).
    """
    seen = (joints != 0).any(axis=-1)
    body = seen[0]
    origin = np.zeros(joints.shape[-1], dtype=joints.dtype)
    if body[:, centre].any():
        origin = joints[0, body[:, centre].argmax(), centre]
    elif body.any():
        frame = body.any(axis=1).argmax()
        origin = joints[0, frame, body[frame]].mean(axis=0)
    return np.where(seen[..., None], joints - origin, 0)


def to_image_frame(joints: np.ndarray, height: float, width: float) -> np.ndarray:
    """Pixels to the image's own frame: -1 to 1 from edge to edge, the origin at its middle.

    joints (M, T, V, K): x, y, and the score where K is 3. Joints that are zero throughout were
    not seen and stay so. Returns (M, T, V, K) float32.
    """
    channels = joints.shape[-1]
    seen = (joints != 0).any(axis=-1, keepdims=True)
    half = np.array([width / 2, height / 2, 1])[:channels]
    middle = np.array([1, 1, 0])[:channels]
    return np.where(seen, joints / half - middle, 0).astype(np.float32)
