"""Test scores of one trained stream."""

import numpy as np
import torch
from torch import Tensor

from brl.clips.store import ClipStore
from brl.config.params import PredictParams
from brl.models.common.network import Network
from brl.streams.device import arithmetic, best_device, keep_freed_memory
from brl.streams.inputs import Inputs
from brl.streams.weights import Trained
from brl.support.progress import progress


def predict(
    trained: Trained, store: ClipStore, indices: np.ndarray, params: PredictParams
) -> np.ndarray:
    """Class probabilities (n, C) float32 of the clips of a store with these indices (n,).

    The probabilities of a clip are the mean softmax output over its test views.
    """
    keep_freed_memory()
    device = best_device()
    recipe = trained.recipe
    inputs = recipe.inputs(store, indices, device)
    return probabilities(trained.model.to(device), inputs, params, len(recipe.classes))


@torch.inference_mode()
def probabilities(
    model: Network, inputs: Inputs, params: PredictParams, num_classes: int
) -> np.ndarray:
    """Class probabilities (n, C) float32 of n clips; C is num_classes.

    Further outputs, for clips played backwards, are ignored. Puts the network into eval mode.
    """
    model.eval()
    device = inputs.device
    clips_per_batch = max(1, params.batch_size // params.num_clips)
    batches = []
    for indices in progress(
        torch.arange(len(inputs), device=device).split(clips_per_batch), "batches"
    ):
        clips, present = inputs.test_batch(indices, params.num_clips)
        with arithmetic(params.precision, device):
            logits = model(clips, present).float()
        batches.append(mean_of_views(logits, len(indices), num_classes).cpu())
    return torch.cat(batches).numpy()


def mean_of_views(logits: Tensor, num_clips: int, num_classes: int) -> Tensor:
    """Mean softmax (N, C) of N clips over their I test views, from logits (N I, C'), C' >= C."""
    views = logits[:, :num_classes].softmax(dim=1)
    return views.unflatten(0, (num_clips, -1)).mean(dim=1)
