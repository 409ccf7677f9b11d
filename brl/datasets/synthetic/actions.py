"""The built-in dataset's actions, as key poses in joint angles.

A pose lists the angles that differ from standing at rest. Angles of limbs are given for a
right-handed person: "act" is the acting side and "off" the other one. An angle without a prefix
applies to both sides.
"""

from dataclasses import dataclass, replace

Pose = dict[str, float]


@dataclass(frozen=True)
class Key:
    """A pose, reached `seconds` after the previous one; `second` is the other person's pose."""

    seconds: float
    pose: Pose
    second: Pose | None = None


@dataclass(frozen=True)
class Action:
    """An action as key poses: `enter` once, `loop` several times, then `leave` once.

    partner   the action with which it is most easily confused
    repeats   smallest and largest number of loops
    reverses  whether the partner is this action played backwards
    gap       smallest distance between two persons, in metres; 0.0 for one person
    """

    name: str
    partner: str
    enter: tuple[Key, ...]
    loop: tuple[Key, ...] = ()
    repeats: tuple[int, int] = (0, 0)
    leave: tuple[Key, ...] = ()
    reverses: bool = False
    gap: float = 0.0


def _pose(**angles: float) -> Pose:
    return {name.replace("_", " "): value for name, value in angles.items()}


REST_POSE = _pose(**{"raise": 8, "plane": 65, "elbow": 14, "hip": 2, "out": 3, "knee": 4})

_REST: Pose = {}
_STOOP = _pose(**{"lean": 35, "bend": 12, "nod": -12, "hip": 58, "knee": 68, "raise": 38,
                  "plane": 12, "elbow": 28})  # fmt: skip
_SEATED = _pose(**{"lean": 4, "bend": 4, "hip": 88, "knee": 88, "raise": 24, "plane": 12,
                   "elbow": 52})  # fmt: skip
_REACH_FLOOR = _pose(act_raise=92, act_plane=8, act_elbow=6, off_raise=58, off_plane=15,
                     off_elbow=25, lean=55, bend=42, hip=52, knee=76)  # fmt: skip
_CARRY = _pose(act_raise=18, act_plane=20, act_elbow=86, act_turn=-8)
_HOLD_LOW = _pose(**{"raise": 26, "plane": 18, "elbow": 84, "turn": -22})
_HANDS_ON_HEAD = _pose(**{"raise": 112, "plane": 38, "elbow": 122, "turn": -12, "nod": 6})
_AT_MOUTH = _pose(act_raise=36, act_plane=18, act_elbow=132, act_turn=-24, nod=-3)
_SIP = _pose(act_raise=52, act_plane=26, act_elbow=130, act_turn=-30, nod=-18, bend=-5)
_AT_EAR = _pose(act_raise=48, act_plane=66, act_elbow=145, act_turn=8, nod=6, side=-8)
_LISTEN = _pose(act_raise=52, act_plane=58, act_elbow=145, act_turn=8, nod=8, look=-8, side=-8)
_WAVE_IN = _pose(act_raise=84, act_plane=78, act_turn=72, act_elbow=108)
_WAVE_OUT = _pose(act_raise=90, act_plane=80, act_turn=74, act_elbow=58)
_WAVE_BOTH_IN = _pose(**{"raise": 84, "plane": 78, "turn": 72, "elbow": 108})
_WAVE_BOTH_OUT = _pose(**{"raise": 90, "plane": 80, "turn": 74, "elbow": 58})
_CLAP_OPEN = _pose(**{"raise": 56, "plane": 40, "turn": 10, "elbow": 66})
_CLAP_SHUT = _pose(**{"raise": 52, "plane": 8, "turn": -38, "elbow": 68})
_RUB_ONE = _pose(act_raise=40, act_elbow=78, off_raise=22, off_elbow=100, plane=12, turn=-28)
_RUB_TWO = _pose(act_raise=22, act_elbow=100, off_raise=40, off_elbow=78, plane=12, turn=-30)
_MARCH_ACT = _pose(act_hip=58, act_knee=70, act_toe=-8, off_raise=28, act_raise=-14, plane=4,
                   elbow=38)  # fmt: skip
_MARCH_OFF = _pose(off_hip=58, off_knee=70, off_toe=-8, act_raise=28, off_raise=-14, plane=4,
                   elbow=38)  # fmt: skip
_MARCH_THROUGH = _pose(hip=6, knee=10, plane=10, elbow=30)
_JOG_ACT = _pose(act_hip=46, act_knee=86, act_toe=-16, off_raise=30, act_raise=-18, plane=4,
                 elbow=72, lean=5, off_knee=10)  # fmt: skip
_JOG_OFF = _pose(off_hip=46, off_knee=86, off_toe=-16, act_raise=30, off_raise=-18, plane=4,
                 elbow=72, lean=5, act_knee=10)  # fmt: skip
