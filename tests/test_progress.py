"""Progress is drawn on a terminal and nowhere else."""

import io
import sys

import pytest

from brl.progress import fraction_bar, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(params=[Terminal, io.StringIO])
def stderr(request, monkeypatch):
    stream = request.param()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_a_training_shows_share_time_left_and_numbers(stderr):
    with fraction_bar("joint") as bar:
        if bar.due():
            bar.show(0.25, "epoch 2/8, loss 1.234, accuracy 50.0 %, 250 clips/s")
            assert not bar.due()  # not again at once
    drawn = stderr.getvalue()
    if stderr.isatty():
        for part in ("joint", "25 %", "left", "loss 1.234", "250 clips/s"):
            assert part in drawn
    else:
        assert drawn == ""


def test_a_loop_shows_its_rate(stderr):
    assert list(progress(range(3), "clips")) == [0, 1, 2]
    assert ("clips/s" in stderr.getvalue()) == stderr.isatty()
