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
from dataclasses import dataclass

import numpy as np

from brl.clips.clip import Clip, Part
from brl.clips.presence import presence
from brl.datasets.synthetic.actions import ACTIONS, WALK, Action
from brl.datasets.synthetic.body import (
    COLUMN,
    DOFS,
    about_vertical,
    forward_kinematics,
    mirrored,
    within_reach,
)
from brl.datasets.synthetic.score import REST, Score, follow, order, score
from brl.datasets.synthetic.sensor import Sensor, View, seen_from, slow_noise
from brl.datasets.synthetic.subjects import (
    AMPLITUDE_SPREAD,
    LOOSENESS,
    PEOPLE,
    SUBJECTS,
    TEMPO_SPREAD,
    Subject,
    askew,
    generator,
)

CLASSES: tuple[str, ...] = tuple(action.name for action in ACTIONS)
SPLIT = "cross_subject_view"

TRAIN_CLIPS, TEST_CLIPS = 150, 25  # per class
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
PAUSE_SPREAD = 0.25  # std of the logarithm, per pause
KEY_SPREAD = 5.0  # degrees, per key pose
SWAY = 2.5  # degrees, slowly changing
FIDGETS = 0.3  # probability of a movement that does not belong to the action
FIDGET_SIZE = 35.0  # degrees
FACING_SPREAD = 25.0  # degrees
PASSER_BY = 0.1  # probability that somebody else walks through a clip of one person

FRAME_RATE = 15.0
SHORTEST, LONGEST = 24, 80  # frames, before any are skipped
_SWAY_FRAMES = 10.0
_OTHER_HAND = 0.1  # probability that a subject uses the other hand


@dataclass(frozen=True)
class Scene:
    """What happens in a clip: M bodies in T frames, before any sensor.

    joints    (M, T, V, 3), metres, floor at y = 0. A person walking past is zero while outside
    subjects  (M,), number of the person
    roles     (M,), the person's place in the action; None for one who walks past
    left      (M,), whether the left side is the acting one
    progress  (T,), how far the action has come, from 0 at its first key pose to 1 at its last one;
              equally far from each to the next. It falls where the action is played backwards
    """

    joints: np.ndarray
    subjects: tuple[int, ...]
    roles: tuple[int | None, ...]
    left: tuple[bool, ...]
    progress: np.ndarray


@dataclass(frozen=True)
class Take:
    """A clip as it happened and as the sensor recorded it.

    recorded  (M, T', V, 3), joints in the camera frame, metres
    kept      (T,), which frames of the scene the sensor recorded: T' of them
    """

    scene: Scene
    view: View
    recorded: np.ndarray
    kept: np.ndarray


def _timed(
    action: Action, tempo: float, rng: np.random.Generator
) -> tuple[Score, np.ndarray, np.ndarray]:
    """Draws the score of an action in a clip.

    Also returns the times (T,) of the frames in seconds, and how far the action has come in each
    (`Scene.progress`).
    """
    fewest, most = action.repeats
    played = score(action, int(rng.integers(fewest, most + 1)), rng.uniform(0.0, LIKENESS))
    last_key = len(played.seconds) - 1
    before = after = 0
    if action.reverses:
        before, after = np.where(
            rng.random(2) < REBOUND, rng.integers(1, (last_key + 1) // 2 + 1, 2), 0
        )
        played = played.extended(before, after)
    tempo *= np.exp(rng.normal(0.0, TEMPO_SPREAD))
    pauses = played.seconds * np.exp(rng.normal(0.0, PAUSE_SPREAD, len(played.seconds))) / tempo
    first, last = np.array([0.0, pauses.sum()]) + rng.uniform(0.0, IDLE_SECONDS, 2) * (-1, 1)
    cut_first, cut_last = rng.uniform(0.0, CROP, 2) * (last - first)
    seconds = last - cut_last - first - cut_first
    frames = int(np.clip(round(seconds * FRAME_RATE), SHORTEST, LONGEST))
    times = first + cut_first + np.arange(frames) / FRAME_RATE
    progress = np.interp(times, pauses.cumsum(), order(last_key, before, after) / last_key)
    return Score(pauses, played.angles), times, progress


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
) -> tuple[np.ndarray, bool]:
    """One person of the score, and whether the person acts with the left side.

    Returns joints (T, V, 3), in metres, relative to the starting position.
    """
    amplitude = subject.amplitude * np.exp(rng.normal(0.0, AMPLITUDE_SPREAD))
    gain = amplitude * np.exp(0.1 * askew(rng))
    poses = REST + gain * (played.angles[person] - REST)
    poses += KEY_SPREAD * askew(rng, len(poses))
    angles = follow(Score(played.seconds, poses[None]), times)[0]
    angles += subject.posture
    angles += SWAY * LOOSENESS * slow_noise(rng, len(times), (DOFS,), _SWAY_FRAMES)
    if rng.random() < FIDGETS:
        angles += _fidget(len(times), rng)
    left = subject.left_handed != (rng.random() < _OTHER_HAND)
    if left:
        angles = mirrored(angles)
    return forward_kinematics(within_reach(angles), subject.body), left


