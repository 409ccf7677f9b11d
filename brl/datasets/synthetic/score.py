"""Timing of the built-in dataset's actions: from key poses to joint angles at any time."""

from dataclasses import dataclass

import numpy as np

from brl.datasets.synthetic.actions import ACTIONS, REST_POSE, WALK, Action, Key, Pose
from brl.datasets.synthetic.body import COLUMN, DOFS


def order(last: int, before: int, after: int) -> np.ndarray:
    """Numbers of keys 0 to `last` with some played backwards at both ends; see `Score.extended`."""
    return np.r_[before:0:-1, 0 : last + 1, last - 1 : last - 1 - after : -1]


@dataclass(frozen=True)
class Score:
    """The N key poses of an action, with their timing.

    seconds  (N,), pause before each key
    angles   (B, N, DOFS), joint angles of B persons, in degrees
    """

    seconds: np.ndarray
    angles: np.ndarray

    def extended(self, before: int, after: int) -> "Score":
        """The score with its first keys played backwards ahead of it, and its last ones after it.

        before, after: number of keys that are added at each end.
        """
        last = len(self.seconds) - 1
        seconds = np.r_[0.0, self.seconds[before:0:-1], self.seconds[1:]]
        seconds = np.r_[seconds, self.seconds[last : last - after : -1]]
        return Score(seconds, self.angles[:, order(last, before, after)])


def _columns(name: str) -> list[int]:
    """Columns of the angles that an entry of a pose sets; the right side is the acting one."""
    if name in COLUMN:
        return [COLUMN[name]]
    if name.startswith("act "):
        return [COLUMN[name.replace("act", "right", 1)]]
    if name.startswith("off "):
        return [COLUMN[name.replace("off", "left", 1)]]
    return [COLUMN[f"left {name}"], COLUMN[f"right {name}"]]


def pose_angles(pose: Pose) -> np.ndarray:
    """Joint angles (DOFS,) of a pose, in degrees; those it does not name are as at rest."""
    angles = np.zeros(DOFS)
    sides_last = sorted(pose.items(), key=lambda entry: entry[0].startswith(("act ", "off ")))
    for name, value in [*REST_POSE.items(), *sides_last]:
        angles[_columns(name)] = value
    return angles


REST = pose_angles({})


def _written(keys: tuple[Key, ...], persons: int) -> Score:
    """The score of key poses for one or two persons."""
    poses = [[key.pose for key in keys], [key.second or {} for key in keys]][:persons]
    angles = np.array([[pose_angles(pose) for pose in person] for person in poses])
    return Score(np.array([key.seconds for key in keys]), angles.reshape(persons, len(keys), DOFS))


_SCORES = {
    action.name: tuple(
        _written(keys, 2 if action.gap else 1) for keys in (action.enter, action.loop, action.leave)
    )
    for action in (*ACTIONS, WALK)
}


def score(action: Action, repeats: int, likeness: float = 0.0) -> Score:
    """The action with its loop played `repeats` times.

    likeness: from 0 to 1, moves every pose and pause towards those of the partner. It has no effect
    on an action whose partner is its reverse: half-way between the two nothing would move.
    """
    enter, loop, leave = _SCORES[action.name]
    if likeness and not action.reverses:
        enter, loop, leave = (
            Score(
                own.seconds + likeness * (other.seconds - own.seconds),
                own.angles + likeness * (other.angles - own.angles),
            )
            for own, other in zip((enter, loop, leave), _SCORES[action.partner], strict=True)
        )
    parts = [enter, *[loop] * repeats, leave]
    return Score(
        np.concatenate([part.seconds for part in parts]),
        np.concatenate([part.angles for part in parts], axis=1),
    )


def follow(played: Score, times: np.ndarray) -> np.ndarray:
    """Joint angles (B, T, DOFS), in degrees, at times (T,), in seconds after the first key.

    Monotone cubic interpolation: smooth, with zero velocity at every turning point, and symmetric
    in time.
    """
    reached = played.seconds.cumsum()
    spans = np.diff(reached)
    slopes = np.diff(played.angles, axis=1) / spans[:, None]
    product = slopes[:, :-1] * slopes[:, 1:]
    same_way = product > 0
    total = np.where(same_way, slopes[:, :-1] + slopes[:, 1:], 1.0)
    tangents = np.zeros_like(played.angles)
    tangents[:, 1:-1] = np.where(same_way, 2 * product / total, 0.0)
    segment = np.clip(np.searchsorted(reached, times, side="right") - 1, 0, len(spans) - 1)
    span = spans[segment][:, None]
    u = np.clip((times[:, None] - reached[segment][:, None]) / span, 0.0, 1.0)
    rise = u * u * (3 - 2 * u)
    return (
        (1 - rise) * played.angles[:, segment]
        + rise * played.angles[:, segment + 1]
        + u * (1 - u) ** 2 * span * tangents[:, segment]
        - u * u * (1 - u) * span * tangents[:, segment + 1]
    )
