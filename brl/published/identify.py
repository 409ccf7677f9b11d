"""Which network a published state dict belongs to, and for what data it is.

Keys and shapes tell all but the strides: those are taken to be where the width grows, as published.
"""

from dataclasses import dataclass
from typing import NamedTuple

from pydantic import ValidationError
from torch import Tensor

from brl.clips.layout import Layout
from brl.config.params import ModelParams
from brl.models.common.build import build
from brl.support.errors import UserError

State = dict[str, Tensor]


class Keys(NamedTuple):
    """Where in a network's state its measures stand, below `backbone.`.

    own         what it has together and no other network has
    graph       a graph (..., V, V) of the first block
    norm        a batch norm (C',) of each block
    convolution the first one over the input, (C', inputs, ...)
    repeats     the convolution's inputs are the K channels on each scale of the graph
    per_body    `data_bn` has statistics for each body
    """

    own: tuple[str, ...]
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
    """What the state of a published network says of itself.

    joints V, channels K, classes C; bodies M, None where any number of bodies fits.
    """

    model: ModelParams
    joints: int
    channels: int
    classes: int
    bodies: int | None


def recognise(state: State, called: str) -> Published:
    """The network whose state this is; UserError, which calls the file `called`, if none."""
    backbone = _below_backbone(state)
    found = [name for name, keys in KEYS.items() if all(own in backbone for own in keys.own)]
    if not found:
        raise UserError(
            f"{called}: no network of PYSKL or BRL: none of {', '.join(KEYS)} has the keys "
            f"it has, {next(iter(state))} and others"
        )
    name = found[0]
    keys = KEYS[name]
    joints = _measure(backbone, keys.graph, -1, called)
    inputs = _measure(backbone, keys.convolution, 1, called)
    scales = _measure(backbone, keys.graph, 0, called) if keys.repeats else 1
    channels = max(1, inputs // scales)
    normed = _measure(backbone, "data_bn.weight", 0, called)
    classes = _measure(state, "cls_head.fc_cls.weight", 0, called)
    bodies = max(1, normed // (joints * channels)) if keys.per_body else None
    model = _model(name, _widths(backbone, name), joints, called)
    return Published(model, joints, channels, classes, bodies)


def _below_backbone(state: State) -> State:
    prefix = "backbone."
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def _measure(state: State, key: str, axis: int, called: str) -> int:
    """The size of an axis of a tensor that must be there."""
    if key not in state:
        raise UserError(f"{called}: has no {key}; must be the state of a whole network")
    shape = tuple(state[key].shape)
    if len(shape) <= max(axis, 0) or 0 in shape:
        raise UserError(f"{called}: {key}: no network's has the shape {shape}")
    return shape[axis]


def _widths(backbone: State, name: str) -> list[int]:
    """C' of each block."""
    norms = (KEYS[name].norm.format(number) for number in range(len(backbone)))
    return [len(backbone[norm]) for norm in norms if norm in backbone and backbone[norm].ndim]


def _model(name: str, widths: list[int], joints: int, called: str) -> ModelParams:
    """params.yaml's description of a network; blocks stay null where they are as published."""
    description = {"name": name, "base_channels": widths[0] if widths else 0, "blocks": None}
    try:
        model = ModelParams.model_validate(description | AS_PUBLISHED)
        if _widths(_below_backbone(_fresh_state(model, joints, 3, 2, 1)), name) == widths:
            return model
        # A stage doubles the width: as many stages as there are widths.
        blocks = [widths.count(width) for width in dict.fromkeys(widths)]
        return ModelParams.model_validate(model.model_dump() | {"blocks": blocks})
    except ValidationError as error:
        raise UserError(
            f"{called}: a {name} with blocks of {widths} channels; no `model` of params.yaml is "
            "like that"
        ) from error


def _fresh_state(
    model: ModelParams, joints: int, channels: int, classes: int, bodies: int
) -> State:
    """A fresh network's. Of the joints, their number alone decides its shapes."""
    chain = Layout("", (0, *range(joints - 1)), mirror_pairs=(), upper_body=())
    return build(model, chain, channels, classes, bodies).state_dict()


def check_data(
    found: Published, called: str, *, classes: int, joints: int, channels: int, bodies: int
) -> None:
    """Raises UserError where a network is for other data than these.

    bodies: the most a clip has, which prepare.max_bodies limits.
    """
    for kind, its, ours in (
        ("classes", found.classes, classes),
        ("joints", found.joints, joints),
        ("channels a joint", found.channels, channels),
    ):
        if its != ours:
            raise UserError(
                f"{called}: its network is for {its} {kind}, the data have {ours}; must be the "
                "checkpoint of a training on this dataset"
            )
    if found.bodies not in (None, bodies):
        raise UserError(
            f"{called}: its network norms each body of a clip apart, {found.bodies} in all; here "
            f"there are {bodies}: see prepare.max_bodies in params.yaml"
        )


def check_network(state: State, found: Published, called: str) -> None:
    """Raises UserError where a state is not in full that of the network it was recognised as."""
    measures = found.joints, found.channels, found.classes, found.bodies or 1
    check_fits(state, _fresh_state(found.model, *measures), called)


def check_fits(state: State, wanted: State, called: str) -> None:
    """Raises UserError where keys or shapes differ: names the first place, counts the others."""
    shapes, wanted_shapes = (
        {key: tuple(tensor.shape) for key, tensor in tensors.items()} for tensors in (state, wanted)
    )
    places = [
        key
        for key in dict.fromkeys([*wanted_shapes, *shapes])
        if shapes.get(key) != wanted_shapes.get(key)
    ]
    if places:
        first, *others = places
        raise UserError(
            f"{called}: does not fit the network: {first}: must be "
            f"{wanted_shapes.get(first, 'absent')}, is {shapes.get(first, 'absent')}"
            + (f" (and {len(others)} more)" if others else "")
        )
