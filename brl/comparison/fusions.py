"""The fusions of a comparison: which streams of a method are fused, and under which name."""

from collections.abc import Iterable
from operator import eq, le
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it imports torch, which the summary can do without
    from brl.comparison.plan import Run

# The streams that are fused, as in BRL, arXiv 2308.14024.
FUSED = {
    "2 streams": ("joint", "bone"),
    "4 streams": ("joint", "bone", "joint_motion", "bone_motion"),
    "6 streams": ("joint", "bone", "skip", "joint_motion", "bone_motion", "skip_motion"),
}
# Puts the fusions of methods with different streams side by side.
ALL = "all streams"
NAMES = (*FUSED, ALL)

Fusions = dict[str, tuple[str, ...]]


def fusions_of(runs: list["Run"]) -> dict[str, Fusions]:
    """The streams of each fusion, by method and name, in the order of `NAMES`.

    A method has those of `FUSED` whose streams it has. If one of the methods has several streams
    that are none of `FUSED`, each with several streams also has `ALL`. A fusion that learns takes
    all streams of its method: for fewer it would have to learn again.
    """
    streams = streams_of(runs)
    learning = {run.method for run in runs if run.params.ensemble.learns}
    known = [set(fused) for fused in FUSED.values()]
    others = any(len(names) > 1 and set(names) not in known for names in streams.values())
    fusions: dict[str, Fusions] = {}
    for method, names in streams.items():
        fits = eq if method in learning else le
        of_method = {name: fused for name, fused in FUSED.items() if fits(set(fused), set(names))}
        if others and len(names) > 1:
            of_method[ALL] = tuple(names)
        fusions[method] = of_method
    return fusions


def streams_of(runs: Iterable["Run"]) -> dict[str, list[str]]:
    """The streams of each method, in the order of its runs."""
    streams: dict[str, dict[str, None]] = {}
    for run in runs:
        streams.setdefault(run.method, {})[run.stream] = None
    return {method: list(names) for method, names in streams.items()}


def planned_seeds(runs: list["Run"]) -> dict[tuple[str, str], int]:
    """From how many seeds each stream and fusion of a method is planned, by method and name."""
    fusions = fusions_of(runs)
    planned: dict[tuple[str, str], int] = {}
    for method, streams in streams_of(runs).items():
        seeds = {
            stream: {run.seed for run in runs if (run.method, run.stream) == (method, stream)}
            for stream in streams
        }
        single = {stream: (stream,) for stream in streams}
        for name, members in (single | fusions[method]).items():
            planned[method, name] = len(set.intersection(*(seeds[each] for each in members)))
    return planned
