"""A split of recordings into training and test: as files and names have it, or by person."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from brl.datasets.people import numbers_in, people_of
from brl.inspection.names import DAYS, PART_WORDS, PLACES

TEST_SHARE = 1 / 3
TRIES = 2000


class Parts(NamedTuple):
    """The part of each recording.

    values   train, test, or empty for what is in no part or not told
    told_by  what told it, in words; empty where nothing did
    doubt    why there is no split though names tell who or when
    """

    values: list[str]
    told_by: str = ""
    doubt: str = ""


def parts_of(names: Sequence[str], labels: Sequence[str]) -> Parts:
    """The part of each clip, by its name, which begins with its folders.

    Words for training and test count. Otherwise a third of the people, places or days are for
    testing, so that each class has clips in both parts.
    """
    by_word = [_part_in(name) for name in names]
    if all(by_word) and {"train"} < set(by_word):
        testing = "test" if "test" in by_word else "validation"
        values = [{testing: "test", "train": "train"}.get(part, "") for part in by_word]
        return Parts(values, f"train and {testing} in the paths")
    doubt = ""
    for kind, numbers in (
        ("people", people_of(names)),
        ("places", numbers_in(names, PLACES)),
        ("days", numbers_in(names, DAYS)),
    ):
        if numbers is None or not 2 <= len(set(numbers)) <= len(names) / 2:
            continue
        tested = choose_groups(numbers, labels)
        if tested is not None:
            values = np.where(np.isin(numbers, tested), "test", "train").tolist()
            return Parts(values, f"{kind}: {', '.join(map(str, tested))} for testing")
        doubt = doubt or f"no third of the {kind} leaves each class clips in both parts"
    return Parts([""] * len(names), doubt=doubt)


def choose_groups(groups: np.ndarray, labels: Sequence[str]) -> list[int] | None:
    """A third of the groups for testing, so that each class is in both parts; None if none is.

    groups: the group of each clip, (N,). Of the choices that are tried, always the same ones, it is
    that whose clips are closest to a third.
    """
    numbers, group = np.unique(groups, return_inverse=True)
    _, label = np.unique(np.array(labels), return_inverse=True)
    table = np.zeros((len(numbers), label.max() + 1))
    np.add.at(table, (group, label), 1)
    of_class = table.sum(axis=0)
    count = max(1, round(len(numbers) * TEST_SHARE))
    draws = np.random.default_rng(0)
    best, distance = None, np.inf
    for _ in range(TRIES):
        chosen = np.sort(draws.permutation(len(numbers))[:count])
        tested = table[chosen].sum(axis=0)
        off = abs(tested.sum() / len(groups) - TEST_SHARE)
        if off < distance and ((tested > 0) & (tested < of_class)).all():
            best, distance = chosen, off
    return None if best is None else numbers[best].tolist()


def _part_in(name: str) -> str:
    """The part that a name tells; empty if none, or more than one."""
    words = re.findall(r"[^\W\d_]+", name.lower())
    found = [part for part, known in PART_WORDS.items() if {*words} & {*known}]
    return found[0] if len(found) == 1 else ""
