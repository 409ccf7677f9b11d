"""Follows people over time: which skeletons of different frames are one body."""

import numpy as np
import scipy  # loads its modules where they are used

LONGEST_ABSENCE = 30  # frames after which a person who comes back is another body
FARTHEST = 1.0  # from one sighting to the next, in diagonals of the person's box
IMPOSSIBLE = 1e3  # more than any possible pairs of a frame cost
SHORTEST = 1e-6  # a box of one joint has no size


def boxes_of(joints: np.ndarray) -> np.ndarray:
    """The boxes (S, 4) around skeletons (S, V, K) in x and y: x0, y0, x1, y1.

    Joints that are all zero were not seen. Each skeleton shows at least one joint.
    """
    seen = (joints != 0).any(axis=-1)[..., None]
    places = joints[..., :2].astype(np.float64)
    low = np.where(seen, places, np.inf).min(axis=1)
    high = np.where(seen, places, -np.inf).max(axis=1)
    return np.concatenate([low, high], axis=1)


def follow(frames: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The track of each skeleton, (S,) int64 from 0, in order of first appearance.

    frames: (S,), ascending. boxes: (S, 4), as `boxes_of` gives them.
    In each frame, the tracks of the last 30 frames and the frame's boxes are paired so that the sum
    of `costs` is least (the Hungarian assignment). What is left without a partner starts a track.
    """
    tracks = np.empty(len(frames), dtype=np.int64)
    last: list[int] = []  # the last skeleton of each track
    current: list[int] = []  # the tracks that a frame may continue
    for members in np.split(np.arange(len(frames)), np.flatnonzero(np.diff(frames)) + 1):
        oldest = frames[members[0]] - LONGEST_ABSENCE if len(members) else 0
        current = [track for track in current if frames[last[track]] >= oldest]
        cost = costs(boxes[[last[track] for track in current]], boxes[members])
        tracks[members] = -1
        for row, column in zip(*scipy.optimize.linear_sum_assignment(cost), strict=True):
            if cost[row, column] < IMPOSSIBLE:
                tracks[members[column]] = current[row]
                last[current[row]] = members[column]
        for member in members[tracks[members] < 0]:
            tracks[member] = len(last)
            current.append(len(last))
            last.append(member)
    return tracks


def costs(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """What it costs to take boxes (B, 4) for earlier ones (A, 4): (A, B).

    It is the distance of the centres, in diagonals of the larger box, plus the share of both boxes
    that they do not have in common (1 - IoU). A pair that is farther apart than a diagonal is
    impossible.
    """
    first, second = before[:, None], now[None]
    larger = np.maximum(_diagonal(first), _diagonal(second))
    between = (first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) / 2
    distance = np.linalg.norm(between, axis=-1) / np.maximum(larger, SHORTEST)
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    common = np.clip(high - low, 0, None).prod(axis=-1)
    union = area(first) + area(second) - common
    overlap = common / np.maximum(union, SHORTEST**2)
    return np.where(distance < FARTHEST, distance + 1 - overlap, IMPOSSIBLE)


def area(boxes: np.ndarray) -> np.ndarray:
    """The areas of boxes (..., 4)."""
    return (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)


def _diagonal(boxes: np.ndarray) -> np.ndarray:
    return np.linalg.norm(boxes[..., 2:] - boxes[..., :2], axis=-1)
