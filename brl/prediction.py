"""Test scores of one trained stream. Method: sections 3 and 7."""

import numpy as np
import torch

from brl.data.batch import Clips
from brl.data.store import ClipStore
from brl.device import arithmetic, best_device, keep_freed_memory
from brl.inputs import Inputs
from brl.params import PredictParams
from brl.progress import progress
from brl.streams import STREAMS
from brl.weights import Trained


@torch.inference_mode()
def predict(
    trained: Trained, store: ClipStore, chosen: np.ndarray, params: PredictParams
) -> np.ndarray:
    """Class probabilities (n, C) float32 of the chosen clips (n,) of a store.

    A clip's probabilities are the mean of its test views' softmax outputs.
    """
    keep_freed_memory()
    device = best_device()
    recipe = trained.recipe
    model = trained.model.to(device).eval()
    inputs = Inputs(Clips(store, chosen, device), STREAMS[recipe.stream], recipe.train)
    clips_a_batch = max(1, params.batch_size // params.num_clips)
    averaged = []
    for which in progress(torch.arange(len(chosen), device=device).split(clips_a_batch), "batches"):
        clips, present = inputs.test_batch(which, params.num_clips)
        with arithmetic(params.precision, device):
            logits = model(clips, present).float()
        views = logits.softmax(dim=1).unflatten(0, (len(which), -1))
        averaged.append(views.mean(dim=1).cpu())
    return torch.cat(averaged).numpy()
