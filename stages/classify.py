"""Stage `classify@STREAM`: adjusts the classifier of a trained stream."""

import sys
from pathlib import Path

from brl.config.params import Params, read_params
from brl.support.checked import read_safetensors
from brl.support.errors import OR_DAMAGED, UserError
from brl.support.files import written_whole
from brl.support.paths import STORE, TRAINING, tested_weights, trained_weights
from brl.support.stage import stage


def adjust_classifier(weights: Path, tested: Path, params: Params) -> None:
    """Writes the weights with an adjusted classifier."""
    # They import torch, which takes longer than the copy that most runs make instead.
    from brl.classifier import adjusted
    from brl.clips.store import ClipStore
    from brl.streams.weights import load_weights, save_weights
    from brl.subset.subset import read_subset

    store = ClipStore.open(STORE)
    subset = read_subset(TRAINING, store)
    trained = load_weights(weights)
    save_weights(tested, adjusted(trained, store, subset, params.classifier, params.seed))


def main(stream: str) -> None:
    """Runs the stage for one stream."""
    params = read_params()
    weights, tested = trained_weights(stream), tested_weights(stream)
    if params.classifier.kind != "none":
        adjust_classifier(weights, tested, params)
        return
    try:
        content, _ = read_safetensors(weights)  # damage is not copied
    except ValueError as error:
        raise UserError(f"{weights}: not a weights file of this project, {OR_DAMAGED}") from error
    with written_whole(tested) as unfinished:
        unfinished.write_bytes(content)


if __name__ == "__main__":
    with stage():
        main(sys.argv[1])
