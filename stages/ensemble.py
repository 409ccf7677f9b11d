"""Stage `ensemble`: fuses the streams' scores; a fusion that learns is fitted first."""

from brl.config.params import read_params
from brl.scores.fusion import fit, fuse, save_fitted
from brl.scores.scores import load_scores, save_scores
from brl.support.errors import one_line_errors
from brl.support.paths import FUSED_SCORES, FUSION, stream_scores, unseen_scores


def main() -> None:
    """Runs the stage."""
    params = read_params()
    # Only the streams of params.yaml: the folders may still have scores of a removed stream.
    test = {name: load_scores(stream_scores(name)) for name in params.streams}
    training = {name: load_scores(unseen_scores(name)) for name in params.streams}
    fitted = fit(training, params.ensemble)
    save_fitted(FUSION, fitted)
    save_scores(FUSED_SCORES, fuse(test, params.ensemble, fitted))


if __name__ == "__main__":
    with one_line_errors():
        main()
