"""Things that the bodies hold, wear and kick, by class.

They tell apart classes whose motions are alike. The joints do not show them. What is expected of a
pair of classes is our design, and no measurement.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from brl.datasets.synthetic.film.people import forward, head, up
from brl.datasets.synthetic.film.render import Capsule, Material
from brl.datasets.synthetic.scenes import FRAME_RATE, Scene

Easier = Literal["pictures", "joints", "either"]


@dataclass(frozen=True)
class Pair:
    """Two classes whose motions are alike.

    classes  their names
    easier   from what they are expected to be told apart more easily
    why      in words for the documentation
    """

    classes: tuple[str, str]
    easier: Easier
    why: str


PAIRS = (
    Pair(("drink", "phone call"), "pictures", "a cup at the mouth, a phone at the ear"),
    Pair(("hand over", "shake hands"), "pictures", "a parcel goes from one to the other"),
    Pair(("kick", "knee lift"), "pictures", "a ball lies before the foot, then flies"),
    Pair(("march", "jog"), "pictures", "who marches wears a tall hat"),
    Pair(("put on hat", "take off hat"), "either", "the hat is in the hands first, or last"),
    Pair(("pick up", "put down"), "either", "the bag is on the floor first, or last"),
    Pair(("sit down", "stand up"), "joints", "the order in time, which a mean over pictures loses"),
    Pair(
        ("walk towards", "walk apart"),
        "joints",
        "the order in time, which a mean over pictures loses",
    ),
    Pair(("clap", "rub hands"), "joints", "small, quick hands"),
    Pair(("nod", "bow"), "joints", "how far head and back bend"),
    Pair(("wave", "wave both hands"), "either", "the other arm"),
)

# Things are large enough to be seen where a body is 40 pixels high, and more colourful than rooms
# and clothes.
_CUPS = ((0.95, 0.12, 0.1), (0.95, 0.3, 0.2))
_PHONES = ((0.1, 0.85, 0.95), (0.15, 0.55, 1.0))
_BALLS = ((0.75, 0.98, 0.1), (0.9, 0.95, 0.3))
_PARCELS = ((0.95, 0.15, 0.7), (0.75, 0.2, 0.95))
_TALL_HATS = ((1.0, 0.85, 0.1), (1.0, 0.75, 0.3))
_HATS = ((0.1, 0.8, 0.2), (0.1, 0.65, 0.4))
_BAGS = ((1.0, 0.5, 0.05), (1.0, 0.6, 0.25))
_BALL_SPEED = 4.0  # metres per second
_KICKED = 0.55  # how far a kick has come when the foot meets the ball
_UPWARD = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Actor:
    """Who plays the first role of a scene, and the joints (T, V, 3) of both persons.

    hand, free_hand, wrist  joints of the acting side's hand, the other hand, and the acting wrist
    """

    joints: np.ndarray
    partner: np.ndarray
    hand: int
    free_hand: int
    partner_hand: int
    wrist: int


def _hands(left: bool) -> tuple[int, int]:
    return (21, 23) if left else (23, 21)


def _actor(scene: Scene) -> Actor:
    first = scene.roles.index(0)
    second = scene.roles.index(1) if 1 in scene.roles else first
    hand, free_hand = _hands(scene.left[first])
    return Actor(
        joints=scene.joints[first],
        partner=scene.joints[second],
        hand=hand,
        free_hand=free_hand,
        partner_hand=_hands(scene.left[second])[0],
        wrist=6 if scene.left[first] else 10,
    )


def _coloured(
    colours: tuple[tuple[float, float, float], ...], infrared: float, rng: np.random.Generator
) -> Material:
    return Material(colours[rng.integers(len(colours))], infrared)


def _cup(scene: Scene, rng: np.random.Generator) -> list[Capsule]:
    who = _actor(scene)
    hand = who.joints[:, who.hand] + 0.05 * forward(who.joints)
    low, high = hand - 0.05 * _UPWARD, hand + 0.07 * _UPWARD
    return [Capsule(low, high, 0.06, _coloured(_CUPS, 0.95, rng))]


def _phone(scene: Scene, rng: np.random.Generator) -> list[Capsule]:
    who = _actor(scene)
    outward = who.joints[:, who.hand] - head(who.joints)
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    middle = who.joints[:, who.hand] + 0.03 * outward
    along = 0.1 * up(who.joints)
    return [Capsule(middle - along, middle + along, 0.045, _coloured(_PHONES, 0.03, rng))]


def _parcel(scene: Scene, rng: np.random.Generator) -> list[Capsule]:
    who = _actor(scene)
    share = np.clip((scene.progress - 0.3) / 0.4, 0.0, 1.0)[:, None]
    given = share**2 * (3 - 2 * share)
    middle = (1 - given) * who.joints[:, who.hand] + given * who.partner[:, who.partner_hand]
    half = 0.1 * _UPWARD
    return [Capsule(middle - half, middle + half, 0.12, _coloured(_PARCELS, 0.9, rng))]


def _ball(scene: Scene, rng: np.random.Generator) -> list[Capsule]:
    who = _actor(scene)
    foot = 15 if who.hand == 21 else 19
    ahead = forward(who.joints)[:1]
    spot = who.joints[:1, foot] + 0.4 * ahead
    spot[:, 1] = 0.13
    away = np.cumsum(scene.progress > _KICKED)[:, None] / FRAME_RATE * _BALL_SPEED
    middle = spot + away * (ahead + 0.25 * _UPWARD)
    return [Capsule(middle, middle, 0.13, _coloured(_BALLS, 0.85, rng))]


def _hat(
    middle: np.ndarray, across: np.ndarray, material: Material, height: float
) -> list[Capsule]:
    """A hat with a brim: `middle` (T, 3) of its rim, `across` (T, 3) from left to right."""
    top = middle + height * _UPWARD
    ahead = np.cross(across, _UPWARD)
    brims = [Capsule(middle - 0.17 * way, middle + 0.17 * way, 0.035, material)
             for way in (across, ahead)]  # fmt: skip
    return [*brims, Capsule(middle, top, 0.1, material)]


def _across(joints: np.ndarray) -> np.ndarray:
    return np.cross(_UPWARD, forward(joints))


def _tall_hat(scene: Scene, rng: np.random.Generator) -> list[Capsule]:
    who = _actor(scene)
    rim = head(who.joints) + 0.1 * up(who.joints)
    top = rim + 0.2 * up(who.joints)
    return [Capsule(rim, top, 0.1, _coloured(_TALL_HATS, 0.7, rng))]


def _moved_hat(worn: np.ndarray, scene: Scene, rng: np.random.Generator) -> list[Capsule]:
    """A hat that is on the head in the frames `worn` (T,), and in the hands in all others."""
    who = _actor(scene)
    on_head = head(who.joints) + 0.07 * up(who.joints)
    in_hands = (who.joints[:, who.hand] + who.joints[:, who.free_hand]) / 2
    middle = np.where(worn[:, None], on_head, in_hands)
    return _hat(middle, _across(who.joints), _coloured(_HATS, 0.7, rng), 0.1)


def _moved_bag(held: np.ndarray, scene: Scene, rng: np.random.Generator) -> list[Capsule]:
    """A bag that hangs from the hand in the frames `held` (T,), and is on the floor otherwise."""
    who = _actor(scene)
    hand = who.joints[:, who.hand]
    meeting = np.abs(scene.progress - 0.5).argmin()
    middle = np.where(held[:, None], hand - 0.12 * _UPWARD, hand[meeting])
    middle[:, 1] = np.where(held, np.maximum(middle[:, 1], 0.13), 0.13)
    half = 0.09 * _across(who.joints)
    return [Capsule(middle - half, middle + half, 0.12, _coloured(_BAGS, 0.8, rng))]


Maker = Callable[[Scene, np.random.Generator], list[Capsule]]
_THINGS: dict[str, Maker] = {
    "drink": _cup,
    "phone call": _phone,
    "hand over": _parcel,
    "kick": _ball,
    "march": _tall_hat,
    "put on hat": lambda scene, rng: _moved_hat(scene.progress >= 0.5, scene, rng),
    "take off hat": lambda scene, rng: _moved_hat(scene.progress < 0.5, scene, rng),
    "pick up": lambda scene, rng: _moved_bag(scene.progress >= 0.5, scene, rng),
    "put down": lambda scene, rng: _moved_bag(scene.progress < 0.5, scene, rng),
}


def things_of(name: str, scene: Scene, rng: np.random.Generator) -> list[Capsule]:
    """The things in a scene of a class, in the frame of the scene's joints; none for most."""
    return _THINGS[name](scene, rng) if name in _THINGS else []
