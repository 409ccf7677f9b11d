"""Splits by subject."""

import re

from brl.clips.clip import Splits

SUBJECT = re.compile(r"_s(\d+)_")


def odd_subjects_train(names: list[str]) -> Splits:
    """The split `xsub`: clips of subjects 1, 3, 5, ... train, all others test.

    names: such as `a1_s3_t2`, a clip of subject 3.
    """
    odd = [int(SUBJECT.findall(name)[0]) % 2 == 1 for name in names]
    pairs = list(zip(names, odd, strict=True))
    return {
        "xsub": {
            "train": [name for name, trains in pairs if trains],
            "test": [name for name, trains in pairs if not trains],
        }
    }
