"""Clips of the built-in dataset: generated deterministically, without a download.

The dataset is meant for teaching and for testing the pipeline. It is no benchmark: its results say
nothing about real recordings. Articulated bodies in the NTU 25-joint layout are moved by joint
angles and measured by an imperfect depth sensor, in its camera frame, in metres, at 15 frames per
second.

Actions are as confusable as real ones. Each has a partner: its reverse in time, or an action that
differs in a limb, in tempo, in amplitude, or in the interaction of two persons. Test subjects and
test camera views never occur in training.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from brl.clips.clip import Clip, Part
from brl.clips.presence import presence
from brl.datasets.synthetic.actions import ACTIONS, WALK, Action
from brl.datasets.synthetic.body import (
    COLUMN,
    DOFS,
    Body,
    about_vertical,
    forward_kinematics,
    mirrored,
    within_reach,
)
from brl.datasets.synthetic.score import REST, Score, follow, score
from brl.datasets.synthetic.sensor import Sensor, View, seen_from, slow_noise

CLASSES: tuple[str, ...] = tuple(action.name for action in ACTIONS)
SPLIT = "cross_subject_view"

TRAIN_CLIPS, TEST_CLIPS = 150, 25  # per class
SUBJECTS: dict[Part, tuple[int, ...]] = {
    "train": tuple(range(1, 17)),
    "test": tuple(range(17, 23)),
}
VIEWS: dict[Part, dict[int, View]] = {
    "train": {1: View(-35, 1.4, 3.4), 2: View(5, 1.1, 3.0), 3: View(40, 1.8, 3.6)},
    "test": {4: View(-15, 2.2, 3.8), 5: View(60, 1.3, 3.2)},
}

# Difficulty of the dataset: larger values make it harder.
SENSOR = Sensor(
    white=0.003,
    drift=0.01,
    hidden=0.6,
    outliers=0.15,
    thrown=0.15,
    frozen=0.15,
    blackout=0.2,
    skipped=0.04,
    lost=0.45,
)
LIKENESS = 0.25  # largest share by which poses and pauses move towards the partner's
REBOUND = 0.12  # probability, at either end, that a part is also played backwards
CROP = 0.08  # largest share of the clip that is cut off at either end
IDLE_SECONDS = 0.8  # longest pause at either end
AMPLITUDE_SPREAD = 0.15  # std of the logarithm, per clip; half of it per subject
TEMPO_SPREAD = 0.24  # likewise
PAUSE_SPREAD = 0.25  # std of the logarithm, per pause
POSTURE_SPREAD = 5.0  # degrees, per subject
KEY_SPREAD = 5.0  # degrees, per key pose
SWAY = 2.5  # degrees, slowly changing
FIDGETS = 0.3  # probability of a movement that does not belong to the action
FIDGET_SIZE = 35.0  # degrees
LIMB_SPREAD = 0.06  # std of the logarithm, per segment and for the whole body
FACING_SPREAD = 25.0  # degrees
PASSER_BY = 0.1  # probability that somebody else walks through a clip of one person

FRAME_RATE = 15.0
SHORTEST, LONGEST = 24, 80  # frames, before any are skipped
_SEED = 20230814
_SWAY_FRAMES = 10.0
_SYMMETRY = 0.6
_LEFT_HANDED = 0.25
_OTHER_HAND = 0.1  # probability that a subject uses the other hand

# Relative variation of each angle: largest for upper arms. The scene sets heights and headings.
_LOOSENESS = np.array(
    [0.0 if name in ("lift", "yaw") else 1.0 if name.endswith("raise") else 0.5 for name in COLUMN]
)


@dataclass(frozen=True)
class Subject:
    """A person: segment lengths and personal style, which each clip varies further.

    body         segment lengths, in metres
    left_handed  whether the left side is the acting one
    amplitude    factor on the size of movements
    tempo        factor on their speed
    posture      (DOFS,), degrees added to all angles
    """

    body: Body
    left_handed: bool
    amplitude: float
    tempo: float
    posture: np.ndarray


def _generator(*key: int) -> np.random.Generator:
    """The random generator of a subject, or of a clip: no clip depends on the others."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(_SEED, spawn_key=key)))


