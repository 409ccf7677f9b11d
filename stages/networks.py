"""Stage `networks`: what decides the network of each stream, with a hash of its code.

STREAM.json has what all stages of a stream depend on, STREAM.encoder.json all that a pre-training
depends on: not the head, and no learning rate. The pictures that a stream sees are named by their
form and digest, so that other streams do not depend on them.
"""

import json
from pathlib import Path
from typing import Any

from brl.config.params import read_params
from brl.support.files import network_code, sha256, written_whole
from brl.support.paths import NETWORKS, PICTURES
from brl.support.stage import stage


def main() -> None:
    """Runs the stage."""
    params = read_params()
    with written_whole(NETWORKS) as unfinished:
        unfinished.mkdir()
        for stream, settings in params.streams.items():
            model = params.model_of(stream)
            code = sha256(network_code(model.name))
            network: dict[str, Any] = {"network": model.name, "code": code}
            if settings.pictures is not None:
                form = params.pictures[settings.pictures].model_dump()
                network["pictures"] = {**form, "digest": digest_of(settings.pictures)}
            write(unfinished / f"{stream}.json", network)
            encoder = settings.model_dump(mode="json", include={"inputs", "part"})
            encoder |= {"model": model.model_dump(exclude={"head"})}
            encoder |= {"from_checkpoint": settings.weights is not None}
            write(unfinished / f"{stream}.encoder.json", encoder)


def digest_of(pictures: str) -> str:
    """The digest of an input of pictures."""
    meta = json.loads((PICTURES / "meta.json").read_text(encoding="utf-8"))
    return str(meta["inputs"][pictures]["digest"])


def write(path: Path, content: dict[str, Any]) -> None:
    """Writes JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with stage():
        main()
