"""Progress bars are drawn on a terminal and nowhere else."""

import io
import sys

import pytest

from brl.support.progress import fraction_bar, progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


on_both_outputs = pytest.mark.parametrize("kind", [Terminal, io.StringIO])


@on_both_outputs
def test_a_training_shows_fraction_time_left_and_numbers(kind, monkeypatch):
    monkeypatch.setattr(sys, "stderr", kind())
    with fraction_bar("joint") as bar:
        if bar.due():
            bar.show(0.25, "epoch 2/8, loss 1.234, accuracy 50.0 %, 250 clips/s")
            assert not bar.due()  # not again at once
    drawn = sys.stderr.getvalue()
    if kind is Terminal:
        for part in ("joint", "25 %", "left", "loss 1.234", "250 clips/s"):
            assert part in drawn
    else:
        assert drawn == ""


@on_both_outputs
def test_a_loop_shows_its_rate(kind, monkeypatch):
    monkeypatch.setattr(sys, "stderr", kind())
    assert list(progress(range(3), "clips")) == [0, 1, 2]
    assert ("clips/s" in sys.stderr.getvalue()) == (kind is Terminal)
