"""Identifies the network of a published state dict, and the shape of its data.

Keys and shapes determine everything but the strides. These are assumed where the width grows, as
published.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from pydantic import ValidationError
from torch import Tensor

from brl.clips.layout import MOST_JOINTS, Layout
from brl.config.params import ModelParams
from brl.models.common.build import build
from brl.published import authors_ctrgcn
from brl.support.errors import UserError

State = dict[str, Tensor]
MOST_BLOCKS = 100


class Keys(NamedTuple):
    """Keys of a network's state dict, below `backbone.`, that determine its type and sizes.

    unique       keys that no other network has together
    graph        a graph (..., V, V) of the first block
    norm         a batch norm (C',) of each block
    convolution  the first convolution over the input, (C', inputs, ...)
    repeats      whether the convolution's inputs are the K channels on each scale of the graph
    per_body     whether `data_bn` has separate statistics for each body
    """

    unique: tuple[str, ...]
    graph: str
    norm: str
    convolution: str
    repeats: bool = False
    per_body: bool = False


KEYS = {
    "stgcn": Keys(
        ("gcn.0.gcn.PA", "gcn.0.tcn.conv.weight"),
        "gcn.0.gcn.A", "gcn.{}.gcn.bn.weight", "gcn.0.gcn.conv.weight",
    ),
    "stgcnpp": Keys(
        ("gcn.0.gcn.conv.weight", "gcn.0.tcn.branches.0.0.weight"),
        "gcn.0.gcn.A", "gcn.{}.gcn.bn.weight", "gcn.0.gcn.conv.weight",
    ),
    "aagcn": Keys(
        ("gcn.0.gcn.conv_a.0.weight",),
        "gcn.0.gcn.A", "gcn.{}.gcn.bn.weight", "gcn.0.gcn.conv_d.0.weight", per_body=True,
    ),
    "ctrgcn": Keys(
        ("net.0.gcn1.convs.0.conv1.weight",),
        "net.0.gcn1.A", "net.{}.gcn1.bn.weight", "net.0.gcn1.convs.0.conv3.weight", per_body=True,
    ),
    "msg3d": Keys(
        ("gcn3d1.gcn3d.0.gcn3d.1.PA",),
        "sgcn1.0.A", "gcn3d{}.gcn3d.0.out_bn.weight", "sgcn1.0.mlp.layers.0.weight",
        repeats=True, per_body=True,
    ),
    "dgstgcn": Keys(
        ("gcn.0.gcn.pre.0.weight",),
        "gcn.0.gcn.A", "gcn.{}.gcn.bn.weight", "gcn.0.gcn.pre.0.weight",
    ),
}  # fmt: skip

AS_PUBLISHED = {"absent_bodies": "pad", "head": "linear"}


@dataclass(frozen=True)
class Published:
    """A published network and the data that it takes: V joints, K channels, C classes.

    bodies: M, or None if the network takes any number of bodies.
    """

    model: ModelParams
    joints: int
    channels: int
    classes: int
    bodies: int | None


def recognise(state: State, file: str) -> Published:
    """Identifies the network of a state dict; `file` names its file in error messages.

    Raises UserError if it is not the state of a known network.
    """
    settings = authors_ctrgcn.SETTINGS if authors_ctrgcn.is_authors(state) else {}
    state = authors_ctrgcn.in_our_names(state)
    backbone = _below_backbone(state)
    names = [name for name, keys in KEYS.items() if all(key in backbone for key in keys.unique)]
    if not names:
        raise UserError(
            f"{file}: not a network of PYSKL, BRL or CTR-GCN's authors: its keys "
            f"({next(iter(state))} and others) are those of none of {', '.join(KEYS)}"
        )
    name = names[0]
    keys = KEYS[name]
    joints = _size(backbone, keys.graph, -1, file)
    if backbone[keys.graph].shape[-2:] != (joints, joints) or joints > MOST_JOINTS:
        shape = tuple(backbone[keys.graph].shape)
        raise UserError(
            f"{file}: {keys.graph}: has the shape {shape}; must end in joints x joints, "
            f"{MOST_JOINTS} or fewer"
        )
    inputs = _size(backbone, keys.convolution, 1, file)
    scales = _size(backbone, keys.graph, 0, file) if keys.repeats else 1
    channels = max(1, inputs // scales)
    normed = _size(backbone, "data_bn.weight", 0, file)
    classes = _size(state, "cls_head.fc_cls.weight", 0, file)
    bodies = max(1, normed // (joints * channels)) if keys.per_body else None
    model = _model(name, _widths(backbone, name), settings, joints, file)
    return Published(model, joints, channels, classes, bodies)


def _below_backbone(state: State) -> State:
    prefix = "backbone."
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def _size(state: State, key: str, axis: int, file: str) -> int:
    """The size of an axis of a tensor; raises UserError if it has no such axis, or is missing."""
    if key not in state:
        raise UserError(f"{file}: has no {key}; must be the state of a whole network")
    shape = tuple(state[key].shape)
    if len(shape) <= max(axis, 0) or 0 in shape:
        raise UserError(f"{file}: {key}: has the shape {shape}, which fits no network")
    return shape[axis]


def _widths(backbone: State, name: str) -> list[int]:
    """Width C' of each block."""
    norms = (KEYS[name].norm.format(number) for number in range(len(backbone)))
    return [len(backbone[norm]) for norm in norms if norm in backbone and backbone[norm].ndim]


def _model(
    name: str, widths: list[int], settings: dict[str, bool], joints: int, file: str
) -> ModelParams:
    """The `model` section of a network; blocks stay null if they are as published."""
    description = {
        "name": name, "base_channels": widths[0] if widths else 0, "blocks": None,
        "settings": settings,
    }  # fmt: skip
    if len(widths) > MOST_BLOCKS:
        raise UserError(f"{file}: a {name} of {len(widths)} blocks; must be {MOST_BLOCKS} or fewer")
    try:
        model = ModelParams.model_validate(description | AS_PUBLISHED)
        if _widths(_below_backbone(_fresh_state(model, joints, 3, 2, 1)), name) == widths:
            return model
        # Each stage doubles the width, so blocks of equal width form a stage.
        blocks = [widths.count(width) for width in dict.fromkeys(widths)]
        return ModelParams.model_validate(model.model_dump() | {"blocks": blocks})
    except ValidationError as error:
        raise UserError(
            f"{file}: a {name} with blocks of {widths} channels; no `model` of params.yaml can "
            "describe it"
        ) from error


def _fresh_state(
    model: ModelParams, joints: int, channels: int, classes: int, bodies: int
) -> State:
    """Names and shapes of a new network; its tensors have no content, and take no memory.

    Shapes depend on the number of joints, not on the bones.
    """
    chain = Layout("", (0, *range(joints - 1)), mirror_pairs=(), upper_body=())
    with torch.device("meta"):
        return build(model, chain, channels, classes, bodies).state_dict()


def check_data(
    published: Published, file: str, *, classes: int, joints: int, channels: int, bodies: int
) -> None:
    """Raises UserError if a network takes other data than these; `file` names its file.

    bodies: the largest number of bodies of a clip, which prepare.max_bodies limits.
    """
    for kind, theirs, ours in (
        ("classes", published.classes, classes),
        ("joints", published.joints, joints),
        ("channels per joint", published.channels, channels),
    ):
        if theirs != ours:
            raise UserError(
                f"{file}: its network is for {theirs} {kind}, the data have {ours}; must be the "
                "checkpoint of a training on this dataset"
            )
    if published.bodies not in (None, bodies):
        raise UserError(
            f"{file}: its network is for max_bodies {published.bodies}, the data have {bodies}; "
            "see prepare.max_bodies in params.yaml"
        )


def check_network(state: State, published: Published, file: str) -> None:
    """Raises UserError if a state is not the complete state of its network."""
    sizes = published.joints, published.channels, published.classes, published.bodies or 1
    fresh = _fresh_state(published.model, *sizes)
    check_fits(authors_ctrgcn.in_our_names(state), fresh, file)


def check_fits(state: State, wanted: State, file: str) -> None:
    """Raises UserError if keys or shapes differ; it names the first one and counts the others."""
    shapes, wanted_shapes = (
        {key: tuple(tensor.shape) for key, tensor in tensors.items()} for tensors in (state, wanted)
    )
    mismatched = [
        key
        for key in dict.fromkeys([*wanted_shapes, *shapes])
        if shapes.get(key) != wanted_shapes.get(key)
    ]
    if mismatched:
        first, *others = mismatched
        raise UserError(
            f"{file}: does not fit the network: {first}: must be "
            f"{wanted_shapes.get(first, 'absent')}, is {shapes.get(first, 'absent')}"
            + (f" (and {len(others)} more)" if others else "")
        )
