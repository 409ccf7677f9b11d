"""Stage `unseen@STREAM`: scores of training clips by networks that were not trained on them.

A fusion that learns needs them; without one there are no such clips.
"""

import sys

import numpy as np

from brl.config.params import Params, read_params
from brl.scores.scores import Scores, save_scores
from brl.support.paths import STORE, TRAINING, UNSEEN_CLIPS, unseen_scores
from brl.support.stage import stage


def scores_of(params: Params, stream: str) -> Scores:
    """The scores of the clips that `subsample` listed."""
    # They import torch, which takes longer than all that most runs do.
    from brl.clips.store import ClipStore
    from brl.subset.subset import read_subset
    from brl.unseen.clips import read_unseen
    from brl.unseen.scores import score_unseen

    store = ClipStore.open(STORE)
    subset, unseen = read_subset(TRAINING, store), read_unseen(UNSEEN_CLIPS, store)
    return score_unseen(params, stream, store, subset, unseen)


def main(stream: str) -> None:
    """Runs the stage for one stream."""
    params = read_params()
    scores = Scores(np.array([], dtype=str), np.array([], dtype=np.int64), np.empty((0, 0)))
    if params.ensemble.learns:
        scores = scores_of(params, stream)
    save_scores(unseen_scores(stream), scores)


if __name__ == "__main__":
    with stage():
        main(sys.argv[1])
