"""A stage of one stream: `python3 -m stages.stream STAGE STREAM`.

Of a stream that params.yaml leaves out, the stages write files that only say so. The later stages
thus depend on the same files whatever streams there are, as DVC demands.
"""

import importlib
import sys

from brl.config.params import read_params
from brl.support.errors import one_line_errors
from brl.support.files import written_whole
from brl.support.paths import (
    stream_scores,
    tested_weights,
    trained_weights,
    training_curve,
)

OUTPUTS = {
    "train": (trained_weights, training_curve),
    "classify": (tested_weights,),
    "predict": (stream_scores,),
}

LEFT_OUT = "params.yaml leaves this stream out\n"  # DVC warns of empty files


def main(stage: str, stream: str) -> None:
    """Runs a stage for a stream."""
    if stream in read_params().streams:
        # torch takes seconds to import.
        importlib.import_module(f"stages.{stage}").main(stream)
        return
    for output in OUTPUTS[stage]:
        with written_whole(output(stream)) as unfinished:
            unfinished.write_text(LEFT_OUT, encoding="utf-8")


if __name__ == "__main__":
    with one_line_errors():
        main(*sys.argv[1:])
