"""Long-tailed training subsets, as in BRL (arXiv 2308.14024) and its published lists of clips.

The profiles `exp` and `step` are those of LDAM (arXiv 1906.07413), section 4.
"""

import numpy as np

from brl.clips.store import ClipStore
from brl.config.lists import listed_names, not_for_training
from brl.subset.subset import Subset
from brl.support.errors import UserError

# Rounding may leave n_max / IF just below a whole number; floor must not lose that clip.
ROUNDING = 1e-9


def profile_counts(
    profile: str, available: np.ndarray, max_per_class: int | None, imbalance_factor: float
) -> np.ndarray:
    """Number of clips that each class keeps, (C,) int64.

    available: (C,), clips that each class has. max_per_class: n_max; None for the size of the
    largest class. imbalance_factor: IF. With c the label, profile
    - `exp` keeps floor(n_max IF^(-c / (C - 1))) clips,
    - `step` keeps n_max clips of the first half of the classes and floor(n_max / IF) of the rest,
    - `natural` keeps n_max clips of each class.
    A class that has fewer clips keeps all of them.
    """
    largest = int(available.max()) if max_per_class is None else max_per_class
    num_classes = len(available)
    labels = np.arange(num_classes)
    if profile == "exp":
        exponent = labels / max(num_classes - 1, 1)
        wanted = np.floor(largest * imbalance_factor**-exponent + ROUNDING)
    elif profile == "step":
        rest = np.floor(largest / imbalance_factor + ROUNDING)
        wanted = np.where(labels < num_classes // 2, largest, rest)
    else:
        wanted = np.full(num_classes, largest)
    return np.minimum(wanted, available).astype(np.int64)


def choose_clips(store: ClipStore, candidates: np.ndarray, counts: np.ndarray, seed: int) -> Subset:
    """Draws counts[c] clips of each class c, in the way of BRL's published lists.

    candidates: (n,), store indices of the training clips in the split's own order. counts: (C,).
    For each class in label order, its candidates are shuffled and the first ones kept. All classes
    share one legacy NumPy generator, seeded once.
    """
    generator = np.random.RandomState(seed)
    labels = store.labels[candidates]
    ends = np.cumsum(np.bincount(labels, minlength=len(counts)))
    by_class = np.split(candidates[np.argsort(labels, kind="stable")], ends[:-1])
    kept = []
    for of_class, count in zip(by_class, counts, strict=True):
        generator.shuffle(of_class)
        kept.append(of_class[:count])
    return Subset(np.concatenate(kept), counts)


def listed_clips(store: ClipStore, candidates: np.ndarray, list_file: str) -> Subset:
    """The clips that a file in lists/ names, one name per line.

    candidates: (n,), store indices of the split's training clips.
    Raises UserError where the file is elsewhere, cannot be read, or names an unknown clip or one
    clip twice.
    """
    names = listed_names(list_file)
    index_of = dict(zip(store.names[candidates], candidates, strict=True))
    unknown = [name for name in names if name not in index_of]
    if unknown:
        raise not_for_training(list_file, names, unknown)
    clips = np.array([index_of[name] for name in names], dtype=np.int64)
    return Subset(clips, np.bincount(store.labels[clips], minlength=len(store.classes)))


def check_subset(store: ClipStore, subset: Subset) -> None:
    """Raises UserError where a class keeps no clip."""
    empty = np.flatnonzero(subset.counts == 0)
    if len(empty):
        raise UserError(
            f"params.yaml: subsample: the class {store.classes[empty[0]]!r} keeps no training "
            "clip; lower imbalance_factor, raise max_per_class, add to the list file, or give it "
            "training clips"
        )
