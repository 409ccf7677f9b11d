"""Checkpoints as published trainings leave them, for tests."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from brl.clips.layout import Layout
from brl.clips.layouts import NTU25
from brl.datasets.synthetic.scenes import CLASSES
from brl.models.common.build import build
from brl.models.common.network import Network
from tests.test_networks import model_params


def network(
    layout: Layout = NTU25,
    classes: int = len(CLASSES),
    bodies: int = 2,
    name: str = "stgcnpp",
    channels: int = 3,
    **model: Any,
) -> Network:
    """A narrow network with fresh weights, if not told otherwise for the built-in dataset."""
    description = model_params(name, **{"base_channels": 6, "absent_bodies": "pad"} | model)
    return build(description, layout, channels, classes, bodies)


def as_published(state: dict[str, torch.Tensor], **notes: Any) -> dict[str, Any]:
    """A state dict as mmcv saves it, with notes that hold NumPy's numbers."""
    scores = {"best_score": np.float64(0.9), "scores": np.arange(3.0)}
    parallel = {f"module.{key}": value for key, value in state.items()}
    meta = {"epoch": 16, "hook_msgs": scores, **notes}
    return {"meta": meta, "state_dict": parallel, "optimizer": {"state": {}}}


def saved(path: Path, content: Any, **options: Any) -> str:
    """The path, as a word, of a file written by torch.save."""
    torch.save(content, path, **options)
    return str(path)
