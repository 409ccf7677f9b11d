"""Uses a published checkpoint instead of a training: `brl weights STREAM FILE`."""

import json
from pathlib import Path
from typing import Any

from brl.config.check import contents_at_hand
from brl.config.params import ModelParams, Params, read_params
from brl.config.presets import edit_params
from brl.config.streams import check_part
from brl.published.checkpoint import read_state
from brl.published.identify import Published, check_data, check_network, recognise
from brl.support.errors import UserError
from brl.support.files import project_root, sha256

NONE = "none"


def take_checkpoint(stream: str, file: str, params_file: Path) -> Published:
    """Sets a stream's checkpoint and its network in the parameter file; returns the network.

    file: absolute, or relative to the project's root. Raises UserError, and does not change the
    parameter file, if the checkpoint does not fit this stream and this dataset.
    """
    params = read_params(params_file)
    _check_stream(stream, params)
    path = project_root() / file
    if not path.is_file():
        raise UserError(f"{file or 'FILE'}: no such file; give a checkpoint, or {NONE}")
    state = read_state(path)
    published = recognise(state, file)
    check_network(state, published, file)
    _check_dataset(published, file, stream, params)
    _check_others(stream, published.model, params)
    digest = sha256(path)

    def change(content: dict[str, Any]) -> None:
        block = content["streams"][stream]
        block.pop("weights", None)
        block.insert(0, "weights", {"file": file, "sha256": digest})
        content["model"].update(published.model.model_dump())
        if content["model"].get("settings"):  # may be of the network before
            content["model"]["settings"] = published.model.settings
        if published.model.blocks is not None:
            content["model"]["blocks"] = published.model.blocks

    edit_params(params_file, change)
    return published


def train_again(stream: str, params_file: Path) -> None:
    """Removes a stream's checkpoint from the parameter file."""
    _check_stream(stream, read_params(params_file))

    def change(content: dict[str, Any]) -> None:
        content["streams"][stream].pop("weights", None)

    edit_params(params_file, change)


def _check_stream(stream: str, params: Params) -> None:
    if stream not in params.streams:
        known = ", ".join(params.streams)
        raise UserError(f"stream {stream!r}: params.yaml has no such stream; it has {known}")


def _check_dataset(published: Published, file: str, stream: str, params: Params) -> None:
    """Compares the network with what the stream sees of the dataset that params.yaml names."""
    layout, classes = contents_at_hand(params)
    seen = params.streams[stream]
    check_part(layout, stream, seen.part)
    check_data(
        published,
        file,
        classes=len(classes),
        joints=layout.part(seen.part).num_joints,
        channels=layout.channels * len(seen.inputs),
        bodies=params.prepare.max_bodies,
    )


def _check_others(stream: str, model: ModelParams, params: Params) -> None:
    """All streams share one network: it must fit the checkpoints of other streams."""
    others = [name for name, other in params.streams.items() if other.weights and name != stream]
    if others and model != params.model:
        raise UserError(
            f"streams.{others[0]} has a checkpoint of {described(params.model)}, this one is of "
            f"{described(model)}; all streams share one network: first remove that one, "
            f"brl weights {others[0]} {NONE}"
        )


def described(model: ModelParams) -> str:
    """A short description of a network."""
    blocks = "" if model.blocks is None else f" with {model.blocks} blocks"
    settings = "".join(f", {name}: {json.dumps(value)}" for name, value in model.settings.items())
    return f"{model.name} of {model.base_channels} base channels{blocks}{settings}"


def set_weights(stream: str, file: str) -> None:
    """Sets a checkpoint in params.yaml, or removes it (file: `none`); prints what changed."""
    params_file = Path("params.yaml")
    if file == NONE:
        train_again(stream, params_file)
        print(
            f"params.yaml: {stream} is trained again, as its model section says. Next: make repro"
        )
        return
    published = take_checkpoint(stream, file, params_file)
    bodies = "any number of" if published.bodies is None else published.bodies
    print(
        f"{file}: {described(published.model)}, {published.classes} classes, "
        f"{published.joints} joints x {published.channels} channels, {bodies} bodies"
    )
    params = read_params(params_file)
    trained = [name for name, other in params.streams.items() if other.weights is None]
    print(
        f"params.yaml: the model section and streams.{stream}.weights are set. Test clips follow "
        "train.clip_len, train.sampling and train.rescale: set them as in that training. "
        + (f"Still to be trained: {', '.join(trained)}. " if trained else "")
        + "Next: make repro"
    )
