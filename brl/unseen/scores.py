"""A stream's scores of training clips, by networks that were not trained on them."""

import numpy as np

from brl.classifier import adjusted
from brl.clips.store import ClipStore
from brl.config.params import Params
from brl.prediction import predict
from brl.scores.scores import Scores
from brl.streams.weights import load_weights
from brl.subset.subset import Subset
from brl.support.paths import fold_networks, tested_weights
from brl.unseen.clips import HELD_OUT, Unseen, without


def score_unseen(
    params: Params, stream: str, store: ClipStore, subset: Subset, unseen: Unseen
) -> Scores:
    """Scores of the unseen clips, in their order.

    Held-out clips are scored by the stream's own network, those of a fold by the network that was
    trained without it, after the same change of its classifier. subset: what streams train on.
    """
    probabilities = np.empty((len(unseen.clips), len(store.classes)), dtype=np.float32)
    for number in np.unique(unseen.folds).tolist():
        clips = unseen.of(number)
        if number == HELD_OUT:
            network = load_weights(tested_weights(stream))
        else:
            network = load_weights(fold_networks(stream) / f"{number}.safetensors")
            if params.classifier.kind != "none":
                seen = without(store, subset, clips)
                network = adjusted(network, store, seen, params.classifier, params.seed)
        predicted = predict(network, store, clips, params.predict)
        probabilities[unseen.folds == number] = predicted
    return Scores(store.names[unseen.clips], store.labels[unseen.clips], probabilities)
