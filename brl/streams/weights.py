"""Trained weights on disk: a safetensors file whose metadata holds the recipe."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import (
    BaseModel,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    model_serializer,
    model_validator,
)
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from brl.clips.layout import WHOLE_BODY, Layout
from brl.clips.normalize import Normalization
from brl.clips.store import ClipStore
from brl.config.params import ModelParams, TrainParams
from brl.config.streams import ModalityParams, check_part
from brl.models.common.build import build
from brl.models.common.network import Network
from brl.models.common.seen import SeenShape
from brl.streams.batch import Clips
from brl.streams.inputs import Inputs, JointInputs
from brl.streams.pictures import PictureInputs, Shown
from brl.streams.stream import Camera, Stream
from brl.support.checked import read_safetensors, write_safetensors
from brl.support.errors import OR_DAMAGED, UserError

LARGEST = (100, 100_000)  # bodies and frames of a clip


class Recipe(BaseModel):
    """All settings needed to rebuild a network and to make its inputs as in training.

    A weights file stores of the stream its name (`stream`), `inputs` and `part`, and `camera` if it
    sees pictures; older ones store `hops`, and the name says whether the stream shows motion.
    """

    stream: Stream
    layout: Layout
    normalization: Normalization
    channels: int
    max_bodies: int
    classes: list[str]
    model: ModelParams
    train: TrainParams

    @classmethod
    def on(
        cls, store: ClipStore, *, stream: Stream, model: ModelParams, train: TrainParams
    ) -> "Recipe":
        """The recipe of a training on the clips of a store.

        Raises UserError where its layout lacks the stream's part of the body.
        """
        check_part(store.layout, stream.name, stream.part)
        return cls(
            stream=replace(stream, lr=None, weights=None),
            layout=store.layout,
            normalization=store.normalization,
            channels=store.channels,
            max_bodies=store.max_bodies,
            classes=store.classes,
            model=model,
            train=train,
        )

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, content: Any) -> Any:
        if isinstance(content, dict) and isinstance(content.get("stream"), str):
            keys = ("hops", "inputs", "part", "camera")
            of_file = {key: content[key] for key in keys if key in content}
            others = {key: value for key, value in content.items() if key not in of_file}
            content = others | {"stream": _of_file(content["stream"], **of_file)}
        return content

    @model_serializer(mode="wrap")
    def _for_file(self, default: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content = default(self) | {"layout": self.layout.written()}
        stream = content.pop("stream")
        of_file = {"stream": stream["name"], "inputs": stream["inputs"], "part": stream["part"]}
        if stream["camera"] is not None:
            of_file["camera"] = stream["camera"]
        return of_file | content

    @property
    def seen_layout(self) -> Layout:
        """The layout of what the stream sees: that of a part of the body, or all of it."""
        return self.layout.part(self.stream.part)

    @property
    def seen_channels(self) -> int:
        """The channels K of the network's input: the most of what joints and pictures have."""
        camera = self.stream.camera
        of_pictures = camera.form.shape[-1] if camera else 0
        return max(self.channels * len(self.stream.inputs), of_pictures)

    @property
    def seen_shape(self) -> SeenShape | None:
        """What is in a frame: pixels, and the joints of all bodies; None: joints of one body."""
        camera = self.stream.camera
        if camera is None:
            return None
        joints = self.max_bodies * self.seen_layout.num_joints if self.stream.inputs else 0
        return SeenShape(joints, camera.form.shape[:2])

    @property
    def batch_shape(self) -> tuple[int, int, int, int]:
        """Bodies M, frames T, tokens V and channels K of a clip in a batch."""
        seen, camera = self.seen_shape, self.stream.camera
        if seen is None or camera is None:
            joints = self.seen_layout.num_joints
            return self.max_bodies, self.train.clip_len, joints, self.seen_channels
        frames = min(self.train.clip_len, camera.form.frames)
        return 1, frames, seen.pixels() + seen.joints, self.seen_channels

    def build(self, directions: int = 1) -> Network:
        """The network, with random initial weights.

        directions: outputs per class; 2 if clips played backwards count as classes of their own.
        """
        return build(
            self.model,
            self.seen_layout,
            self.seen_channels,
            directions * len(self.classes),
            self.batch_shape[0],
            self.seen_shape,
        )

    def inputs(self, store: ClipStore, indices: np.ndarray, device: torch.device) -> Inputs:
        """Network inputs from the clips of a store with these indices (n,).

        Raises UserError where a clip has no pictures and the stream sees them.
        """
        clips = Clips.of_store(store, indices, device, self.max_bodies)
        if self.stream.camera is None:
            return JointInputs(clips, self.stream, self.train)
        shown = Shown.of_store(self.stream, store, indices, device)
        return PictureInputs(clips, self.stream, self.train, shown, self.batch_shape)

    def recording_inputs(self, recordings: Sequence[np.ndarray], device: torch.device) -> Inputs:
        """Network inputs from normalised recordings (M, T, V, K), for streams of joints."""
        clips = Clips.of_recordings(recordings, self.layout, self.max_bodies, device)
        return JointInputs(clips, self.stream, self.train)


