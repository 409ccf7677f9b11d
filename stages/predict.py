"""Stage `predict@STREAM`: test scores and accuracy of a stream."""

import json
import sys

from brl.clips.store import ClipStore
from brl.config.params import read_params
from brl.prediction import predict
from brl.scores.metrics import accuracy_by_class, overall
from brl.scores.scores import Scores, save_scores
from brl.streams.weights import load_weights
from brl.support.errors import one_line_errors
from brl.support.files import sha256, written_whole
from brl.support.paths import STORE, stream_metrics, stream_scores, tested_weights
from brl.tracking import runs as tracking


def main(stream: str) -> None:
    """Runs the stage for one stream."""
    params = read_params()
    store = ClipStore.open(STORE)
    weights = tested_weights(stream)
    indices = store.part(params.dataset.split, "test")
    trained = load_weights(weights)
    probabilities = predict(trained, store, indices, params.predict)
    digest = sha256(weights)
    scores = Scores(store.names[indices], store.labels[indices], probabilities, digest)
    headline = overall(scores)
    by_class = dict(zip(store.classes, accuracy_by_class(scores).tolist(), strict=True))
    save_scores(stream_scores(stream), scores)
    with written_whole(stream_metrics(stream)) as unfinished:
        unfinished.write_text(json.dumps(headline, indent=2) + "\n", encoding="utf-8")
    tracking.record_test(
        trained.recipe.stream, digest, tracking.accuracy_metrics(headline, by_class)
    )


if __name__ == "__main__":
    with one_line_errors():
        main(sys.argv[1])
