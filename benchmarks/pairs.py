"""Paired measurements: two ways to do the same, in turn, each in a process of its own.

A machine's speed drifts: what is compared is taken within the same seconds, and the ratio of a
pair is what is reported, as the median over pairs.
"""

import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from typing import IO


@dataclass(frozen=True)
class Compared:
    """Medians over pairs; memory is the most a process held, in bytes."""

    seconds: float
    baseline_seconds: float
    ratio: float
    memory: int
    baseline_memory: int


def compared(baseline: list[str], ours: list[str], pairs: int) -> Compared:
    """Runs two commands in turn, `pairs` times; each takes its own time.

    A command says a line when it is ready, then the seconds of one more turn for every line it
    reads.
    """
    with Turns(baseline) as theirs, Turns(ours) as own:
        times = [(theirs.take(), own.take()) for _ in range(pairs)]
        memory, baseline_memory = own.peak_memory(), theirs.peak_memory()
    return Compared(
        seconds=statistics.median(own for _, own in times),
        baseline_seconds=statistics.median(theirs for theirs, _ in times),
        ratio=statistics.median(theirs / own for theirs, own in times),
        memory=memory,
        baseline_memory=baseline_memory,
    )


class Turns:
    """A process that does the same again whenever it is asked."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"BRL_TRACKING": "off"},
        )
        self._answer()

    def __enter__(self) -> "Turns":
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe(self._process.stdin).close()
        self._process.wait()

    def take(self) -> float:
        """Seconds of one more turn."""
        pipe = self._pipe(self._process.stdin)
        pipe.write("again\n")
        pipe.flush()
        return float(self._answer())

    def peak_memory(self) -> int:
        """The most the process held so far, in bytes; Python and its libraries included."""
        with open(f"/proc/{self._process.pid}/status", encoding="ascii") as status:
            peak = next(line for line in status if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024

    def _answer(self) -> str:
        line = self._pipe(self._process.stdout).readline()
        if not line:
            sys.exit(f"error: {' '.join(map(str, self._process.args))} failed")
        return line

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe
