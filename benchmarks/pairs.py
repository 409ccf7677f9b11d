"""Paired measurements of two implementations, in turn, each in its own process.

A machine's speed drifts. So both are measured within the same seconds, and the reported ratio is
the median over pairs of the ratio within a pair.
"""

import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from typing import IO


@dataclass(frozen=True)
class Compared:
    """Medians over pairs; memory is a process's peak in bytes."""

    seconds: float
    baseline_seconds: float
    ratio: float
    memory: int
    baseline_memory: int


def compared(baseline: list[str], ours: list[str], pairs: int) -> Compared:
    """Runs two commands in turn, `pairs` times. Each measures its own time.

    A command prints a line when it is ready. For every line that it reads, it runs one more turn
    and prints the seconds. Ends the program if a command fails.
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
    """A process that runs one turn whenever it is asked to. command: arguments of `python -m`."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
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
        """Runs one more turn; returns its seconds."""
        pipe = self._pipe(self._process.stdin)
        pipe.write("again\n")
        pipe.flush()
        return float(self._answer())

    def peak_memory(self) -> int:
        """Peak memory of the process so far in bytes, including Python and its libraries."""
        with open(f"/proc/{self._process.pid}/status", encoding="ascii") as status:
            peak = next(line for line in status if line.startswith("VmHWM"))
        return int(peak.split()[1]) * 1024

    def _answer(self) -> str:
        line = self._pipe(self._process.stdout).readline()
        if not line:
            sys.exit(f"error: python -m {' '.join(self._command)} failed")
        return line

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None
        return pipe
