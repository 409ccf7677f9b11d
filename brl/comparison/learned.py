"""The fusions of a comparison that learn, and the runs whose scores they learn from."""

from dataclasses import dataclass, replace

from brl.comparison.plan import Run
from brl.unseen.clips import HELD_OUT


@dataclass(frozen=True)
class LearnedFusion:
    """The fusion of all streams of a method from a seed, which learns from unseen clips.

    runs: those of the streams, in the method's order
    """

    runs: tuple[Run, ...]

    @property
    def method(self) -> str:
        """The name of the method."""
        return self.runs[0].method

    @property
    def seed(self) -> int:
        """The seed of all its runs."""
        return self.runs[0].seed

    @property
    def kind(self) -> str:
        """`ensemble.kind`."""
        return self.runs[0].params.ensemble.kind

    @property
    def title(self) -> str:
        """Names the fusion in messages."""
        return f"{self.method} all streams, seed {self.seed}"

    @property
    def unseen(self) -> list[Run]:
        """The runs that score clips on which they were not trained: of each stream, one a fold."""
        return [each for run in self.runs for each in unseen_runs(run)]

    @property
    def further(self) -> list[Run]:
        """Those of them that take a training of their own."""
        return [run for run in self.unseen if run.unseen]  # held-out clips take none


def unseen_runs(run: Run) -> list[Run]:
    """The runs that score the unseen clips for the stream of a run."""
    folds = range(1, run.params.ensemble.folds + 1) or [HELD_OUT]
    return [replace(run, unseen=number) for number in folds]


def learned_fusions(runs: list[Run]) -> list[LearnedFusion]:
    """The fusions that learn among these runs, where all streams of a method are trained.

    From some seeds only its first one is: see `Comparison.ensemble_seeds`.
    """
    of_seeds: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        if run.params.ensemble.learns:
            of_seeds.setdefault((run.method, run.seed), []).append(run)
    return [LearnedFusion(tuple(streams)) for streams in of_seeds.values() if len(streams) > 1]