def _subject(number: int) -> Subject:
    rng = _generator(0, number)
    size = rng.normal(0.0, LIMB_SPREAD)
    return Subject(
        body=Body(
            *(
                segment.default * np.exp(size + rng.normal(0.0, LIMB_SPREAD))
                for segment in fields(Body)
            )
        ),
        left_handed=rng.random() < _LEFT_HANDED,
        amplitude=np.exp(rng.normal(0.0, AMPLITUDE_SPREAD / 2)),
        tempo=np.exp(rng.normal(0.0, TEMPO_SPREAD / 2)),
        posture=POSTURE_SPREAD * _askew(rng),
    )


def _askew(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Unit noise (*shape, DOFS) on poses; left and right are correlated, so that hands meet."""
    noise = rng.standard_normal((*shape, DOFS))
    return _LOOSENESS * (noise + _SYMMETRY * mirrored(noise)) / np.hypot(1.0, _SYMMETRY)


_PEOPLE = {number: _subject(number) for numbers in SUBJECTS.values() for number in numbers}


def _timed(action: Action, tempo: float, rng: np.random.Generator) -> tuple[Score, np.ndarray]:
    """Draws the score of an action in a clip, and the times (T,) of the frames in seconds."""
    fewest, most = action.repeats
    played = score(action, int(rng.integers(fewest, most + 1)), rng.uniform(0.0, LIKENESS))
    keys = len(played.seconds)
    if action.reverses:
        before, after = np.where(rng.random(2) < REBOUND, rng.integers(1, keys // 2 + 1, 2), 0)
        played = played.extended(before, after)
        keys += before + after
    tempo *= np.exp(rng.normal(0.0, TEMPO_SPREAD))
    pauses = played.seconds * np.exp(rng.normal(0.0, PAUSE_SPREAD, keys)) / tempo
    first, last = np.array([0.0, pauses.sum()]) + rng.uniform(0.0, IDLE_SECONDS, 2) * (-1, 1)
    cut_first, cut_last = rng.uniform(0.0, CROP, 2) * (last - first)
    seconds = last - cut_last - first - cut_first
    frames = int(np.clip(round(seconds * FRAME_RATE), SHORTEST, LONGEST))
    times = first + cut_first + np.arange(frames) / FRAME_RATE
    return Score(pauses, played.angles), times


def _fidget(frames: int, rng: np.random.Generator) -> np.ndarray:
    """A movement (T, DOFS) of one arm or of the head, in degrees, somewhere in the clip."""
    width = rng.uniform(0.2, 0.5) * FRAME_RATE
    bump = np.exp(-(((np.arange(frames) - rng.uniform(0, frames)) / width) ** 2))
    part = ("left", "right", "nod look")[rng.integers(3)].split()
    moved = [not name.endswith(("hip", "out", "knee", "toe")) for name in COLUMN]
    selected = [any(word in name for word in part) for name in COLUMN]
    size = FIDGET_SIZE * rng.standard_normal(DOFS) * moved * selected
    return bump[:, None] * size


def _performed(
    played: Score, times: np.ndarray, person: int, subject: Subject, rng: np.random.Generator
) -> np.ndarray:
    """Joints (T, V, 3) of one person of the score, in metres, relative to the starting position."""
    amplitude = subject.amplitude * np.exp(rng.normal(0.0, AMPLITUDE_SPREAD))
    gain = amplitude * np.exp(0.1 * _askew(rng))
    poses = REST + gain * (played.angles[person] - REST)
    poses += KEY_SPREAD * _askew(rng, len(poses))
    angles = follow(Score(played.seconds, poses[None]), times)[0]
    angles += subject.posture
    angles += SWAY * _LOOSENESS * slow_noise(rng, len(times), (DOFS,), _SWAY_FRAMES)
    if rng.random() < FIDGETS:
        angles += _fidget(len(times), rng)
    if subject.left_handed != (rng.random() < _OTHER_HAND):
        angles = mirrored(angles)
    return forward_kinematics(within_reach(angles), subject.body)


def _face_to_face(bodies: list[np.ndarray], gap: float, rng: np.random.Generator) -> np.ndarray:
    """Two bodies (2, T, V, 3) that face each other, at a smallest distance of `gap` metres."""
    advance = bodies[0][:, 0, 2] + bodies[1][:, 0, 2]
    away = np.array([rng.normal(0.0, 0.08), 0.0, gap * rng.uniform(0.85, 1.2) + advance.max()])
    pair = np.stack([bodies[0], bodies[1] @ about_vertical(180.0).T + away])
    return pair[rng.permutation(2)]


def _passing(frames: int, subject: Subject, rng: np.random.Generator) -> np.ndarray:
    """A body (T, V, 3) that walks past in some frames and is zero in the others."""
    stay = int(rng.integers(8, 25))
    start = int(rng.integers(0, frames - stay + 1)) if frames > stay else 0
    stay = min(stay, frames)
    walk = score(WALK, WALK.repeats[1])
    walker = _performed(walk, 0.5 + np.arange(stay) / FRAME_RATE, 0, subject, rng)
    walker = walker @ about_vertical(rng.uniform(0.0, 360.0)).T
    walker[..., (0, 2)] -= walker[:, 0][:, (0, 2)].mean(axis=0)
    walker[..., (0, 2)] += rng.choice((-1.0, 1.0), 2) * rng.uniform(0.6, 1.1, 2)
    seen = np.zeros((frames, *walker.shape[1:]))
    seen[start : start + stay] = walker
    return seen


def _part_of(index: int) -> tuple[Part, int]:
    """The part of clip `index` of a class, and its index within the part."""
    return ("train", index) if index < TRAIN_CLIPS else ("test", index - TRAIN_CLIPS)


def _cast(index: int) -> tuple[int, int]:
    """Numbers of the subject and of the view of clip `index` of a class."""
    part, turn = _part_of(index)
    people, views = SUBJECTS[part], tuple(VIEWS[part])
    return people[turn % len(people)], views[turn // len(people) % len(views)]


def _staged(label: int, index: int, rng: np.random.Generator) -> np.ndarray:
    """As `staged`, with the random generator of the clip."""
    action, (part, _) = ACTIONS[label], _part_of(index)
    subject = _PEOPLE[_cast(index)[0]]
    other = _PEOPLE[int(rng.choice(SUBJECTS[part]))]
    played, times = _timed(action, subject.tempo, rng)
    facing = rng.normal(0.0, FACING_SPREAD)
    persons = (subject, other)[: len(played.angles)]
    bodies = [_performed(played, times, n, person, rng) for n, person in enumerate(persons)]
    if action.gap:
        scene = _face_to_face(bodies, action.gap, rng)
        facing += rng.choice((-90.0, 90.0))
    else:
        scene = np.stack(bodies)
    scene[..., (0, 2)] -= scene[:, :, 0][..., (0, 2)].mean(axis=(0, 1))
    scene = scene @ about_vertical(facing).T
    scene[..., (0, 2)] += rng.normal(0.0, 0.2, 2)
    if not action.gap and rng.random() < PASSER_BY:
        scene = np.stack([scene[0], _passing(len(times), other, rng)])
    return scene


def staged(label: int, index: int) -> np.ndarray:
    """The true joints of a clip before the sensor, (M, T, V, 3) in metres, floor at y = 0.

    A person walking past is zero while outside the room.
    """
    return _staged(label, index, _generator(1, label, index))


def clip(label: int, index: int) -> Clip:
    """Generates clip `index` of a class: TRAIN_CLIPS training clips, then TEST_CLIPS test clips.

    The joints are (M, T, V, 3) float32, in metres, in the camera frame. The name gives class,
    subject, view and index: `a00_s01_v1_r000`.
    """
    rng = _generator(1, label, index)
    scene = _staged(label, index, rng)
    (part, _), (subject, view) = _part_of(index), _cast(index)
    present = presence(scene)
    camera = seen_from(scene, VIEWS[part][view])
    bodies = np.stack([SENSOR.measured(body, rng) for body in camera])
    recorded = SENSOR.recorded(bodies * present[..., None, None], rng)
    # Rounding to 0.1 mm gives equal bytes on machines whose sine functions differ.
    return Clip(
        name=f"a{label:02d}_s{subject:02d}_v{view}_r{index:03d}",
        label=label,
        joints=recorded.round(4).astype(np.float32),
    )


def part_of(name: str) -> Part:
    """The part to which a clip belongs: that of its subject."""
    return "train" if int(name.split("_")[1][1:]) in SUBJECTS["train"] else "test"


def clips() -> Iterator[Clip]:
    """Generates the whole dataset, class by class."""
    for label in range(len(CLASSES)):
        for index in range(TRAIN_CLIPS + TEST_CLIPS):
            yield clip(label, index)
