"""Stage `predict@STREAM`: test scores of a stream."""

import sys

from brl.clips.store import ClipStore
from brl.config.params import read_params
from brl.prediction import predict
from brl.scores.scores import Scores, save_scores
from brl.streams.weights import load_weights
from brl.support.files import sha256
from brl.support.paths import STORE, stage_note, stream_scores, tested_weights
from brl.support.stage import stage
from brl.tracking.machine import surroundings
from brl.tracking.notes import write_note


def main(stream: str) -> None:
    """Runs the stage for one stream."""
    params = read_params()
    store = ClipStore.open(STORE)
    weights = tested_weights(stream)
    indices = store.part(params.dataset.split, "test")
    trained = load_weights(weights)
    probabilities = predict(trained, store, indices, params.predict)
    scores = Scores(store.names[indices], store.labels[indices], probabilities, sha256(weights))
    save_scores(stream_scores(stream), scores)
    made_by = surroundings(predict=params.predict.precision)
    write_note(stage_note("predict", stream), [made_by])


if __name__ == "__main__":
    with stage():
        main(sys.argv[1])
