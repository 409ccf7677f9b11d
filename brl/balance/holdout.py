"""A validation part held out of a training subset."""

import numpy as np

from brl.clips.store import ClipStore
from brl.subset.subset import Subset


def hold_out(store: ClipStore, subset: Subset, share: float, seed: int) -> tuple[Subset, Subset]:
    """Divides a subset into what is trained on and the validation part, class by class.

    Of each class with n clips, round(share n) clips drawn by the seed are held out: at least one
    where there are two and the share is not zero, never all. Both parts keep the subset's order.
    """
    labels = store.labels[subset.clips]
    random = np.random.default_rng(seed)
    held = np.zeros(len(labels), dtype=bool)
    for label in range(len(subset.counts)):
        places = np.flatnonzero(labels == label)
        if share > 0 and len(places) > 1:
            number = min(max(round(share * len(places)), 1), len(places) - 1)
            held[random.choice(places, number, replace=False)] = True

    def part(chosen: np.ndarray) -> Subset:
        counts = np.bincount(labels[chosen], minlength=len(subset.counts))
        return Subset(subset.clips[chosen], counts)

    return part(~held), part(held)
