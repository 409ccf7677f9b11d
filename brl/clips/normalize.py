"""Normalisation of clips in the stage `prepare`, and of recordings to recognise.

The rules for NTU RGB+D and for pixels are those of PYSKL (arXiv 2205.09443): its transforms
PreNormalize3D and PreNormalize2D.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from brl.clips.layout import Layout
from brl.clips.presence import presence, present_bodies

SHORTEST_AXIS = 1e-6  # below this length a vector has no direction
SPINE_BASE, SPINE, LEFT_SHOULDER, RIGHT_SHOULDER = 0, 1, 4, 8
SIDEWAYS, UP = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])


@dataclass(frozen=True)
class Normalization:
    """The rule by which a dataset's joints are moved into a frame of reference of their own.

    kind    none, ntu (`normalize_ntu`), center (`center_first_frame`; scores stay), or image
            (`to_image_frame`, applied by `normalized`, which is given the size of the image)
    center  the joint that becomes the origin; used by `center` only
    """

    kind: Literal["none", "center", "ntu", "image"]
    center: int = 1

    def __call__(self, joints: np.ndarray, dimensions: int = 3) -> np.ndarray:
        """Normalises joints (M, T, V, K), whose first `dimensions` channels are coordinates.

        Returns (M, T', V, K): `ntu` drops frames without the main body. Kinds `none` and `image`
        return the joints as they are.
        """
        if self.kind == "ntu":
            return normalize_ntu(joints)
        if self.kind == "center":
            centred = center_first_frame(joints[..., :dimensions], self.center)
            return np.concatenate([centred, joints[..., dimensions:]], axis=-1)
        return joints


def normalized(
    joints: np.ndarray,
    layout: Layout,
    normalization: Normalization,
    max_bodies: int,
    image_size: tuple[float, float] | None = None,
) -> np.ndarray:
    """The joints of a recording in the form in which the clip store holds them.

    joints: (M, T, V, K), as recorded; joints that were not seen (`seen_joints`) become zero.
    image_size: height and width of the image, if the coordinates are its pixels. Bodies that are
    absent from every frame that is kept are dropped. Of more than `max_bodies`, those present in
    the most of these frames are kept, the main body among them. Returns (M', T', V, K) float32,
    with M' >= 1: a clip without any body keeps the first.
    """
    seen = seen_joints(joints, layout.dimensions)
    with np.errstate(over="ignore"):  # becomes infinite: not seen
        if image_size is not None:
            seen = to_image_frame(seen, *image_size)
        seen = seen.astype(np.float32, copy=False)
    # In the image's frame a joint whose coordinates are zero is in the middle, with its score.
    seen = seen_joints(seen, layout.channels)
    if normalization.kind == "ntu":  # a body is counted in the frames that are kept
        seen = main_body_first(seen)
    kept = present_bodies(seen, max_bodies)
    # `center` may move all that was seen of a body into the origin.
    return present_bodies(normalization(kept, layout.dimensions), max_bodies)


def seen_joints(joints: np.ndarray, dimensions: int) -> np.ndarray:
    """The joints (..., K), those that were not seen all zero.

    A joint was not seen if one of its channels is not finite, or if its coordinates, the first
    `dimensions` channels, are all zero. Pose estimators may give such a joint a score.
    """
    finite = np.isfinite(joints).all(axis=-1, keepdims=True)
    placed = (joints[..., :dimensions] != 0).any(axis=-1, keepdims=True)
    return np.where(finite & placed, joints, np.float32(0))


def main_body_first(joints: np.ndarray) -> np.ndarray:
    """Puts the main body first and drops the frames without it.

    joints: (M, T, V, K). The main body is the one that is present in more frames than any other
    (ties: the first); the others keep their order. Returns (M, T', V, K): a clip without any body
    keeps one frame.
    """
    present = presence(joints)
    main = int(present.sum(axis=1).argmax())
    others = [body for body in range(len(joints)) if body != main]
    return joints[[main, *others]][:, present[main]] if present.any() else joints[:, :1]


def normalize_ntu(joints: np.ndarray) -> np.ndarray:
    """Moves an NTU clip into its main body's own frame of reference.

    joints: (M, T, V, 3), in metres. The main body comes first, and frames without it are dropped
    (`main_body_first`). Its first remaining frame sets the transform: joint 1 becomes the origin,
    the spine (joint 0 to 1) is turned to +z, then the shoulders (joint 4 to 8) to +x. Joints that
    are all zero were not seen by the sensor and stay zero.
    Returns (M, T', V, 3) float32; a body seen only in dropped frames is all zero. Source: PYSKL
    (arXiv 2205.09443), PreNormalize3D.
    """
    kept = main_body_first(joints).astype(np.float64)
    missing = (kept == 0).all(axis=-1, keepdims=True)
    kept = np.where(missing, 0, kept - kept[0, 0, SPINE])
    for start, end, axis in ((SPINE_BASE, SPINE, UP), (LEFT_SHOULDER, RIGHT_SHOULDER, SIDEWAYS)):
        rotation = shortest_arc(kept[0, 0, end] - kept[0, 0, start], axis)
        kept = kept @ rotation.T
    return kept.astype(np.float32)


def shortest_arc(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Rotation matrix (3, 3) that turns `vector` onto `axis` along the shortest arc.

    vector: (3,). axis: (3,), of length 1. Returns the identity where the vector or the axis of
    rotation is shorter than 1e-6. By Rodrigues' formula.
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
    """Moves a clip so that joint `centre` of the first body starts in the origin.

    joints: (M, T, V, K). Returns the same shape. The first frame that shows the joint counts. If
    no frame shows it, the mean of the joints in the body's first frame becomes the origin.
    Joints that are all zero were not seen and stay zero, as in `normalize_ntu`. The published
    recipe moves them too, away from the body (NW-UCLA: 12 joints in two training clips).
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
    """Converts pixels into the image's frame: -1 to 1 from edge to edge, the origin in the middle.

    joints: (M, T, V, K), x, y and, where K is 3, the score, which stays. height, width: pixels.
    Joints whose coordinates are zero were not seen: they become zero, their score too. Returns
    (M, T, V, K) float32. Source: PYSKL (arXiv 2205.09443), PreNormalize2D.
    """
    channels = joints.shape[-1]
    seen = (joints[..., :2] != 0).any(axis=-1, keepdims=True)
    half = np.array([width / 2, height / 2, 1])[:channels]
    middle = np.array([1, 1, 0])[:channels]
    return np.where(seen, joints / half - middle, 0).astype(np.float32)
