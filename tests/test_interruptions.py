"""Ctrl-C waits for the end of a piece of work, but not for long."""

import signal
import threading
import time

import pytest

from brl.support.interruptions import ended_before_interruption


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def test_a_block_ends_before_it_is_interrupted():
    done = []
    with pytest.raises(KeyboardInterrupt), ended_before_interruption():
        interrupt()
        done.append("block")
    assert done == ["block"]


def test_within_another_block_it_ends_too():
    done = []
    with pytest.raises(KeyboardInterrupt), ended_before_interruption():
        with ended_before_interruption():
            interrupt()
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]


def test_a_second_interruption_does_not_wait():
    with pytest.raises(KeyboardInterrupt), ended_before_interruption():
        interrupt()
        interrupt()
        pytest.fail("the block went on")


def test_a_long_block_is_interrupted():
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), ended_before_interruption(most_seconds=0.1):
        interrupt()
        time.sleep(20)
    assert time.monotonic() - begun < 10


def test_an_error_of_the_block_does_not_hide_the_interruption():
    with pytest.raises(KeyboardInterrupt), ended_before_interruption():
        interrupt()
        raise ValueError


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL, signal.default_int_handler])
def test_afterwards_signals_are_handled_as_before(handler):
    before = signal.signal(signal.SIGINT, handler)
    try:
        with ended_before_interruption():
            if handler == signal.SIG_IGN:
                interrupt()
        assert signal.getsignal(signal.SIGINT) == handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_may_use_it():
    done = []

    def work() -> None:
        with ended_before_interruption():
            done.append("block")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["block"]
