"""Actions of the built-in dataset, from key poses to joint angles at any time."""

from dataclasses import dataclass

import numpy as np

from brl.datasets.synthetic.actions import ACTIONS, REST_POSE, WALK, Action, Key, Pose
from brl.datasets.synthetic.body import COLUMN, DOFS


@dataclass(frozen=True)
class Score:
    """An action written out: seconds (N,) before each key, angles (B, N, DOFS) of B persons."""

    seconds: np.ndarray
    angles: np.ndarray

    def extended(self, before: int, after: int) -> "Score":
        """With the way back into the first `before` keys ahead, and out of the last `after`."""
        last = len(self.seconds) - 1
        order = np.r_[before:0:-1, 0 : last + 1, last - 1 : last - 1 - after : -1]
        seconds = np.r_[0.0, self.seconds[before:0:-1], self.seconds[1:]]
        seconds = np.r_[seconds, self.seconds[last : last - after : -1]]
        return Score(seconds, self.angles[:, order])


def _columns(name: str) -> list[int]:
    """Angle columns that a pose's entry sets, the right side being the acting one."""
    if name in COLUMN:
        return [COLUMN[name]]
    if name.startswith("act "):
        return [COLUMN[name.replace("act", "right", 1)]]
    if name.startswith("off "):
        return [COLUMN[name.replace("off", "left", 1)]]
    return [COLUMN[f"left {name}"], COLUMN[f"right {name}"]]


def pose_angles(pose: Pose) -> np.ndarray:
    """Angles (DOFS,) in degrees of a pose; what it does not name is as at rest."""
    angles = np.zeros(DOFS)
    sides_last = sorted(pose.items(), key=lambda entry: entry[0].startswith(("act ", "off ")))
    for name, value in [*REST_POSE.items(), *sides_last]:
        angles[_columns(name)] = value
    return angles


REST = pose_angles({})


def _written(keys: tuple[Key, ...], persons: int) -> Score:
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

    likeness, from 0 to 1, draws every pose and pause towards those of the partner; an action
    and its reverse stay as they are, for half-way between them lies no motion at all.
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
    """Angles (B, T, DOFS) at times (T,) in seconds, from the first key on.

    Monotone cubic interpolation: smooth, at rest in every turning point, and the same whichever
    way time runs.
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
