"""What a GPU computes beside what the CPU computes, from the same weights."""

from copy import deepcopy

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from benchmarks.gpu_budget import need_gpu
from benchmarks.gpu_sizes import recipe_of
from brl.clips.store import ClipStore
from brl.config.params import Params
from brl.models.common.fixed_sizes import FixedSizes
from brl.models.common.network import Network
from brl.streams.device import arithmetic, best_device


def differences(
    params: Params, store: ClipStore, number: int, precision: str, graphs: bool
) -> list[float]:
    """The largest difference of a logit and of a gradient, as shares of the largest on the CPU.

    Of a training step on as many clips of one body as of two (number). The CPU computes in float32.
    graphs: whether the GPU replays CUDA graphs, of more bodies than there are.
    """
    if graphs:
        need_gpu()
    recipe = recipe_of(params, store)
    torch.manual_seed(0)
    network = recipe.build().train()
    clips = np.concatenate([np.flatnonzero(store.bodies == bodies)[:number] for bodies in (1, 2)])
    inputs = recipe.inputs(store, clips, torch.device("cpu"))
    batch, present = inputs.train_batch(torch.arange(len(clips)), Generator().manual_seed(0))
    expected = answers(deepcopy(network), batch, present, inputs.labels, "float32")
    device = best_device()
    if graphs:
        network.fixed_sizes = FixedSizes(2 * int(present.sum()))
    found = answers(
        network.to(device), batch.to(device), present, inputs.labels.to(device), precision
    )
    return [
        float((ours.cpu() - theirs).abs().max() / theirs.abs().max())
        for ours, theirs in zip(found, expected, strict=True)
    ]


def answers(
    network: Network, clips: Tensor, present: Tensor, labels: Tensor, precision: str
) -> tuple[Tensor, Tensor]:
    """Logits (N, C), and all gradients of the cross-entropy as one tensor."""
    with arithmetic(precision, clips.device):
        logits = network(clips, present).float()
    F.cross_entropy(logits, labels).backward()
    gradients = [each.grad for each in network.parameters() if each.grad is not None]
    return logits.detach(), torch.cat([gradient.flatten() for gradient in gradients])
