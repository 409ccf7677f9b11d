"""Stage `networks`: the network of each stream, with a hash of its code."""

import json

from brl.config.params import read_params
from brl.support.errors import one_line_errors
from brl.support.files import network_code, sha256, written_whole
from brl.support.paths import NETWORKS


def main() -> None:
    """Runs the stage."""
    params = read_params()
    with written_whole(NETWORKS) as unfinished:
        unfinished.mkdir()
        for stream in params.streams:
            name = params.model_of(stream).name
            content = {"network": name, "code": sha256(network_code(name))}
            text = json.dumps(content, indent=2) + "\n"
            (unfinished / f"{stream}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    with one_line_errors():
        main()
