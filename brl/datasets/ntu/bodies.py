"""Which of the bodies that the sensor saw in an NTU RGB+D recording are its one or two people.

The sensor takes chairs and tables for people, and people who were out of sight for new ones. The
rules are those by which the field tells people from the rest: how long a body was seen, how it
stands, how much it moves.
"""

import numpy as np

from brl.datasets.ntu.skeleton_file import NUM_JOINTS, Body

LONGEST_NOISE = 11  # frames
LARGEST_SPREAD = 0.8  # width over height of what stands like a person
NOISE_SHARE = 0.69754  # of frames that do not


def choose_bodies(bodies: list[Body]) -> np.ndarray | None:
    """The joints of a recording's people, (M, T, 25, 3) float32, M 1 or 2; None without any.

    Frames without any body are not counted, nor are empty ones at both ends. A body absent in a
    frame is zero there.
    """
    if not bodies:
        return None
    counted = np.unique(np.concatenate([body.frames for body in bodies]))
    slots = fill_slots(rank(bodies))
    joints = np.zeros((len(slots), len(counted), NUM_JOINTS, 3), dtype=np.float32)
    for slot, members in zip(joints, slots, strict=True):
        for body in members:
            slot[np.searchsorted(counted, body.frames)] = body.joints
    present = np.flatnonzero((joints != 0).any(axis=(0, 2, 3)))
    return joints[:, present[0] : present[-1] + 1] if len(present) else None


def rank(bodies: list[Body]) -> list[Body]:
    """The bodies that may be people, most motion first.

    Dropped are those seen in 11 frames or fewer, then those that do not stand like a person in
    69.754 % of their frames or more; of one that does not in some, the motion is that of its other
    frames if that is smaller. Where a rule would leave no body, the one with most motion stays.
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
    """The bodies that make up body 0, and those of body 1 where there is one.

    Each body in turn goes where its frame span does not overlap the span filled so far, first
    tried as body 0; one that fits in neither is dropped.
    """
    slots: list[list[Body]] = [[], []]
    for body in bodies:
        for slot in slots:
            if _fits(slot, body):
                slot.append(body)
                break
    return [slot for slot in slots if slot]


def _fits(slot: list[Body], body: Body) -> bool:
    if not slot:
        return True
    first = min(member.frames[0] for member in slot)
    last = max(member.frames[-1] for member in slot)
    return bool(body.frames[-1] < first or body.frames[0] > last)


def motion(joints: np.ndarray) -> float:
    """Summed variance of x, y and z over all joints of all frames, (F, 25, 3) to metres squared.

    As the dataset's authors chose the main actor, and the field since.
    """
    return float(joints.var(axis=(0, 1), dtype=np.float64).sum())


def stands(joints: np.ndarray) -> np.ndarray:
    """In which frames a body is no wider than 0.8 of its height, (F, 25, 3) to (F,) bool."""
    width, height = np.ptp(joints[..., 0], axis=1), np.ptp(joints[..., 1], axis=1)
    return width <= LARGEST_SPREAD * height