def _face_to_face(
    bodies: list[np.ndarray], gap: float, rng: np.random.Generator
) -> tuple[np.ndarray, list[int]]:
    """Two bodies (2, T, V, 3) that face each other, at a smallest distance of `gap` metres.

    They come in random order, which is returned as well.
    """
    advance = bodies[0][:, 0, 2] + bodies[1][:, 0, 2]
    away = np.array([rng.normal(0.0, 0.08), 0.0, gap * rng.uniform(0.85, 1.2) + advance.max()])
    pair = np.stack([bodies[0], bodies[1] @ about_vertical(180.0).T + away])
    shuffled = rng.permutation(2)
    return pair[shuffled], shuffled.tolist()


def _passing(frames: int, subject: Subject, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """A body (T, V, 3) that walks past in some frames and is zero in the others.

    Also returns whether the left side is the acting one.
    """
    stay = int(rng.integers(8, 25))
    start = int(rng.integers(0, frames - stay + 1)) if frames > stay else 0
    stay = min(stay, frames)
    walk = score(WALK, WALK.repeats[1])
    walker, left = _performed(walk, 0.5 + np.arange(stay) / FRAME_RATE, 0, subject, rng)
    walker = walker @ about_vertical(rng.uniform(0.0, 360.0)).T
    walker[..., (0, 2)] -= walker[:, 0][:, (0, 2)].mean(axis=0)
    walker[..., (0, 2)] += rng.choice((-1.0, 1.0), 2) * rng.uniform(0.6, 1.1, 2)
    seen = np.zeros((frames, *walker.shape[1:]))
    seen[start : start + stay] = walker
    return seen, left


def _part_of(index: int) -> tuple[Part, int]:
    """The part of clip `index` of a class, and its index within the part."""
    return ("train", index) if index < TRAIN_CLIPS else ("test", index - TRAIN_CLIPS)


def cast(index: int) -> tuple[int, int]:
    """Numbers of the subject and of the view of clip `index` of a class."""
    part, turn = _part_of(index)
    people, views = SUBJECTS[part], tuple(VIEWS[part])
    return people[turn % len(people)], views[turn // len(people) % len(views)]


def _happened(label: int, index: int, rng: np.random.Generator) -> Scene:
    """The scene of a clip, drawn with the clip's random generator."""
    action, (part, _) = ACTIONS[label], _part_of(index)
    number, other = cast(index)[0], int(rng.choice(SUBJECTS[part]))
    played, times, progress = _timed(action, PEOPLE[number].tempo, rng)
    facing = rng.normal(0.0, FACING_SPREAD)
    subjects = [number, other][: len(played.angles)]
    performed = [_performed(played, times, n, PEOPLE[s], rng) for n, s in enumerate(subjects)]
    left = [acts_left for _, acts_left in performed]
    roles: list[int | None] = list(range(len(subjects)))
    if action.gap:
        joints, shuffled = _face_to_face([body for body, _ in performed], action.gap, rng)
        subjects, left = [subjects[n] for n in shuffled], [left[n] for n in shuffled]
        roles = list(shuffled)
        facing += rng.choice((-90.0, 90.0))
    else:
        joints = performed[0][0][None]
    joints[..., (0, 2)] -= joints[:, :, 0][..., (0, 2)].mean(axis=(0, 1))
    joints = joints @ about_vertical(facing).T
    joints[..., (0, 2)] += rng.normal(0.0, 0.2, 2)
    if not action.gap and rng.random() < PASSER_BY:
        walker, acts_left = _passing(len(times), PEOPLE[other], rng)
        joints = np.stack([joints[0], walker])
        subjects, left, roles = [*subjects, other], [*left, acts_left], [*roles, None]
    return Scene(joints, tuple(subjects), tuple(roles), tuple(left), progress)


def staged(label: int, index: int) -> np.ndarray:
    """The true joints of a clip before the sensor, (M, T, V, 3) in metres, floor at y = 0.

    A person walking past is zero while outside the room.
    """
    return _happened(label, index, generator(1, label, index)).joints


def take(label: int, index: int) -> Take:
    """What happens in clip `index` of a class, and what the sensor records of it."""
    rng = generator(1, label, index)
    scene = _happened(label, index, rng)
    view = VIEWS[_part_of(index)[0]][cast(index)[1]]
    camera = seen_from(scene.joints, view)
    bodies = np.stack([SENSOR.measured(body, rng) for body in camera])
    recorded, kept = SENSOR.recorded(bodies * presence(scene.joints)[..., None, None], rng)
    return Take(scene, view, recorded, kept)


def name_of(label: int, index: int) -> str:
    """The name of a clip: class, subject, view and index, for example `a00_s01_v1_r000`."""
    subject, view = cast(index)
    return f"a{label:02d}_s{subject:02d}_v{view}_r{index:03d}"


def clip(label: int, index: int) -> Clip:
    """Generates clip `index` of a class: TRAIN_CLIPS training clips, then TEST_CLIPS test clips.

    The joints are (M, T, V, 3) float32, in metres, in the camera frame.
    """
    # Rounding to 0.1 mm gives equal bytes on machines whose sine functions differ.
    joints = take(label, index).recorded.round(4).astype(np.float32)
    return Clip(name=name_of(label, index), label=label, joints=joints)


def part_of(name: str) -> Part:
    """The part to which a clip belongs: that of its subject."""
    return "train" if int(name.split("_")[1][1:]) in SUBJECTS["train"] else "test"


def clips() -> Iterator[Clip]:
    """Generates the whole dataset, class by class."""
    for label in range(len(CLASSES)):
        for index in range(TRAIN_CLIPS + TEST_CLIPS):
            yield clip(label, index)
