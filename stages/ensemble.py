"""Stage `ensemble`: fuses the streams; a fusion that learns is fitted first."""

from brl.config.params import Params, read_params
from brl.scores.fusion import Fitted, fit, fuse, save_fitted
from brl.scores.scores import Scores, load_scores, save_scores
from brl.support.paths import (
    FUSED_SCORES,
    FUSION,
    STORE,
    SUBSET,
    UNSEEN_CLIPS,
    fold_networks,
    stream_scores,
    tested_weights,
    unseen_scores,
)
from brl.support.stage import stage


def fused(params: Params) -> tuple[Fitted, Scores]:
    """What the fusion learns from the streams' scores, and what it makes of those of test clips."""
    # Only the streams of params.yaml: the folders may still have scores of a removed stream.
    test = {name: load_scores(stream_scores(name)) for name in params.streams}
    training = {name: load_scores(unseen_scores(name)) for name in params.streams}
    fitted = fit(training, params.ensemble)
    return fitted, fuse(test, params.ensemble, fitted)


def mixed(params: Params) -> tuple[Fitted, Scores]:
    """The same of the mixer, which sees the streams' frame features."""
    # They import torch, which takes longer than all that other fusions do.
    from brl.clips.store import ClipStore
    from brl.mixer.fit import Networks, mix
    from brl.streams.weights import load_weights
    from brl.subset.subset import read_counts
    from brl.unseen.clips import read_unseen

    store = ClipStore.open(STORE)
    unseen, counts = read_unseen(UNSEEN_CLIPS, store), read_counts(SUBSET)["train_clips"]
    streams = {
        name: Networks(
            load_weights(tested_weights(name)),
            {number: fold_networks(name) / f"{number}.safetensors" for number in unseen.numbers},
        )
        for name in params.streams
    }
    test = store.part(params.dataset.split, "test")
    mixer, probabilities = mix(
        streams, store, unseen, counts.to_numpy(), test, params.predict, params.seed
    )
    return mixer.arrays(), Scores(store.names[test], store.labels[test], probabilities)


def main() -> None:
    """Runs the stage."""
    params = read_params()
    fitted, scores = mixed(params) if params.ensemble.kind == "mixer" else fused(params)
    save_fitted(FUSION, fitted)
    save_scores(FUSED_SCORES, scores)


if __name__ == "__main__":
    with stage():
        main()