_JOG_THROUGH = _pose(hip=10, knee=18, plane=10, elbow=70, lean=5)
_SWING_BACK = _pose(act_hip=-16, act_knee=42, off_knee=8, act_toe=-12, lean=5)
_CHAMBER = _pose(act_hip=36, act_knee=50, off_knee=10, act_toe=-10, lean=-4, off_raise=24)
_KICK_OUT = _pose(act_hip=78, act_knee=8, off_knee=12, act_toe=32, lean=-9, off_raise=44)
_UNWEIGHT = _pose(act_hip=-2, act_knee=16, off_knee=6, lean=3)
_KNEE_RISING = _pose(act_hip=58, act_knee=94, off_knee=8, act_toe=-8, lean=-2, off_raise=14)
_KNEE_HIGH = _pose(act_hip=98, act_knee=110, off_knee=8, act_toe=-6, lean=-3, off_raise=16)
_BOWED = _pose(lean=32, bend=24, nod=8)
_BOWED_DEEP = _pose(lean=40, bend=30, nod=10)
_NODDED = _pose(lean=1, bend=3, nod=14)
_NODDED_DEEP = _pose(lean=2, bend=5, nod=36)
_STEP_ACT = _pose(act_hip=24, act_knee=6, act_toe=8, off_hip=-19, off_knee=12, off_toe=-14,
                  off_raise=20, act_raise=-16, plane=4)  # fmt: skip
_PASS_OFF = _pose(act_hip=3, act_knee=6, off_hip=16, off_knee=52, off_toe=-8, plane=4)
_STEP_OFF = _pose(off_hip=24, off_knee=6, off_toe=8, act_hip=-19, act_knee=12, act_toe=-14,
                  act_raise=20, off_raise=-16, plane=4)  # fmt: skip
_PASS_ACT = _pose(off_hip=3, off_knee=6, act_hip=16, act_knee=52, act_toe=-8, plane=4)
_OFFER = _pose(act_raise=54, act_plane=2, act_elbow=38, off_raise=34, off_plane=4, off_elbow=58,
               lean=5, bend=4)  # fmt: skip
_OFFER_FAR = _pose(act_raise=64, act_plane=2, act_elbow=22, off_raise=46, off_plane=4,
                   off_elbow=42, lean=7, bend=6)  # fmt: skip
_OFFER_HALF = _pose(act_raise=34, act_plane=8, act_elbow=62, off_raise=22, off_elbow=48)
_REACH_HALF = _pose(act_raise=34, act_plane=8, act_elbow=62)
_SHAKE_UP = _pose(act_raise=66, act_plane=2, act_elbow=46, lean=5, bend=4)
_SHAKE_DOWN = _pose(act_raise=42, act_plane=2, act_elbow=28, lean=5, bend=4)

WALK = Action(
    "walk",
    partner="",
    enter=(Key(0.0, _REST), Key(0.3, _PASS_ACT)),
    loop=(Key(0.25, _STEP_ACT), Key(0.25, _PASS_OFF), Key(0.25, _STEP_OFF), Key(0.25, _PASS_ACT)),
    repeats=(4, 6),
    leave=(Key(0.3, _REST),),
)


def _pairwise(*keys: tuple[float, Pose, Pose]) -> tuple[Key, ...]:
    return tuple(Key(seconds, pose, second) for seconds, pose, second in keys)


def _backwards(action: Action, name: str) -> Action:
    """The action played backwards, with a name of its own; its partner is the original."""
    path = action.enter
    pauses = (0.0, *(key.seconds for key in path[:0:-1]))
    reverse = tuple(
        replace(key, seconds=pause) for key, pause in zip(path[::-1], pauses, strict=True)
    )
    return replace(action, name=name, partner=action.name, enter=reverse)


_SIT_DOWN = Action(
    "sit down", "stand up", (Key(0.0, _REST), Key(0.7, _STOOP), Key(0.7, _SEATED)), reverses=True
)
_PICK_UP = Action(
    "pick up",
    "put down",
    (Key(0.0, _REST), Key(0.9, _REACH_FLOOR), Key(0.3, _REACH_FLOOR), Key(0.9, _CARRY)),
    reverses=True,
)
_HAT_ON = Action(
    "put on hat",
    "take off hat",
    (Key(0.0, _HOLD_LOW), Key(0.8, _HANDS_ON_HEAD), Key(0.3, _HANDS_ON_HEAD), Key(0.8, _REST)),
    reverses=True,
)
_APPROACH = Action(
    "walk towards",
    "walk apart",
    _pairwise(
        (0.0, _REST, _REST),
        (0.3, _PASS_ACT, _PASS_OFF),
        (0.3, _STEP_ACT, _STEP_OFF),
        (0.3, _PASS_OFF, _PASS_ACT),
        (0.3, _STEP_OFF, _STEP_ACT),
        (0.3, _PASS_ACT, _PASS_OFF),
        (0.4, _REST, _REST),
    ),
    reverses=True,
    gap=0.75,
)


