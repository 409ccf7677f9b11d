"""Which class each recording shows, as far as the names of folders and files tell."""

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

from brl.datasets.people import PATTERNS as PEOPLE
from brl.datasets.people import numbers_in

PART_WORDS = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "validation": ("val", "valid", "validation", "eval"),
}
PLACES = (
    re.compile(
        r"(?<![a-z])(?:place|room|scene|site|location|house|home|setup)[ _-]?(\d+)", re.IGNORECASE
    ),
)
DAYS = (
    re.compile(
        r"(?<!\d)((?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01]))(?!\d)",
        re.ASCII,
    ),
    re.compile(r"(?<![a-z])(?:day|session)[ _-]?(\d+)", re.IGNORECASE),
)
# What stands before the number of an action: of NTU RGB+D, a word, or alone as in a1_s1_t1.
ACTIONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"S\d{3}C\d{3}P\d{3}R\d{3}A(\d{3})",
        r"(?<![a-z])(?:action|activity|act|class|label|gesture|exercise)[ _-]?(\d+)",
        r"(?<![a-z0-9])a(\d+)(?![a-z0-9])",
    )
)
LETTER_AND_NUMBER = re.compile(r"(?<![^\W\d_])[a-z]\d+", re.IGNORECASE)
SIDES = tuple(
    (re.compile(left), right)
    for left, right in (
        ("Left", "Right"),
        ("left", "right"),
        ("LEFT", "RIGHT"),
        (r"(?<![A-Za-z])L(?=[A-Z_. -]|$)", "R"),
        (r"(?<![A-Za-z])l(?=[A-Z_. -]|$)", "r"),
    )
)
WORD = re.compile(r"[^\W\d_]+")


class Labels(NamedTuple):
    """The class of each recording.

    values    its name; empty where nothing tells
    told_by   what told it, in words; empty where nothing did
    doubt     why nothing did, if there were several answers
    numbered  whether only numbers of classes are told; their names are a word and the number
    """

    values: list[str]
    told_by: str = ""
    doubt: str = ""
    numbered: bool = False


def numbered_labels(word: str, numbers: Sequence[int], told_by: str) -> Labels:
    """Labels of which only numbers are told, and the word for what they count."""
    return Labels([f"{word} {number}" for number in numbers], told_by, numbered=True)


def labels_of(places: Sequence[PurePath]) -> Labels:
    """The class of each recording, by its place: a path without suffix, from the given folder.

    The folder counts, if there are several whose names are words or numbers. Otherwise the words in
    the name count, without those for a person, a place, a day or a part, and those that all
    names have; otherwise the number of an action (`a01_s02`, `action3`, `S001C001P001R001A003`).
    A class has two recordings or more, in the mean.
    """
    levels = range(min(len(place.parts) for place in places) - 1)
    folders = [[place.parts[level] for place in places] for level in levels]
    by_folder = [values for values in folders if is_class(values) and _differ(values)]
    if by_folder:
        if _cross(by_folder):
            return _undecided("folders", by_folder)
        deepest = max(reversed(by_folder), key=lambda values: len(set(values)))
        return Labels(deepest, "the folders")
    names = ["_".join(place.parts) for place in places]
    words = [_words(place.name) for place in places]
    if len({*map(len, words)}) == 1:
        fields = [list(field) for field in zip(*words, strict=True)]
        fields = [field for field in fields if is_class(field)]
        if _cross(fields):
            return _undecided("names", fields)
        joined = [" ".join(each) for each in zip(*fields, strict=True)]
    else:
        everywhere = set.intersection(*map(set, words))
        joined = [" ".join(w for w in each if w not in everywhere) for each in words]
    if joined and all(joined) and is_class(joined):
        return Labels(joined, "words in the names")
    numbers = numbers_in(names, ACTIONS)
    if numbers is not None and is_class(numbers.tolist()):
        return numbered_labels("action", numbers.tolist(), "the action's number in the names")
    return Labels([""] * len(places))


def in_order(values: Sequence[str]) -> list[str]:
    """The different values, sorted; numbers in them count as numbers."""

    def key(value: str) -> list[str | int]:
        return [int(each) if each.isdecimal() else each for each in re.split(r"(\d+)", value)]

    return sorted(set(values), key=key)


def pairs_in(joints: Sequence[str]) -> list[list[str]]:
    """The pairs of a left joint and its right one, by names such as LeftHand, LHip and hip_l."""
    pairs = []
    for joint in joints:
        for left, right in SIDES:
            other = left.sub(right, joint)
            if other != joint and other in joints:
                pairs.append([joint, other])
                break
    return pairs


def _differ(folders: Sequence[str]) -> bool:
    """Whether folders differ in words, or are bare numbers: `s1` and `s2` are no classes."""
    if all(name.isdecimal() for name in folders):
        return True
    words = {tuple(_words(name)) for name in folders}
    return len(words) > 1 and () not in words


def _words(name: str) -> list[str]:
    """The words of a name that may be those of a class."""
    for pattern in (*PEOPLE, *PLACES, *DAYS, LETTER_AND_NUMBER):
        name = pattern.sub(" ", name)
    parts = [word for words in PART_WORDS.values() for word in words]
    return [word for word in WORD.findall(name) if word.lower() not in parts]


def is_class(values: Sequence[str | int]) -> bool:
    """Whether values may be classes: there are several, of two clips or more in the mean."""
    return 2 <= len(set(values)) <= len(values) / 2


def _cross(fields: list[list[str]]) -> bool:
    """Whether no field tells all others, so that any of them could be the class."""
    together = len({*zip(*fields, strict=True)})
    return together > max((len(set(field)) for field in fields), default=0)


def _undecided(where: str, fields: list[list[str]]) -> Labels:
    choices = " or ".join(f"{', '.join(in_order(field)[:3])}, ..." for field in fields)
    return Labels([""] * len(fields[0]), doubt=f"{where} could tell several: {choices}")
