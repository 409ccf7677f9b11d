"""Features of a few fixed numbers of bodies, so that a GPU can replay each as a CUDA graph.

A graph spares Python the launch of every kernel, but all its shapes are fixed, and the number of
bodies in a batch is not.
"""

import math
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from brl.models.common.batch_norm import counting

# Maps bodies (B, T, V, K) and those that count, (B,) bool, to features (B, C').
Compute = Callable[[Tensor, Tensor], Tensor]


def mean_features(backbone: nn.Module, bodies: Tensor) -> Tensor:
    """Means over frames and joints of bodies (B, T, V, K): (B, C'), in float32 at least."""
    features = backbone(bodies)
    exact = torch.promote_types(features.dtype, torch.float32)
    return features.mean(dim=(1, 2), dtype=exact)


class MeanFeatures(nn.Module):
    """`mean_features`, where only some bodies count in the statistics of batch norms."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, bodies: Tensor, counted: Tensor) -> Tensor:
        """Features (B, C') of bodies (B, T, V, K); counted: (B,) bool."""
        with counting(counted):
            return mean_features(self.backbone, bodies)


def as_cuda_graph(compute: MeanFeatures, bodies: Tensor, counted: Tensor) -> Compute:
    """Captures the forward and the backward pass for arguments of these shapes.

    A result is valid until the next call.
    """
    # All but the norm of the input, which lies outside and which the backward pass needs unchanged.
    buffers = [
        buffer
        for name, buffer in compute.named_buffers()
        if not name.startswith("backbone.data_bn.")
    ]
    before = [buffer.clone() for buffer in buffers]
    caches = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)  # a graph must not use what lies outside of it
    try:
        sample = bodies.detach().clone().requires_grad_(bodies.requires_grad)
        graph = torch.cuda.make_graphed_callables(
            compute, (sample, counted.clone()), allow_unused_input=True
        )
    finally:
        torch.set_autocast_cache_enabled(caches)
    # The passes that warm up have moved the running statistics of batch norms.
    with torch.no_grad():
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)
    return cast("Compute", graph)


class FixedSizes:
    """Computes `mean_features` in training for numbers of bodies that are multiples of a number.

    A batch is filled up with copies of its first body, which count nowhere. The result is that of
    the batch alone, except for rounding. What is computed must be backpropagated before the next
    call.

    capture: makes what computes one size.
    """

    def __init__(
        self,
        multiple: int,
        capture: Callable[[MeanFeatures, Tensor, Tensor], Compute] = as_cuda_graph,
    ) -> None:
        self.multiple = multiple
        self.capture = capture
        self.of_size: dict[torch.Size, Compute] = {}

    def __call__(self, backbone: nn.Module, bodies: Tensor) -> Tensor:
        """Features (B, C') of bodies (B, T, V, K)."""
        number = len(bodies)
        size = self.multiple * math.ceil(number / self.multiple)
        filled = torch.cat([bodies, bodies[:1].detach().expand(size - number, -1, -1, -1)])
        counted = torch.arange(size, device=bodies.device) < number
        if filled.shape not in self.of_size:
            self.of_size[filled.shape] = self.capture(MeanFeatures(backbone), filled, counted)
        return self.of_size[filled.shape](filled, counted)[:number]
