"""Stage `ensemble`: fuses the streams' scores."""

from brl.config.params import read_params
from brl.scores.fusion import fuse
from brl.scores.scores import load_scores, save_scores
from brl.support.errors import one_line_errors
from brl.support.paths import FUSED_SCORES, stream_scores


def main() -> None:
    """Runs the stage."""
    params = read_params()
    # Only the streams of params.yaml: the folder may still have scores of a removed stream.
    streams = {name: load_scores(stream_scores(name)) for name in params.streams}
    save_scores(FUSED_SCORES, fuse(streams, params.ensemble))


if __name__ == "__main__":
    with one_line_errors():
        main()
