"""Groups of classes by their number of training clips, the same for all datasets."""

import numpy as np
import pandas as pd

SIZES = {"1–4": 1, "5–9": 5, "10–19": 10, "20–49": 20, "50 or more": 50}


def size_groups(training_clips: pd.Series) -> pd.Series:
    """The group of each class, as ordered categories: a key of `SIZES`, whose value it begins at.

    NaN for a class without training clips.
    """
    edges = [*SIZES.values(), np.inf]
    return pd.cut(training_clips, edges, right=False, labels=list(SIZES))
