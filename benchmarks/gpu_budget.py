"""Limits the time of a benchmark: what is not reached is written as `not measured`."""

import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

import torch

NOT_MEASURED, NEEDS_GPU = "not measured", "needs a GPU"
T = TypeVar("T")
SHORTEST = 1.0  # seconds in which a measurement may begin


class OutOfTime(BaseException):
    """The time of a measurement is over. It passes the handlers of errors in PyTorch's compiler."""


class NeedsGpu(Exception):
    """What is to be measured exists on a GPU only."""


def need_gpu() -> None:
    """Raises NeedsGpu where there is none."""
    if not torch.cuda.is_available():
        raise NeedsGpu


class Budget:
    """The seconds of a whole benchmark, of which each part may use some."""

    def __init__(self, seconds: float) -> None:
        self._end = self._end_of_part = time.monotonic() + seconds

    def begin_part(self, seconds: float) -> None:
        """Begins a part that may take so many seconds."""
        self._end_of_part = min(self._end, time.monotonic() + seconds)

    def measured(self, name: str, measure: Callable[..., T], *arguments: Any) -> T | str:
        """What `measure(*arguments)` returns, or a word on why it returned nothing."""
        left = self._end_of_part - time.monotonic()
        if left < SHORTEST:
            return NOT_MEASURED
        print(f"... {name}", file=sys.stderr)
        try:
            with limited(left):
                return measure(*arguments)
        except OutOfTime:
            return NOT_MEASURED
        except NeedsGpu:
            return NEEDS_GPU
        except torch.OutOfMemoryError:
            return "out of memory"
        except Exception as error:  # the other measurements go on
            traceback.print_exc()
            return f"failed: {type(error).__name__}"


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """A scope that ends with OutOfTime after so many seconds."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
