"""The people of the built-in dataset, and the random generators of its subjects and clips."""

from dataclasses import dataclass, fields

import numpy as np

from brl.clips.clip import Part
from brl.datasets.synthetic.body import COLUMN, DOFS, Body, mirrored

SUBJECTS: dict[Part, tuple[int, ...]] = {
    "train": tuple(range(1, 17)),
    "test": tuple(range(17, 23)),
}

# Difficulty of the dataset, like the constants in scenes.py.
AMPLITUDE_SPREAD = 0.15  # std of the logarithm, per clip; half of it per subject
TEMPO_SPREAD = 0.24  # likewise
POSTURE_SPREAD = 5.0  # degrees, per subject
LIMB_SPREAD = 0.06  # std of the logarithm, per segment and for the whole body

_SEED = 20230814
_SYMMETRY = 0.6
_LEFT_HANDED = 0.25

# Relative variation of each angle: largest for upper arms. The scene sets heights and headings.
LOOSENESS = np.array(
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


def generator(*key: int) -> np.random.Generator:
    """The random generator of a subject, or of a clip: no clip depends on the others."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(_SEED, spawn_key=key)))


def _subject(number: int) -> Subject:
    rng = generator(0, number)
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
        posture=POSTURE_SPREAD * askew(rng),
    )


def askew(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Unit noise (*shape, DOFS) on poses; left and right are correlated, so that hands meet."""
    noise = rng.standard_normal((*shape, DOFS))
    return LOOSENESS * (noise + _SYMMETRY * mirrored(noise)) / np.hypot(1.0, _SYMMETRY)


PEOPLE = {number: _subject(number) for numbers in SUBJECTS.values() for number in numbers}
