"""Selects the one or two people among the bodies of an NTU RGB+D recording.

The sensor also reports chairs and tables as bodies, and gives a new id to a person who returns. The
field's rules tell people from noise by the number of frames, the proportions and the motion of a
body.
"""

import numpy as np

from brl.clips.presence import presence
from brl.datasets.ntu.skeleton_file import NUM_JOINTS, Body

LONGEST_NOISE = 11  # frames of a body that is dropped
LARGEST_SPREAD = 0.8  # width over height of a person
NOISE_SHARE = 0.69754  # of frames with a larger spread, from which a body is dropped


def choose_bodies(bodies: list[Body]) -> np.ndarray | None:
    """Joints of the people in a recording, (M, T, 25, 3) float32 in metres, with M 1 or 2.

    Returns None if there are none. Frames without any body are dropped, as are frames at both ends
    that show none of the people. A body that is absent from a frame is zero there.
    """
    if not bodies:
        return None
    counted = np.unique(np.concatenate([body.frames for body in bodies]))
    slots = fill_slots(rank(bodies))
    joints = np.zeros((len(slots), len(counted), NUM_JOINTS, 3), dtype=np.float32)
    for slot, members in zip(joints, slots, strict=True):
        for body in members:
            slot[np.searchsorted(counted, body.frames)] = body.joints
    present = np.flatnonzero(presence(joints).any(axis=0))
    return joints[:, present[0] : present[-1] + 1] if len(present) else None


def rank(bodies: list[Body]) -> list[Body]:
    """The bodies that may be people, sorted by motion, largest first.

    Bodies with 11 frames or fewer are dropped, then those whose width exceeds 0.8 of their height
    in 69.754 % of their frames or more. The motion of a remaining body is the smaller of that over
    all frames and that over its valid frames. If a rule would drop all bodies, the one with the
    largest motion is kept.
    """
    bodies = sorted(bodies, key=lambda body: motion(body.joints), reverse=True)
    bodies = [body for body in bodies if len(body.frames) > LONGEST_NOISE] or bodies[:1]
    people = []
    for body in bodies:
        valid = stands(body.joints)
        if 1 - valid.mean() < NOISE_SHARE:
            people.append((min(motion(body.joints), motion(body.joints[valid])), body))
    people.sort(key=lambda person: person[0], reverse=True)
    return [body for _, body in people] or bodies[:1]


def fill_slots(bodies: list[Body]) -> list[list[Body]]:
    """Assigns the bodies to body 0 and body 1 of the clip; returns the bodies of each.

    Each body in turn joins body 0, or else body 1, if its span of frames does not overlap the span
    filled so far. A body that fits neither is dropped.
    """
    slots: list[list[Body]] = [[], []]
    for body in bodies:
        for slot in slots:
            if _fits(slot, body):
                slot.append(body)
                break
    return [slot for slot in slots if slot]


def _fits(slot: list[Body], body: Body) -> bool:
    """Whether the frames of a body lie before or after those of a slot."""
    if not slot:
        return True
    first = min(member.frames[0] for member in slot)
    last = max(member.frames[-1] for member in slot)
    return bool(body.frames[-1] < first or body.frames[0] > last)


def motion(joints: np.ndarray) -> float:
    """Variance of x, y and z over all joints of all frames, summed, in square metres.

    joints: (F, 25, 3), in metres. The dataset's authors chose the main actor by it (A. Shahroudy et
    al., "NTU RGB+D", CVPR 2016).
    """
    return float(joints.var(axis=(0, 1), dtype=np.float64).sum())


def stands(joints: np.ndarray) -> np.ndarray:
    """Mask of the frames in which a body's width is at most 0.8 of its height, (F,) bool.

    joints: (F, 25, 3).
    """
    width, height = np.ptp(joints[..., 0], axis=1), np.ptp(joints[..., 1], axis=1)
    return width <= LARGEST_SPREAD * height
