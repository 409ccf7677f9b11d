"""Checkpoints of the code of CTR-GCN's authors (Chen et al., arXiv 2107.12213), in our names.

The state dict of the class `Model` (`model/ctrgcn.py` in their repository) has the blocks `l1`,
`l2` and so on. Its graphs are indexed [receiver, source], ours [source, receiver] as in PYSKL. So
the shared graphs are transposed, and `conv1` and `conv2`, whose outputs are subtracted, change
places. This changes the sign of the difference; tanh is odd, so a negative `conv4` restores it.
One thing remains different: the setting `temporal_relu`, a ReLU of PYSKL's that the authors have
not.
"""

import re

from torch import Tensor

SETTINGS = {"temporal_relu": False}
BLOCK = re.compile(r"l(\d{1,3})")
OUTER = {"data_bn": "backbone.data_bn", "fc": "cls_head.fc_cls"}
INNER = {"conv1": "conv2", "conv2": "conv1", "PA": "A"}


def is_authors(state: dict[str, Tensor]) -> bool:
    """Whether a state dict is one of the authors' code."""
    return "l1.gcn1.PA" in state


def in_our_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The authors' state dict in our names; another one as it is."""
    if not is_authors(state):
        return state
    return {_renamed(key): _converted(key, tensor) for key, tensor in state.items()}


def _renamed(key: str) -> str:
    first, *rest = key.split(".")
    if block := BLOCK.fullmatch(first):
        first = f"backbone.net.{int(block[1]) - 1}"
    return ".".join([OUTER.get(first, first), *(INNER.get(part, part) for part in rest)])


def _converted(key: str, tensor: Tensor) -> Tensor:
    if key.endswith(".PA") and tensor.ndim > 1:
        return tensor.transpose(-1, -2)
    return tensor * -1 if key.endswith(".conv4.weight") else tensor
