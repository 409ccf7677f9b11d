"""Test scores of one trained stream. BRL, arXiv 2308.14024, section 4.1."""

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
    """Class probabilities (n, C) float32 of clips (n,) of a store.

    A clip's probabilities are the mean of its test views' softmax outputs.
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
    """Class probabilities (n, C) float32 of a network's inputs.

    Outputs beyond the classes, of clips that are played backwards, are left out. Puts the network
    into eval mode.
    """
    model.eval()
    device = inputs.device
    clips_per_batch = max(1, params.batch_size // params.num_clips)
    averaged = []
    for indices in progress(
        torch.arange(len(inputs), device=device).split(clips_per_batch), "batches"
    ):
        clips, present = inputs.test_batch(indices, params.num_clips)
        with arithmetic(params.precision, device):
            logits = model(clips, present).float()
        averaged.append(mean_of_views(logits, len(indices), num_classes).cpu())
    return torch.cat(averaged).numpy()


def mean_of_views(logits: Tensor, num_clips: int, num_classes: int) -> Tensor:
    """Class probabilities (N, C) of N clips from the logits (N I, C') of their I test views."""
    views = logits[:, :num_classes].softmax(dim=1)
    return views.unflatten(0, (num_clips, -1)).mean(dim=1)
