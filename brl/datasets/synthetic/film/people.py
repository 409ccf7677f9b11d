"""Bodies as capsules, dressed by subject."""

from functools import cache

import numpy as np

from brl.datasets.synthetic.film.render import Capsule, Material
from brl.datasets.synthetic.subjects import generator

_KEY = 4  # of the random generators; see room.py

# Two joints, the capsule's radius in metres, and what covers it. The head and the hair are apart.
_SEGMENTS = (
    (0, 20, 0.125, "shirt"), (4, 12, 0.085, "shirt"), (8, 16, 0.085, "shirt"),
    (2, 20, 0.05, "skin"),
    (4, 5, 0.052, "shirt"), (5, 6, 0.042, "sleeve"), (6, 21, 0.04, "skin"),
    (8, 9, 0.052, "shirt"), (9, 10, 0.042, "sleeve"), (10, 23, 0.04, "skin"),
    (12, 13, 0.08, "trousers"), (13, 14, 0.06, "trousers"), (14, 15, 0.05, "shoes"),
    (16, 17, 0.08, "trousers"), (17, 18, 0.06, "trousers"), (18, 19, 0.05, "shoes"),
)  # fmt: skip
HEAD = 0.105  # radius, metres
_SKINS = ((0.87, 0.67, 0.55), (0.75, 0.55, 0.42), (0.55, 0.38, 0.28), (0.36, 0.24, 0.18))
_HAIRS = ((0.08, 0.06, 0.05), (0.3, 0.18, 0.1), (0.75, 0.6, 0.35), (0.6, 0.6, 0.6))


@cache
def clothes(subject: int) -> dict[str, Material]:
    """What covers each part of a subject, in all clips."""
    rng = generator(_KEY, subject)
    skin = Material(_SKINS[rng.integers(len(_SKINS))], 0.55)
    cloth = {
        part: Material(_colour(rng), float(rng.uniform(0.25, 0.9)))
        for part in ("shirt", "trousers", "shoes")
    }
    hair = Material(_HAIRS[rng.integers(len(_HAIRS))], 0.2)
    sleeve = cloth["shirt"] if rng.random() < 0.5 else skin
    return {**cloth, "skin": skin, "sleeve": sleeve, "hair": hair}


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """A muted colour, which leaves the strong ones to things."""
    red, green, blue = (rng.uniform(0.1, 0.7) + rng.uniform(-0.1, 0.15, 3)).clip(0.05, 0.9).tolist()
    return red, green, blue


def head(joints: np.ndarray) -> np.ndarray:
    """Middle of the head (T, 3) of a body (T, V, 3)."""
    return joints[:, 2] + 0.75 * (joints[:, 3] - joints[:, 2])


def up(joints: np.ndarray) -> np.ndarray:
    """Direction (T, 3) in which the head of a body (T, V, 3) points."""
    return _unit(joints[:, 3] - joints[:, 2])


def forward(joints: np.ndarray) -> np.ndarray:
    """Level direction (T, 3) that the chest of a body (T, V, 3) faces."""
    return _unit(np.cross(joints[:, 4] - joints[:, 8], (0.0, 1.0, 0.0)))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def dressed(joints: np.ndarray, subject: int) -> list[Capsule]:
    """The capsules of a body (T, V, 3), in the frame of its joints."""
    worn = clothes(subject)
    capsules = [
        Capsule(joints[:, one], joints[:, other], radius, worn[part])
        for one, other, radius, part in _SEGMENTS
    ]
    middle = head(joints)
    crown = middle + 0.035 * up(joints) - 0.035 * forward(joints)
    capsules.append(Capsule(middle, middle, HEAD, worn["skin"]))
    capsules.append(Capsule(crown, crown, HEAD, worn["hair"]))
    return capsules
