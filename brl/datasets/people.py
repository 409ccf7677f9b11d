"""Who a clip shows, as far as names tell."""

import re
from collections.abc import Sequence

import numpy as np

MOST_DIGITS = 18  # longer ones are no numbers of anything, and no 64-bit integers
# What stands before the number of a person, the most telling first.
PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"S\d{3}C\d{3}P(\d{3})R\d{3}A\d{3}",  # NTU RGB+D
        r"(?<![a-z])(?:person|people|subject|subj|sub|participant|actor|performer|user)[ _-]?(\d+)",
        r"(?<![a-z0-9])p(\d+)(?![a-z0-9])",
        r"(?<![a-z0-9])s(\d+)(?![a-z0-9])",
    )
)


def people_of(names: Sequence[str]) -> np.ndarray | None:
    """The number of the person in each clip, (N,) int64; None where the names do not tell.

    They tell if all of them have a number in the same way: as NTU RGB+D (`S001C001P003R001A001`),
    after a word (`subject7`, `person_12`), or alone after p or s (`a1_s03_t2`).
    """
    return numbers_in(names, PATTERNS)


def numbers_in(names: Sequence[str], patterns: Sequence[re.Pattern[str]]) -> np.ndarray | None:
    """The number that the first pattern which all names have finds in each; None without one.

    A pattern's group is the number; what is no digit in it is left out. Returns (N,) int64.
    """
    for pattern in patterns:
        found = [match for match in map(pattern.search, names) if match]
        if len(found) == len(names):
            digits = [re.sub(r"\D", "", match[1]) for match in found]
            if max(map(len, digits), default=0) <= MOST_DIGITS:
                return np.array([int(each) for each in digits], dtype=np.int64)
    return None


def trained_and_tested(names: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Mask (N,) of the test clips whose person also is in a training clip, as far as names tell.

    names: (N,). train, test: indices of the clips of a split.
    """
    mask = np.zeros(len(names), dtype=bool)
    people = people_of([str(name) for name in names[[*train, *test]]])
    if people is not None:
        of_train, of_test = np.split(people, [len(train)])
        mask[test[np.isin(of_test, of_train)]] = True
    return mask
