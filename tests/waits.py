"""Finds where Python would wait for a GPU, on a machine without one.

The device `meta` stands for the GPU. It holds no values, so most of what would read them fails.
`Waits` notes the rest, and where it happens: in PyTorch, all of it waits until a GPU has finished
its work.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
META = torch.device("meta")
READ = 1000  # what is read where a value would be
MAKES_TENSORS = (torch.tensor, torch.as_tensor, Tensor.new_tensor)
LOOKS_AT_VALUES = (aten.multinomial.default,)  # which the device `meta` does not
INDEXES = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default)


class Waits(AbstractContextManager["Waits"]):
    """A scope in which `places` lists, as MODULE.FUNCTION, what would wait for a GPU."""

    def __init__(self) -> None:
        self.places: list[str] = []
        self._modes = ExitStack()

    def __enter__(self) -> Self:
        self._modes.enter_context(_Operations(self))
        self._modes.enter_context(_Calls(self))
        return self

    def __exit__(self, *_: object) -> None:
        self._modes.close()

    def note(self) -> None:
        """Adds the function of `brl` that is being executed."""
        frames = (frame for frame in inspect.stack(0) if "/brl/" in frame.filename)
        place = next(frames, None)
        self.places.append(f"{Path(place.filename).stem}.{place.function}" if place else "outside")


class _Operations(TorchDispatchMode):
    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self.waits = waits

    def __torch_dispatch__(
        self,
        operation: OpOverload,
        _types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if operation is aten._local_scalar_dense.default and args[0].is_meta:
            self.waits.note()
            return READ
        if operation is aten._to_copy.default and waits_for_copy(
            args[0].device, kwargs.get("device") or args[0].device, **kwargs
        ):
            self.waits.note()
            if args[0].is_meta:
                return torch.rand(args[0].shape).to(kwargs.get("dtype") or args[0].dtype)
        if operation is aten.copy_.default and waits_for_copy(
            args[1].device, args[0].device, non_blocking=len(args) > 2 and args[2]
        ):
            self.waits.note()
        if operation in LOOKS_AT_VALUES and args[0].is_meta:
            self.waits.note()
        if operation in INDEXES and args[0].is_meta and any(map(decides_shapes, args[1])):
            self.waits.note()
        with self:  # an operation of others, as which `to` arrives in inference
            result = operation.decompose(*args, **kwargs)
        return operation(*args, **kwargs) if result is NotImplemented else result


class _Calls(TorchFunctionMode):
    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self.waits = waits

    def __torch_function__(
        self,
        function: Callable[..., Any],
        _types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if function in MAKES_TENSORS and result.is_meta and not is_meta(args[-1]):
            self.waits.note()
        if function in (Tensor.__getitem__, Tensor.__setitem__) and is_meta(args[0]):
            indices = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(each, list | range) for each in indices):
                self.waits.note()
        return result


def waits_for_copy(
    source: torch.device, target: torch.device, non_blocking: bool = False, **_: object
) -> bool:
    """Whether a copy between devices waits: always, if it is one from the GPU."""
    return source != target and (source == META or not non_blocking)


def decides_shapes(index: Tensor | None) -> bool:
    """Whether an index is a mask, or has to be copied to the GPU first."""
    return index is not None and (index.dtype == torch.bool or not index.is_meta)


def is_meta(value: object) -> bool:
    """Whether this is a tensor of the device `meta`."""
    return isinstance(value, Tensor) and value.is_meta
