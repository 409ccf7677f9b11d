"""The people whom a pose estimator found in each frame, arranged as bodies over time."""

import math
import re
from collections.abc import Collection, Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from brl.clips.layout import Layout
from brl.datasets.pickles import shown
from brl.datasets.ranges import check_range
from brl.datasets.recordings.tracking import area, boxes_of, follow
from brl.support.errors import UserError

MOST_PEOPLE = 50  # in a frame; the largest are kept
MOST_BODIES = 10  # in a recording; those seen longest are kept
MOST_NUMBERS = 2**28  # 1 GB: frames that are left out are zeros
LEAST_SCORE = 0.1  # of a detection: lists for evaluation also hold what is most likely nobody
# Frame numbers may leave out so many frames, and so many for each frame that is there.
MOST_MISSING, MOST_MISSING_EACH = 10_000, 10

# Joints of larger skeletons that are those of a layout, by the layout and the larger number.
INSIDE: dict[tuple[str, int], Sequence[int]] = {
    ("openpose18", 25): (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18),
    ("coco17", 26): range(17),  # Halpe
    ("coco17", 133): range(17),  # COCO whole body
    ("coco17", 136): range(17),  # Halpe whole body
}


class Skeleton(NamedTuple):
    """A person, or a hand, in one frame.

    joints  (V, K) float32; a joint that was not seen is all zero
    track   who it is, where the estimator tells
    kind    skeletons of different kinds, such as left and right hands, are never one body
    """

    frame: int
    joints: np.ndarray
    track: Hashable = None
    kind: str = ""


def as_skeleton(
    coordinates: np.ndarray, scores: np.ndarray | None, layout: Layout, where: str
) -> np.ndarray:
    """The joints (V, K) float32 of a skeleton.

    coordinates: (V', D). scores: (V',); None: there are none, and all count as 1. A joint with a
    score of 0 or with coordinates that are not finite was not seen. Raises UserError where joints
    or dimensions are not those of the layout.
    """
    count, dimensions = coordinates.shape
    if scores is None:
        scores = np.ones(count)
    if len(scores) != count:
        raise UserError(f"{where}: {len(scores)} scores of {count} joints; must be as many")
    if count != layout.num_joints and (layout.name, count) in INSIDE:
        chosen = list(INSIDE[layout.name, count])
        coordinates, scores, count = coordinates[chosen], scores[chosen], layout.num_joints
    if (count, dimensions) != (layout.num_joints, layout.dimensions):
        raise UserError(
            f"{where}: a skeleton of {count} joints in {dimensions}D; must be {layout.num_joints} "
            f"joints in {layout.dimensions}D, as the layout {layout.name} has them"
        )
    check_range(coordinates, dimensions, where)
    with np.errstate(over="ignore"):  # an absurd score becomes infinite: not seen
        joints = np.column_stack([coordinates, scores]).astype(np.float32)
    seen = np.isfinite(joints).all(axis=-1) & (joints[:, :-1] != 0).any(axis=-1)
    joints[~seen | (joints[:, -1] == 0)] = 0
    return joints[:, : layout.channels]


def numbers(value: Any, where: str, columns: int = 0) -> np.ndarray:
    """A list of numbers from a file, as an array (n,), or (n / columns, columns); null is NaN.

    Raises UserError where it is something else.
    """
    try:
        array = np.array(value, dtype=np.float64)
        return array.reshape(-1, columns) if columns else array.reshape(-1)
    except (ValueError, TypeError, OverflowError) as error:
        groups = f" in groups of {columns}" * (columns > 0)
        raise UserError(
            f"{where}: {shown(str(value))[:60]}; must be a list of numbers{groups}"
        ) from error


def whole_number(entry: dict[str, Any], key: str, default: int, where: str) -> int:
    """An entry that is a whole number. Raises UserError where it is something else."""
    value = entry.get(key, default)
    if not isinstance(value, int):
        raise UserError(f"{where}: {key}: {shown(str(value))[:40]}; must be a whole number")
    return value


def is_likely(detection: dict[str, Any], key: str) -> bool:
    """Whether a detection has a score of 0.1 or more, or none."""
    score = detection.get(key)
    return not isinstance(score, int | float) or score >= LEAST_SCORE


def track_of(detection: dict[str, Any], *keys: str) -> Hashable:
    """Who a detection is, under one of these keys; None if the estimator does not tell."""
    for key in keys:
        identity = detection.get(key)
        if isinstance(identity, list) and len(identity) == 1:
            identity = identity[0]
        if isinstance(identity, int | float | str) and identity != -1:
            return identity
    return None


