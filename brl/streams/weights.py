"""Trained weights on disk: one safetensors file that says itself what it is."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from brl.clips.layout import Layout
from brl.clips.normalize import Normalization
from brl.clips.store import ClipStore
from brl.config.params import ModelParams, TrainParams
from brl.models.common.build import build
from brl.models.common.network import Network
from brl.streams.batch import Clips
from brl.streams.inputs import Inputs
from brl.streams.stream import stream_of
from brl.support.errors import UserError
from brl.support.files import written_whole


class Recipe(BaseModel):
    """All that is needed to rebuild a network and to feed it as it was trained."""

    stream: str
    hops: int
    layout: Layout
    normalization: Normalization
    channels: int
    max_bodies: int
    classes: list[str]
    model: ModelParams
    train: TrainParams

    @classmethod
    def on(
        cls, store: ClipStore, *, stream: str, hops: int, model: ModelParams, train: TrainParams
    ) -> "Recipe":
        """For a dataset's clips."""
        return cls(
            stream=stream,
            hops=hops,
            layout=store.layout,
            normalization=store.normalization,
            channels=store.channels,
            max_bodies=store.max_bodies,
            classes=store.classes,
            model=model,
            train=train,
        )

    def build(self, directions: int = 1) -> Network:
        """The network, with fresh weights; directions: outputs of each class (2: it is also to
        tell clips that are played backwards)."""
        return build(
            self.model,
            self.layout,
            self.channels,
            directions * len(self.classes),
            self.max_bodies,
        )

    def inputs(self, store: ClipStore, chosen: np.ndarray, device: torch.device) -> Inputs:
        """The chosen clips of a store, as the network takes them."""
        clips = Clips(store, chosen, device, self.max_bodies)
        return Inputs(clips, stream_of(self.stream, self.hops), self.train)


@dataclass(frozen=True)
class Trained:
    """A network with trained weights, and its recipe."""

    recipe: Recipe
    model: Network


def save_weights(path: Path, trained: Trained) -> None:
    """Writes weights and recipe."""
    state = {name: tensor.contiguous().cpu() for name, tensor in trained.model.state_dict().items()}
    # Safetensors keeps the metadata's entries in no fixed order: one entry, for equal bytes.
    metadata = {"recipe": json.dumps(trained.recipe.model_dump())}
    with written_whole(path) as unfinished:
        save_file(state, unfinished, metadata)


def load_weights(path: Path) -> Trained:
    """The network a weights file holds, on the CPU; UserError where it is none."""
    try:
        with safe_open(path, framework="pt") as file:
            recipe = Recipe.model_validate_json((file.metadata() or {}).get("recipe", ""))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(f"{path}: not a weights file of this project") from error
    model = recipe.build()
    model.load_state_dict(state)
    return Trained(recipe, model)