def _gesture(
    name: str,
    partner: str,
    loop: tuple[Pose, ...],
    seconds: float,
    repeats: tuple[int, int],
    enter_seconds: float = 0.6,
) -> Action:
    """An action that starts and ends at rest and loops through poses, `seconds` apart."""
    return Action(
        name,
        partner,
        enter=(Key(0.0, _REST), Key(enter_seconds, loop[-1])),
        loop=tuple(Key(seconds, pose) for pose in loop),
        repeats=repeats,
        leave=(Key(enter_seconds, _REST),),
    )


_DRINK = _gesture("drink", "phone call", (_SIP, _AT_MOUTH), 0.45, (1, 2))
_PHONE = _gesture("phone call", "drink", (_LISTEN, _AT_EAR), 0.7, (1, 2))
_WAVE = _gesture("wave", "wave both hands", (_WAVE_OUT, _WAVE_IN), 0.3, (2, 4))
_WAVE_BOTH = _gesture("wave both hands", "wave", (_WAVE_BOTH_OUT, _WAVE_BOTH_IN), 0.3, (2, 4))
_CLAP = _gesture("clap", "rub hands", (_CLAP_OPEN, _CLAP_SHUT), 0.24, (3, 6))
_RUB = _gesture("rub hands", "clap", (_RUB_ONE, _RUB_TWO), 0.18, (4, 7))
_MARCH = _gesture(
    "march", "jog", (_MARCH_OFF, _MARCH_THROUGH, _MARCH_ACT, _MARCH_THROUGH), 0.23, (2, 3), 0.3
)
_JOG = _gesture("jog", "march", (_JOG_OFF, _JOG_THROUGH, _JOG_ACT, _JOG_THROUGH), 0.16, (3, 5), 0.3)
_BOW = _gesture("bow", "nod", (_BOWED_DEEP, _BOWED), 0.4, (1, 1), 0.7)
_NOD = _gesture("nod", "bow", (_NODDED, _NODDED_DEEP), 0.3, (1, 2), 0.4)
_KICK = Action(
    "kick",
    "knee lift",
    (Key(0.0, _REST), Key(0.35, _SWING_BACK), Key(0.3, _CHAMBER), Key(0.28, _KICK_OUT)),
    leave=(Key(0.3, _CHAMBER), Key(0.4, _REST)),
)
_KNEE_LIFT = Action(
    "knee lift",
    "kick",
    (Key(0.0, _REST), Key(0.3, _UNWEIGHT), Key(0.35, _KNEE_RISING), Key(0.3, _KNEE_HIGH)),
    leave=(Key(0.35, _KNEE_RISING), Key(0.4, _REST)),
)
_HAND_OVER = Action(
    "hand over",
    "shake hands",
    enter=_pairwise((0.0, _CARRY, _REST), (0.7, _OFFER, _OFFER_HALF)),
    loop=_pairwise((0.35, _OFFER_FAR, _OFFER), (0.35, _OFFER, _OFFER_FAR)),
    repeats=(1, 2),
    leave=_pairwise((0.5, _OFFER_HALF, _OFFER_HALF), (0.4, _REST, _CARRY)),
    gap=1.2,
)
_SHAKE_HANDS = Action(
    "shake hands",
    "hand over",
    enter=_pairwise((0.0, _REST, _REST), (0.6, _SHAKE_DOWN, _SHAKE_DOWN)),
    loop=_pairwise((0.22, _SHAKE_UP, _SHAKE_UP), (0.22, _SHAKE_DOWN, _SHAKE_DOWN)),
    repeats=(3, 5),
    leave=_pairwise((0.35, _REACH_HALF, _REACH_HALF), (0.4, _REST, _REST)),
    gap=1.15,
)

# In label order. Long-tailed subsets keep fewer clips of later classes, so one action of each pair
# is rarer than its partner: slightly for pairs that are hard to tell apart, up to thirty times for
# easy ones.
ACTIONS = (
    _SIT_DOWN,
    _WAVE,
    _DRINK,
    _MARCH,
    _HAND_OVER,
    _PHONE,
    _SHAKE_HANDS,
    _CLAP,
    _JOG,
    _KICK,
    _backwards(_PICK_UP, "put down"),
    _backwards(_HAT_ON, "take off hat"),
    _RUB,
    _PICK_UP,
    _KNEE_LIFT,
    _backwards(_SIT_DOWN, "stand up"),
    _NOD,
    _BOW,
    _backwards(_APPROACH, "walk apart"),
    _APPROACH,
    _HAT_ON,
    _WAVE_BOTH,
)
