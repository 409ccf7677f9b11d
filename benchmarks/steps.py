"""The steps of a benchmark, each measured in a process of its own."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil

SECONDS_BETWEEN_SAMPLES = 0.1  # each takes milliseconds of the processor


class Step(NamedTuple):
    """What a step took.

    seconds    by the clock
    memory     its peak in bytes
    output     what it printed
    processor  seconds of processor time, which other programs on the machine do not lengthen much
    """

    seconds: float
    memory: float
    output: str
    processor: float


def measured(
    folder: Path,
    module: str,
    *arguments: object,
    mapped: bool = True,
    environment: dict[str, str] | None = None,
) -> Step:
    """Runs a module of this project in a folder; ends the program if it fails.

    mapped: whether pages of files, which the system takes back when memory is short, count as
    memory. environment: variables beside those of this process.
    """
    print("...", module, *arguments, file=sys.stderr)
    variables = {"PYTHONPATH": str(Path.cwd()), "BRL_TRACKING": "off"} | (environment or {})
    started, used = time.perf_counter(), processor_time()
    process = subprocess.Popen(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=folder,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        text=True,
    )
    child, peak = psutil.Process(process.pid), 0.0
    while process.poll() is None:
        peak = max(peak, memory_of(child, mapped))
        time.sleep(SECONDS_BETWEEN_SAMPLES)
    seconds = time.perf_counter() - started
    if process.returncode:
        sys.exit(f"error: {module} {' '.join(map(str, arguments))} failed")
    assert process.stdout
    return Step(seconds, peak, process.stdout.read().strip(), processor_time() - used)


def processor_time() -> float:
    """Seconds of processor time of all processes that this one has started and that have ended."""
    times = resource.getrusage(resource.RUSAGE_CHILDREN)
    return times.ru_utime + times.ru_stime


def memory_of(process: psutil.Process, mapped: bool) -> float:
    """Resident memory in bytes of a process and its children; mapped: see `measured`."""
    total = 0.0
    try:
        for each in [process, *process.children(recursive=True)]:
            used = each.memory_info()
            total += used.rss - (0 if mapped else used.shared)
    except psutil.NoSuchProcess:  # it has ended
        pass
    return total