def _of_file(
    name: str,
    inputs: list[dict[str, Any]] | None = None,
    part: str = WHOLE_BODY,
    hops: int = 0,
    camera: dict[str, Any] | None = None,
) -> Stream:
    """The stream of a weights file; hops: of a file without inputs."""
    if inputs is None:
        inputs = [{"hops": hops, "motion": name.endswith("_motion")}]
    modalities = tuple(map(ModalityParams.model_validate, inputs))
    seen = None if camera is None else TypeAdapter(Camera).validate_python(camera)
    return Stream(name, modalities, part, camera=seen)


@dataclass(frozen=True)
class Trained:
    """A network with trained weights, and its recipe."""

    recipe: Recipe
    model: Network


def save_weights(path: Path, trained: Trained) -> None:
    """Writes weights and recipe to a safetensors file."""
    _save(path, trained.model, trained.recipe)


def _save(path: Path, module: nn.Module, recipe: Recipe) -> None:
    state = {name: tensor.contiguous().cpu() for name, tensor in module.state_dict().items()}
    # The order of several metadata entries would vary; a single entry gives equal bytes.
    metadata = {"recipe": json.dumps(recipe.model_dump())}
    write_safetensors(path, save(state, metadata))


def save_encoder(path: Path, pretrained: Trained) -> None:
    """Writes the weights of the backbone, and the recipe, to a safetensors file."""
    _save(path, pretrained.model.backbone, pretrained.recipe)


def load_encoder(path: Path) -> dict[str, Tensor]:
    """The state dict of a backbone that `save_encoder` wrote; UserError for any other file."""
    try:
        return load(read_safetensors(path)[0])
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(
            f"{path}: not a pre-trained encoder of this project, {OR_DAMAGED}"
        ) from error


def load_weights(path: Path) -> Trained:
    """The network of a weights file, on the CPU.

    Raises UserError for any other file, and for a damaged one.
    """
    try:
        content, metadata = read_safetensors(path)
        recipe = Recipe.model_validate_json(metadata.get("recipe", ""))
        state = load(content)
        _check_fits(state, recipe)
        model = recipe.build()
        model.load_state_dict(state)
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: not a weights file of this project, {OR_DAMAGED}") from error
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise UserError(f"{path}: {name}: holds NaN or infinity; its training diverged")
    return Trained(recipe, model)


def _check_fits(state: dict[str, Tensor], recipe: Recipe) -> None:
    """Raises ValueError where tensors are not those of the recipe's network.

    A small file with a recipe of huge numbers is refused before the network takes memory.
    """
    sizes = (recipe.max_bodies, recipe.train.clip_len)
    if any(size > most for size, most in zip(sizes, LARGEST, strict=True)):
        raise ValueError(f"{sizes} bodies and frames; at most {LARGEST}")
    if sum(recipe.model.blocks or ()) > len(state):
        raise ValueError(f"{len(state)} tensors of more blocks")
    with torch.device("meta"):  # without memory
        wanted = recipe.build().state_dict()
    for name in {**wanted, **state}:
        if name not in wanted or name not in state or wanted[name].shape != state[name].shape:
            raise ValueError(f"{name} is not as in the recipe")
