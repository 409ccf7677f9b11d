"""Stage `subsample`: selects the training subset, plots its class profile, and lists the split.

Also divides the subset: what streams are trained on, and what a learned fusion learns from.
"""

import numpy as np
import pandas as pd

from brl.clips.store import ClipStore
from brl.config.params import read_params
from brl.subset.figure import draw_profile
from brl.subset.subsample import (
    check_subset,
    choose_clips,
    listed_clips,
    profile_counts,
)
from brl.subset.subset import write_subset
from brl.support.files import write_csv
from brl.support.paths import LONG_TAIL, SPLIT, STORE, SUBSET, TRAINING, UNSEEN_CLIPS
from brl.support.stage import stage
from brl.unseen.clips import divide, write_unseen


def main() -> None:
    """Runs the stage."""
    params = read_params()
    settings = params.subsample
    store = ClipStore.open(STORE)
    candidates = store.part(params.dataset.split, "train")
    available = np.bincount(store.labels[candidates], minlength=len(store.classes))
    if settings.list_file is not None:
        subset = listed_clips(store, candidates, settings.list_file)
    else:
        counts = profile_counts(
            settings.profile, available, settings.max_per_class, settings.imbalance_factor
        )
        subset = choose_clips(store, candidates, counts, settings.seed)
    check_subset(store, subset)
    training, unseen = divide(store, subset, params.ensemble, settings.seed)
    write_subset(SUBSET, store, subset, available)
    write_subset(TRAINING, store, training, available)
    write_unseen(UNSEEN_CLIPS, store, unseen)
    write_csv(pd.DataFrame({"name": store.names[candidates]}), SPLIT)
    draw_profile(LONG_TAIL, subset.counts, available)


if __name__ == "__main__":
    with stage():
        main()
