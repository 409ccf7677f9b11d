"""Interruptions that wait for a piece of work to end."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

MOST_SECONDS = 5.0


@contextmanager
def ended_before_interruption(most_seconds: float = MOST_SECONDS) -> Iterator[None]:
    """Has Ctrl-C (SIGINT) wait for the end of a short block.

    It interrupts the block all the same if it comes again, or if the block goes on for too long.
    Nothing changes outside of the main thread, where Python handles signals, and where Ctrl-C is
    ignored.

    most_seconds: how long an interruption waits
    """
    handle = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handle):
        yield
        return
    again = threading.Timer(most_seconds, os.kill, (os.getpid(), signal.SIGINT))
    again.daemon = True
    waits = False

    def first_or_second(number: int, frame: FrameType | None) -> None:
        nonlocal waits
        waits = not waits
        if waits:
            again.start()
        else:
            signal.signal(signal.SIGINT, handle)
            handle(number, frame)

    signal.signal(signal.SIGINT, first_or_second)
    try:
        yield
    finally:
        again.cancel()
        if signal.getsignal(signal.SIGINT) is first_or_second:
            signal.signal(signal.SIGINT, handle)
        if waits:
            signal.raise_signal(signal.SIGINT)
