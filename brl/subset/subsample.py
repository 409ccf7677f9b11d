"""Long-tailed training subsets. Method: section 1."""

from pathlib import Path

import numpy as np

from brl.clips.store import ClipStore
from brl.subset.subset import Subset
from brl.support.errors import UserError

# A dependency of the stage: editing a list runs it again.
LISTS = Path("lists")
# n_max / IF may come out a rounding below a whole number, which must not cost a clip.
ROUNDING = 1e-9


def profile_counts(
    profile: str, available: np.ndarray, max_per_class: int | None, imbalance_factor: float
) -> np.ndarray:
    """Clips each class keeps, (C,) int64.

    available: (C,) clips each class has. `exp`: floor(n_max IF^(-c / (C - 1))) in label order;
    `step`: the first half keeps n_max, the rest n_max / IF; `natural`: every class at most n_max.
    n_max is max_per_class, or the largest class. A class with fewer keeps all it has.
    """
    largest = int(available.max()) if max_per_class is None else max_per_class
    num_classes = len(available)
    place = np.arange(num_classes)
    if profile == "exp":
        exponent = place / max(num_classes - 1, 1)
        wanted = np.floor(largest * imbalance_factor**-exponent + ROUNDING)
    elif profile == "step":
        rest = np.floor(largest / imbalance_factor + ROUNDING)
        wanted = np.where(place < num_classes // 2, largest, rest)
    else:
        wanted = np.full(num_classes, largest)
    return np.minimum(wanted, available).astype(np.int64)


def choose_clips(store: ClipStore, candidates: np.ndarray, counts: np.ndarray, seed: int) -> Subset:
    """Keeps counts[c] clips of each class c, as the published lists were drawn.

    One legacy NumPy generator, seeded once; for each class in label order its clips, in the
    split's own order, are shuffled and the first ones kept. candidates: (n,) store indices.
    """
    generator = np.random.RandomState(seed)
    kept = []
    for label, count in enumerate(counts):
        of_class = candidates[store.labels[candidates] == label]
        generator.shuffle(of_class)
        kept.append(of_class[:count])
    return Subset(np.concatenate(kept), counts)


def listed_clips(store: ClipStore, candidates: np.ndarray, list_file: str) -> Subset:
    """The clips that a file of `LISTS` names, a name a line; all training clips of the split."""
    path = LISTS / list_file
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"params.yaml: subsample.list_file: {path}: cannot be read ({error}); "
            "must be a text file with a clip name a line"
        ) from error
    names = [line.strip() for line in lines if line.strip()]
    place = dict(zip(store.names[candidates], candidates, strict=True))
    unknown = [name for name in names if name not in place]
    if unknown:
        raise UserError(
            f"{list_file}: {unknown[0]} is no training clip of this split "
            f"({len(unknown)} of {len(names)} names are not)"
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"{list_file}: {twice} is named twice; must be there once")
    clips = np.array([place[name] for name in names], dtype=np.int64)
    return Subset(clips, np.bincount(store.labels[clips], minlength=len(store.classes)))


def check_subset(store: ClipStore, subset: Subset) -> None:
    """Raises UserError where a class is left without a clip."""
    empty = np.flatnonzero(subset.counts == 0)
    if len(empty):
        raise UserError(
            f"params.yaml: subsample: the class {store.classes[empty[0]]!r} keeps no training "
            "clip; lower imbalance_factor, raise max_per_class, add to the list file, or give it "
            "training clips"
        )
