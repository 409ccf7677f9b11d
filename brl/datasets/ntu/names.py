"""NTU RGB+D 60 and 120: action names and official splits, for all formats of the data.

A. Shahroudy et al., "NTU RGB+D", CVPR 2016; J. Liu et al., "NTU RGB+D 120", TPAMI 2020.
A clip's name `SsssCcccPpppRrrrAaaa` gives setup, camera, performer, replication and action.
"""

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from brl.clips.clip import Part, Splits
from brl.datasets.source import Listed
from brl.support.errors import UserError

# In the order of rose1.ntu.edu.sg/dataset/actionRecognition, from A001; ten actions per paragraph.
CLASSES_120 = (
    "drink water", "eat meal", "brush teeth", "brush hair", "drop",
    "pick up", "throw", "sit down", "stand up", "clapping",

    "reading", "writing", "tear up paper", "put on jacket", "take off jacket",
    "put on a shoe", "take off a shoe", "put on glasses", "take off glasses", "put on a hat/cap",

    "take off a hat/cap", "cheer up", "hand waving", "kicking something", "reach into pocket",
    "hopping", "jump up", "phone call", "play with phone/tablet", "type on a keyboard",

    "point to something", "taking a selfie", "check time (from watch)", "rub two hands",
    "nod head/bow", "shake head", "wipe face", "salute", "put palms together",
    "cross hands in front",

    "sneeze/cough", "staggering", "falling down", "headache", "chest pain",
    "back pain", "neck pain", "nausea/vomiting", "fan self", "punch/slap",

    "kicking", "pushing", "pat on back", "point finger", "hugging",
    "giving object", "touch pocket", "shaking hands", "walking towards", "walking apart",

    "put on headphone", "take off headphone", "shoot at basket", "bounce ball",
    "tennis bat swing", "juggle table tennis ball", "hush", "flick hair", "thumb up", "thumb down",

    "make ok sign", "make victory sign", "staple book", "counting money", "cutting nails",
    "cutting paper", "snap fingers", "open bottle", "sniff/smell", "squat down",

    "toss a coin", "fold paper", "ball up paper", "play magic cube", "apply cream on face",
    "apply cream on hand", "put on bag", "take off bag", "put object into bag",
    "take object out of bag",

    "open a box", "move heavy objects", "shake fist", "throw up cap/hat", "capitulate",
    "cross arms", "arm circles", "arm swings", "run on the spot", "butt kicks",

    "cross toe touch", "side kick", "yawn", "stretch oneself", "blow nose",
    "hit with object", "wield knife", "knock over", "grab stuff", "shoot with gun",

    "step on foot", "high-five", "cheers and drink", "carry object", "take a photo",
    "follow", "whisper", "exchange things", "support somebody", "rock-paper-scissors",
)  # fmt: skip
CLASSES_60 = CLASSES_120[:60]
# For both datasets: NTU RGB+D 60 has the performers up to 40.
TRAINING_SUBJECTS = frozenset(
    (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38, 45, 46, 47, 49, 50,
     52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89, 91, 92, 93, 94, 95,
     97, 98, 100, 103)
)  # fmt: skip
NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})", re.ASCII)


class Recording(NamedTuple):
    """The numbers in a clip's name, all from 1."""

    setup: int
    camera: int
    performer: int
    replication: int
    action: int


Second = Literal["xview", "xset"]
TRAINS: dict[Second, Callable[[Recording], bool]] = {
    "xview": lambda clip: clip.camera != 1,
    "xset": lambda clip: clip.setup % 2 == 0,
}


def recording(name: str) -> Recording:
    """Parses a clip's name. Raises UserError where it has another form."""
    match = NAME.fullmatch(name)
    if match is None:
        raise UserError(
            f"{name}: not the name of an NTU RGB+D clip; must be like S001C002P003R002A013"
        )
    return Recording(*map(int, match.groups()))


def label_of(name: str) -> int:
    """The label of a clip, from 0, by its name. Raises UserError where the name is invalid."""
    return recording(name).action - 1


def listed(_mirror: str | None) -> Listed:
    """What the names of clips tell."""
    return Listed(label_of=lambda name: label_of(name) if NAME.fullmatch(name) else None)


def ntu_splits(names: list[str], second: Second) -> Splits:
    """The two official splits, with their clips in the field's order.

    second: the split beside xsub, `xview` for NTU RGB+D 60 or `xset` for 120. Training clips are
    those of 20 (or 53) performers in xsub, of cameras 2 and 3 in xview, and of even setups in xset.
    Raises UserError where a name is invalid.
    """

    def parted(trains: Callable[[Recording], bool]) -> dict[Part, list[str]]:
        parts: dict[Part, list[str]] = {"train": [], "test": []}
        for name in names:
            parts["train" if trains(recording(name)) else "test"].append(name)
        return parts

    subjects = parted(lambda clip: clip.performer in TRAINING_SUBJECTS)
    return in_field_order({"xsub": subjects, second: parted(TRAINS[second])})


def in_field_order(splits: Splits) -> Splits:
    """The splits with their clips in the order from which the published subsets were drawn.

    xsub is sorted by performer, then by name; all other splits are sorted by name.
    """
    return {
        split: {
            part: sorted(names, key=_by_performer if split == "xsub" else None)
            for part, names in parts.items()
        }
        for split, parts in splits.items()
    }


def _by_performer(name: str) -> tuple[int, str]:
    return recording(name).performer, name
