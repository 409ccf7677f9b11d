"""Checkpoints of trainings elsewhere, PYSKL's and BRL's: read and loaded.

A checkpoint is a pickle, and a pickle is a program: this reads tensors, and runs nothing.
"""

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from brl.config.params import CheckpointParams
from brl.published.identify import State, check_data, check_fits, recognise
from brl.streams.weights import Recipe, Trained
from brl.support.errors import UserError

# Published AAGCN, CTR-GCN and MS-G3D keep a graph that nothing reads.
UNUSED = "backbone.A"


class _Nothing:
    """Stands for NumPy's objects in the notes beside the tensors, which nobody needs."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


# Under NumPy's old name and its new one.
NUMPY: list[Any] = [
    (_Nothing, name)
    for core in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name in (f"{core}.scalar", f"{core}._reconstruct", "numpy.dtype", "numpy.ndarray")
]


def read_state(path: Path) -> State:
    """The state dict in a checkpoint, by plain keys: no `module.`, no unused graph.

    Raises UserError, before anything runs, for a file that asks for more than tensors, plain
    values and NumPy's numbers; and for one that is damaged or holds no state dict.
    """
    content = _read(path)
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state:
        raise UserError(f"{path}: holds no state dict; must be a checkpoint of PYSKL or BRL")
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise UserError(f"{path}: {key!r} is no tensor; must be a state dict, or hold one")
    plain = {key.removeprefix("module."): value for key, value in state.items()}
    plain.pop(UNUSED, None)
    return plain


def _read(path: Path) -> Any:
    try:
        with torch.serialization.safe_globals(NUMPY):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except Exception as error:  # a damaged file raises nearly anything
        asked = re.search(r"GLOBAL (\S{1,100})", str(error))
        if asked:
            raise UserError(
                f"{path}: refused: it asks for {asked[1]}; a checkpoint needs only tensors, plain "
                "values and NumPy's numbers"
            ) from error
        raise UserError(f"{path}: not a whole checkpoint of torch.save; get it anew") from error


def load_checkpoint(checkpoint: CheckpointParams, recipe: Recipe) -> Trained:
    """The recipe's network with the checkpoint's weights, on the CPU, in eval mode.

    Raises UserError where the file is another than was recorded, or does not fit the recipe.
    """
    called = checkpoint.file
    state = read_state(checkpoint.verified())
    found = recognise(state, called)
    for key in ("name", "base_channels"):
        its, ours = getattr(found.model, key), getattr(recipe.model, key)
        if its != ours:
            raise UserError(
                f"{called}: params.yaml has model.{key}: {ours}, the checkpoint is of {its}; "
                "`brl weights STREAM FILE` sets the model right"
            )
    check_data(
        found,
        called,
        classes=len(recipe.classes),
        joints=recipe.layout.num_joints,
        channels=recipe.channels,
        bodies=recipe.max_bodies,
    )
    model = recipe.build()
    check_fits(state, model.state_dict(), called)
    model.load_state_dict(state)
    return Trained(recipe, model.eval())
