"""A validation part held out of a training subset."""

import numpy as np

from brl.clips.store import ClipStore
from brl.subset.subset import Subset


def hold_out(store: ClipStore, subset: Subset, share: float, seed: int) -> tuple[Subset, Subset]:
    """Splits a subset, class by class, into a training part and a validation part.

    Of a class with n clips, round(share n) random clips are held out. If the share is not zero and
    the class has at least two clips, at least one of them is held out and at least one is kept.
    Both parts keep the subset's order.
    """
    labels = store.labels[subset.clips]
    random = np.random.default_rng(seed)
    held = np.zeros(len(labels), dtype=bool)
    for label in range(len(subset.counts)):
        indices = np.flatnonzero(labels == label)
        if share > 0 and len(indices) > 1:
            number = min(max(round(share * len(indices)), 1), len(indices) - 1)
            held[random.choice(indices, number, replace=False)] = True

    def part(mask: np.ndarray) -> Subset:
        counts = np.bincount(labels[mask], minlength=len(subset.counts))
        return Subset(subset.clips[mask], counts)

    return part(~held), part(held)