def frame_numbers(names: Collection[str], where: str) -> dict[str, int]:
    """The frame number of each image, from the one number in which their names differ.

    Raises UserError where the names differ in something else.
    """
    split = {name: re.split(r"(\d{1,18})", name) for name in names}
    columns = list(zip(*split.values(), strict=False))
    differing = [place for place, column in enumerate(columns) if len(set(column)) > 1]
    equally_long = len({len(pieces) for pieces in split.values()}) <= 1
    if not equally_long or len(differing) > 1 or any(place % 2 == 0 for place in differing):
        first, last = min(names), max(names)
        raise UserError(
            f"{where}: images {shown(first)[:60]!r} and {shown(last)[:60]!r}; must be the frames "
            "of one recording, whose names differ in one number"
        )
    if not differing:
        return dict.fromkeys(names, 0)
    return {name: int(pieces[differing[0]]) for name, pieces in split.items()}


def bodies_of(skeletons: Sequence[Skeleton], frames: Collection[int], where: str) -> np.ndarray:
    """The bodies of a recording, (M, T, V, K) float32 with M <= 10.

    frames: the numbers of all frames, also of those that show nobody. Numbers that are left out are
    frames that show nobody; where all frames are the same step apart, it is one frame.
    People are followed over time (`tracking.follow`), unless the estimator says who each of them
    is. The body that is seen in the most frames comes first; of equals, the larger one in the
    image. Raises UserError where no frame shows a body, or frame numbers are none.
    """
    seen = [each for each in skeletons if each.joints.any()]
    if not seen:
        raise UserError(f"{where}: no frame shows a body")
    index = _frame_axis(frames, where)
    place = np.array([index[each.frame] for each in seen])
    joints = np.stack([each.joints for each in seen])
    # The order of people in a frame means nothing: they are sorted by their joints.
    order = np.lexsort((*joints.reshape(len(joints), -1).T, place))
    order = order[_largest(place[order], boxes_of(joints[order]))]
    place, joints, seen = place[order], joints[order], [seen[number] for number in order]
    boxes = boxes_of(joints)
    tracks = _tracks(seen, place, boxes)
    length, covered = np.bincount(tracks), np.bincount(tracks, area(boxes))
    longest_first = np.lexsort((-covered, -length))[: min(MOST_BODIES, np.count_nonzero(length))]
    shape = (len(longest_first), max(index.values()) + 1, *joints.shape[1:])
    if math.prod(shape) > MOST_NUMBERS:
        raise UserError(f"{where}: an array of shape {shape}; must hold {MOST_NUMBERS} or fewer")
    bodies = np.zeros(shape, np.float32)
    for body, track in zip(bodies, longest_first, strict=True):
        body[place[tracks == track]] = joints[tracks == track]
    return bodies


def _frame_axis(frames: Collection[int], where: str) -> dict[int, int]:
    """The place of each frame number in the recording, from 0."""
    first, last = min(frames), max(frames)
    step = math.gcd(*(number - first for number in frames)) or 1
    if (last - first) // step > MOST_MISSING + MOST_MISSING_EACH * len(frames):
        raise UserError(
            f"{where}: {len(frames)} frames with the numbers {first} to {last}; must be numbered "
            "in their order"
        )
    return {number: (number - first) // step for number in frames}


def _largest(place: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Indices of the 50 largest people of each frame, in their order."""
    by_size = np.lexsort((-area(boxes), place))
    starts = np.searchsorted(place, place)
    return np.sort(by_size[np.arange(len(place)) - starts < MOST_PEOPLE])


def _tracks(seen: list[Skeleton], place: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The number of the body of each skeleton, (S,).

    The estimator's own tracks count if every skeleton has one, and none twice in a frame.
    """
    named = [(each.kind, each.track) for each in seen]
    in_frames = set(zip(named, place.tolist(), strict=True))
    if all(each.track is not None for each in seen) and len(in_frames) == len(seen):
        number = {name: count for count, name in enumerate(dict.fromkeys(named))}
        return np.array([number[name] for name in named])
    tracks = np.zeros(len(seen), dtype=np.int64)
    kinds = np.array([each.kind for each in seen])
    for kind in np.unique(kinds):
        of_kind = kinds == kind
        tracks[of_kind] = tracks.max() + 1 + follow(place[of_kind], boxes[of_kind])
    return tracks
