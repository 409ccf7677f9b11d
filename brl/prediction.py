"""Test scores of one trained stream, and features of clips."""

from collections.abc import Callable, Iterator

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
    shares, start = torch.empty(len(inputs), num_classes, device=inputs.device), 0
    for logits, clips in _of_views(model, model, inputs, params):
        shares[start : start + clips] = mean_of_views(logits, clips, num_classes)
        start += clips
    return shares.cpu().numpy()


@torch.inference_mode()
def features(model: Network, inputs: Inputs, params: PredictParams) -> np.ndarray:
    """Features (n, C') float32 of n clips, which are the input of the head.

    Those of a clip are the mean over its test views. Puts the network into eval mode.
    """
    batches = [
        rows.unflatten(0, (clips, -1)).mean(dim=1)
        for rows, clips in _of_views(model, model.clip_features, inputs, params)
    ]
    return torch.cat(batches).cpu().numpy()


def _of_views(
    model: Network,
    compute: Callable[[Tensor, Tensor], Tensor],
    inputs: Inputs,
    params: PredictParams,
) -> Iterator[tuple[Tensor, int]]:
    """Rows (N I, ...) in float32 for the I test views of N clips, and N: batch by batch.

    compute: what the network in eval mode makes of clips and present bodies.
    """
    model.eval()
    device = inputs.device
    clips_per_batch = max(1, params.batch_size // params.num_clips)
    for indices in progress(torch.arange(len(inputs)).split(clips_per_batch), "batches"):
        clips, present = inputs.test_batch(indices, params.num_clips)
        with arithmetic(params.precision, device):
            rows = compute(clips, present).float()
        yield rows, len(indices)


def mean_of_views(logits: Tensor, num_clips: int, num_classes: int) -> Tensor:
    """Mean softmax (N, C) of N clips over their I test views, from logits (N I, C'), C' >= C."""
    views = logits[:, :num_classes].softmax(dim=1)
    return views.unflatten(0, (num_clips, -1)).mean(dim=1)
