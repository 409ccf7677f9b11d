"""Batch norm over the last axis; in several processes, over the whole batch of all of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

_counted: ContextVar[Tensor | None] = ContextVar("counted", default=None)


@contextmanager
def counting(counted: Tensor) -> Iterator[None]:
    """A scope in which only some rows count in the statistics of batches (B, ..., C).

    counted: (B,) bool, at least one of them true. For one process.
    """
    before = _counted.set(counted)
    try:
        yield
    finally:
        _counted.reset(before)


class BatchNorm(nn.BatchNorm2d):
    """Batch norm of channels-last activations (..., C)."""

    def forward(self, x: Tensor) -> Tensor:
        """The normalised activations (..., C)."""
        return batch_norm(x, [self])


class DataNorm(nn.BatchNorm1d):
    """Batch norm of the input: each coordinate of each joint is a channel.

    bodies: 1 if all bodies share the norm (published as `VC`), M if each body has its own (`MVC`).
    """

    def __init__(self, joints: int, channels: int, bodies: int) -> None:
        super().__init__(bodies * joints * channels)
        self.bodies = bodies

    def normalise(self, clips: Tensor, present: Tensor) -> Tensor:
        """The present (N, M) bodies of clips (N, M, T, V, K), normalised: (B, T, V, K).

        A GPU is not waited for where `present` is on the CPU.

        Raises ValueError if each body has its own norm and the clips have another number of bodies.
        """
        if self.bodies == 1:
            only = clips.shape[1] == 1  # then there is nothing to select
            bodies = clips[:, 0] if only else clips[places(present, clips.device)]
            return batch_norm(bodies.flatten(2), [self]).view(bodies.shape)
        normalised = torch.zeros_like(clips)
        for body, state in enumerate(self._slots(clips)):
            (with_body,) = places(present[:, body], clips.device)
            x = clips[with_body, body]
            if len(x) or _processes() > 1:
                normalised[with_body, body] = _normalised(x.flatten(2), state, self).view(x.shape)
        self._count_batch()
        return normalised[places(present, clips.device)]

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


def places(mask: Tensor, device: torch.device) -> tuple[Tensor, ...]:
    """Indices of the true entries of a mask for tensors on a device, one (B,) for each dimension.

    They select what the mask would. If it is on the CPU, a GPU is not waited for.
    """
    return tuple(each.to(device, non_blocking=True) for each in mask.nonzero(as_tuple=True))


def batch_norm(
    x: Tensor,
    norms: Sequence[nn.BatchNorm1d | nn.BatchNorm2d],
    missing_bias: Tensor | None = None,
) -> Tensor:
    """Several batch norms in one pass, each on its own channels of x (..., C), in order.

    Channels of x beyond those of the norms become zeros. missing_bias: (C,), the bias that the
    convolution before has not added to x. Subtracting the batch's mean would cancel it, so it only
    shifts the running mean. Its true gradient is zero; it gets none.
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
        merged = _State(*(torch.cat(tensors) for tensors in zip(*states, strict=True)))
        merged.mean.sub_(shift)
        y = _normalised(x, merged, norms[0])
        if norms[0].training:
            _copy_back(states, merged.mean + shift, merged.var)
    if norms[0].training:
        for norm in norms:
            _tensor(norm.num_batches_tracked).add_(1)
    return y


class _State(NamedTuple):
    """Parameters and running statistics of a batch norm, (C,) each."""

    weight: Tensor
    bias: Tensor
    mean: Tensor
    var: Tensor


def _state(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> _State:
    return _State(norm.weight, norm.bias, _tensor(norm.running_mean), _tensor(norm.running_var))


def _copy_back(states: Sequence[_State], mean: Tensor, var: Tensor) -> None:
    """Copies concatenated running statistics into the norms they belong to."""
    sizes = [len(state.weight) for state in states]
    for state, own_mean, own_var in zip(states, mean.split(sizes), var.split(sizes), strict=True):
        state.mean.copy_(own_mean)
        state.var.copy_(own_var)


def _tensor(buffer: Tensor | None) -> Tensor:
    assert buffer is not None  # only a norm without running statistics has none
    return buffer


def _normalised(x: Tensor, state: _State, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> Tensor:
    """Normalises x (..., C): by the batch's statistics in training, else by the running ones.

    In training the batch's statistics also update the running ones.
    """
    assert norm.momentum is not None
    if norm.training and _processes() > 1:
        return _normalised_together(x, state, norm.momentum, norm.eps)
    counted = _counted.get()
    if norm.training and counted is not None:
        return _normalised_by(counted, x, state, norm.momentum, norm.eps)
    weight, bias, mean, var = state
    y = F.batch_norm(
        x.movedim(-1, 1), mean, var, weight, bias, norm.training, norm.momentum, norm.eps
    )
    return y.movedim(1, -1)


def _normalised_by(
    counted: Tensor, x: Tensor, state: _State, momentum: float, eps: float
) -> Tensor:
    """Like `_normalised` in training, by those rows of x (B, ..., C) that count, (B,) bool.

    x may have several rows for each that counts or does not, one after the other: frames of a body.
    """
    counted = counted.repeat_interleave(len(x) // len(counted))
    rows = x.flatten(1, -2).to(torch.promote_types(x.dtype, torch.float32))
    total = counted.sum() * rows.shape[1]
    share = (counted / total)[:, None, None]
    mean = (rows * share).sum(dim=(0, 1))
    var = ((rows - mean).square() * share).sum(dim=(0, 1))
    with torch.no_grad():
        state.mean.lerp_(mean, momentum)
        state.var.lerp_(var * total / (total - 1).clamp(min=1), momentum)
    return _scaled(rows, mean, var, state, eps).to(x.dtype).view(x.shape)


def _scaled(rows: Tensor, mean: Tensor, var: Tensor, state: _State, eps: float) -> Tensor:
    return (rows - mean) * (state.weight * (var + eps).rsqrt()) + state.bias


def _normalised_together(x: Tensor, state: _State, momentum: float, eps: float) -> Tensor:
    """Like `_normalised` in training, by the whole batch, of which each process holds a part.

    A part may be empty; if all are, the running statistics stay as they are. PyTorch's own
    synchronised batch norm works on GPUs only.
    """
    rows = x.flatten(0, -2).to(torch.promote_types(x.dtype, torch.float32))
    count = rows.new_full((1,), len(rows))
    mean = rows.sum(dim=0) / count.clamp(min=1)
    var = (rows - mean).square().sum(dim=0) / count.clamp(min=1)
    # Each process fills its own row of a table of zeros; the sum over processes has all rows.
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
    return _scaled(rows, mean, var, state, eps).to(x.dtype).view(x.shape)


class _SumOverProcesses(torch.autograd.Function):
    """Sum of a tensor over processes. Its gradient is the sum of the processes' gradients."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return _summed(x)

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        return _summed(gradients[0])


def _summed(x: Tensor) -> Tensor:
    total = x.contiguous().clone()
    dist.all_reduce(total)
    return total


def _processes() -> int:
    """Number of processes that share the batch."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
