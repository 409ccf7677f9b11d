"""Batch norm over the last axis, the same whether one process holds the batch or several do."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.BatchNorm2d):
    """Batch norm of activations that lie channels last, (..., C)."""

    def forward(self, x: Tensor) -> Tensor:
        return batch_norm(x, [self])


class DataNorm(nn.BatchNorm1d):
    """Batch norm of a network's input: of each coordinate of each joint.

    bodies: 1 where all bodies share it (published as `VC`), M where each has its own (`MVC`).
    """

    def __init__(self, joints: int, channels: int, bodies: int) -> None:
        super().__init__(bodies * joints * channels)
        self.bodies = bodies

    def normalise(self, clips: Tensor, present: Tensor) -> Tensor:
        """The present bodies (N, M) of clips (N, M, T, V, K), normalised: (B, T, V, K)."""
        if self.bodies == 1:
            # Without a second body nothing is chosen, and a GPU need not wait for the count.
            bodies = clips[:, 0] if clips.shape[1] == 1 else clips[present]
            return batch_norm(bodies.flatten(2), [self]).view(bodies.shape)
        normalised = torch.zeros_like(clips)
        for body, state in enumerate(self._slots(clips)):
            having = present[:, body]
            x = clips[having, body]
            if len(x) or _processes() > 1:
                normalised[having, body] = _normalised(x.flatten(2), state, self).view(x.shape)
        self._count_batch()
        return normalised[present]

    def normalise_every(self, clips: Tensor) -> Tensor:
        """All bodies of clips (N, M, T, V, K), present or not, normalised: (N M, T, V, K)."""
        if self.bodies == 1:
            bodies = clips.flatten(0, 1)
            return batch_norm(bodies.flatten(2), [self]).view(bodies.shape)
        by_slot = []
        for body, state in enumerate(self._slots(clips)):
            x = clips[:, body].contiguous()
            by_slot.append(_normalised(x.flatten(2), state, self).view(x.shape))
        self._count_batch()
        return torch.stack(by_slot, dim=1).flatten(0, 1)

    def _slots(self, clips: Tensor) -> list["_State"]:
        """The norm of each of a clip's bodies."""
        if clips.shape[1] != self.bodies:
            raise ValueError(f"clips of {clips.shape[1]} bodies for a network of {self.bodies}")
        of_bodies = (tensor.chunk(self.bodies) for tensor in _state(self))
        return [_State(*tensors) for tensors in zip(*of_bodies, strict=True)]

    def _count_batch(self) -> None:
        if self.training:
            _tensor(self.num_batches_tracked).add_(1)


def batch_norm(
    x: Tensor,
    norms: Sequence[nn.BatchNorm1d | nn.BatchNorm2d],
    missing_bias: Tensor | None = None,
) -> Tensor:
    """Batch norms side by side, each on its own channels of x (..., C), in one pass.

    Channels of x beyond those of all the norms come out as zeros. missing_bias: (C,), what the
    convolution before did not add to x. The batch's mean would take it away again, so it only
    shifts the running mean; its true gradient is zero, and it gets none.
    """
    states = [_state(norm) for norm in norms]
    sizes = [len(state.weight) for state in states]
    surplus = x.shape[-1] - sum(sizes)
    if surplus:
        zeros = x.new_zeros(surplus, dtype=states[0].weight.dtype)
        states.append(_State(zeros, zeros, zeros, torch.ones_like(zeros)))
    if len(states) == 1 and missing_bias is None:
        y = _normalised(x, states[0], norms[0])
    else:
        shift = 0 if missing_bias is None else missing_bias.detach()
        together = _State(*(torch.cat(tensors) for tensors in zip(*states, strict=True)))
        together.mean.sub_(shift)
        y = _normalised(x, together, norms[0])
        if norms[0].training:
            _put_back(states, together.mean + shift, together.var)
    if norms[0].training:
        for norm in norms:
            _tensor(norm.num_batches_tracked).add_(1)
    return y


class _State(NamedTuple):
    """What a batch norm consists of, (C,) each."""

    weight: Tensor
    bias: Tensor
    mean: Tensor
    var: Tensor


def _state(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> _State:
    return _State(norm.weight, norm.bias, _tensor(norm.running_mean), _tensor(norm.running_var))


def _put_back(states: Sequence[_State], mean: Tensor, var: Tensor) -> None:
    """Running statistics side by side, each to the norm it belongs to."""
    sizes = [len(state.weight) for state in states]
    for state, own_mean, own_var in zip(states, mean.split(sizes), var.split(sizes), strict=True):
        state.mean.copy_(own_mean)
        state.var.copy_(own_var)


def _tensor(buffer: Tensor | None) -> Tensor:
    assert buffer is not None  # only norms without running statistics lack it
    return buffer


def _normalised(x: Tensor, state: _State, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> Tensor:
    """x (..., C) by the batch's statistics in training, which also move the running ones; else by
    the running ones."""
    assert norm.momentum is not None
    if norm.training and _processes() > 1:
        return _normalised_together(x, state, norm.momentum, norm.eps)
    weight, bias, mean, var = state
    y = F.batch_norm(
        x.movedim(-1, 1), mean, var, weight, bias, norm.training, norm.momentum, norm.eps
    )
    return y.movedim(1, -1)


def _normalised_together(x: Tensor, state: _State, momentum: float, eps: float) -> Tensor:
    """The same by the statistics of the whole batch, of which each process holds a part.

    A part may be empty, and where all are, the running statistics stay. PyTorch's own synchronised
    batch norm knows GPUs only.
    """
    rows = x.flatten(0, -2).to(torch.promote_types(x.dtype, torch.float32))
    count = rows.new_tensor([len(rows)])
    mean = rows.sum(dim=0) / count.clamp(min=1)
    var = (rows - mean).square().sum(dim=0) / count.clamp(min=1)
    # Every process fills its own row and adds up all: each then has all processes' rows.
    own = torch.arange(_processes(), device=x.device)[:, None] == dist.get_rank()
    gathered = _SumOverProcesses.apply(torch.cat([count, mean, var]) * own)
    counts, means, variances = gathered.split([1, len(mean), len(mean)], dim=1)
    total = counts.sum().clamp(min=1)
    mean = (counts * means).sum(dim=0) / total
    var = (counts * (variances + (means - mean).square())).sum(dim=0) / total
    with torch.no_grad():
        share = counts.sum().clamp(max=1) * momentum
        state.mean.lerp_(mean, share)
        state.var.lerp_(var * total / (total - 1).clamp(min=1), share)
    scale = state.weight * (var + eps).rsqrt()
    y = (rows - mean) * scale + state.bias
    return y.to(x.dtype).view(x.shape)


class _SumOverProcesses(torch.autograd.Function):
    """The sum of all processes' tensors; its gradient is the sum of all processes' gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _summed(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _summed(gradients[0])


def _summed(x: Tensor) -> Tensor:
    total = x.contiguous().clone()
    dist.all_reduce(total)
    return total


def _processes() -> int:
    """How many processes share the batch."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
