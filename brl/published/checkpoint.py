"""Reads and loads published checkpoints of PYSKL, BRL and CTR-GCN's authors.

A checkpoint is a pickle, which could run any code when it is loaded. Only tensors, plain values and
NumPy's numbers are read here.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from brl.config.streams import CheckpointParams
from brl.published.authors_ctrgcn import in_our_names
from brl.published.identify import State, check_data, check_fits, recognise
from brl.published.torch_file import read_torch
from brl.streams.weights import Recipe, Trained
from brl.support.bounded_pickle import Refused
from brl.support.errors import UserError
from brl.support.text import shown

# Published AAGCN, CTR-GCN and MS-G3D store a graph that they do not use.
UNUSED = "backbone.A"


def read_state(path: Path) -> State:
    """The state dict of a checkpoint, without `module.` in its keys and without unused graphs.

    Raises UserError for a file that contains more than tensors, plain values and NumPy's numbers,
    before any of its code runs, for a file that is damaged or holds no state dict, and for weights
    that are not finite.
    """
    content = _read(path)
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state:
        raise UserError(f"{path}: holds no state dict; must be a published checkpoint")
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            wrong = shown(repr(key))[:60]
            raise UserError(f"{path}: {wrong} is not a tensor; must be a state dict, or hold one")
        if not torch.isfinite(value).all():
            raise UserError(
                f"{path}: {shown(key)[:60]}: holds NaN or infinity; must be of a training that "
                "did not diverge"
            )
    plain = {key.removeprefix("module."): value for key, value in state.items()}
    plain.pop(UNUSED, None)
    return plain


def _read(path: Path) -> Any:
    try:
        return read_torch(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except Refused as error:
        raise UserError(
            f"{path}: refused: {shown(str(error))}; a checkpoint needs only tensors, plain values "
            "and NumPy's numbers"
        ) from error
    except Exception as error:  # a damaged file raises nearly anything
        raise UserError(f"{path}: not a complete checkpoint of torch.save; get it again") from error


def load_checkpoint(checkpoint: CheckpointParams, recipe: Recipe) -> Trained:
    """The recipe's network with the checkpoint's weights, on the CPU, in eval mode.

    Raises UserError if the file is not the recorded one, or does not fit the recipe.
    """
    file = checkpoint.file
    state = read_state(checkpoint.verified())
    published = recognise(state, file)
    for key in ("name", "base_channels", "settings"):
        theirs, ours = getattr(published.model, key), getattr(recipe.model, key)
        if theirs != ours:
            raise UserError(
                f"{file}: params.yaml has model.{key}: {ours}, the checkpoint has {theirs}; "
                "`brl weights STREAM FILE` sets the model to the checkpoint's"
            )
    check_data(
        published,
        file,
        classes=len(recipe.classes),
        joints=recipe.seen_layout.num_joints,
        channels=recipe.seen_channels,
        bodies=recipe.max_bodies,
    )
    model = recipe.build()
    state = in_our_names(state)
    check_fits(state, model.state_dict(), file)
    model.load_state_dict(state)
    return Trained(recipe, model.eval())
