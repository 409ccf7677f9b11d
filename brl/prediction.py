"""Test scores of one trained stream. Method: sections 3 and 7."""

import numpy as np
import torch

from brl.clips.store import ClipStore
from brl.config.params import PredictParams
from brl.models.common.network import Network
from brl.streams.device import arithmetic, best_device, keep_freed_memory
from brl.streams.inputs import Inputs
from brl.streams.weights import Trained
from brl.support.progress import progress


def predict(
    trained: Trained, store: ClipStore, chosen: np.ndarray, params: PredictParams
) -> np.ndarray:
    """Class probabilities (n, C) float32 of the chosen clips (n,) of a store.

    A clip's probabilities are the mean of its test views' softmax outputs.
    """
    keep_freed_memory()
    device = best_device()
    recipe = trained.recipe
    inputs = recipe.inputs(store, chosen, device)
    return probabilities(trained.model.to(device), inputs, params, len(recipe.classes))


@torch.inference_mode()
def probabilities(
    model: Network, inputs: Inputs, params: PredictParams, num_classes: int
) -> np.ndarray:
    """The same of a network's inputs; outputs beyond the classes (of clips that are played
    backwards) are left out. Puts the network into eval mode."""
    model.eval()
    device = inputs.clips.device
    clips_a_batch = max(1, params.batch_size // params.num_clips)
    averaged = []
    places = torch.arange(len(inputs.clips), device=device)
    for which in progress(places.split(clips_a_batch), "batches"):
        clips, present = inputs.test_batch(which, params.num_clips)
        with arithmetic(params.precision, device):
            logits = model(clips, present).float()[:, :num_classes]
        views = logits.softmax(dim=1).unflatten(0, (len(which), -1))
        averaged.append(views.mean(dim=1).cpu())
    return torch.cat(averaged).numpy()
