"""A published run computed again: what came out then and now, and why it may differ."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy import stats

from brl.comparison.data import Data
from brl.comparison.kept import Kept
from brl.comparison.made import present_code
from brl.comparison.plan import Run
from brl.comparison.run import scores_of
from brl.pretraining.encoder import Pretraining, pretrain
from brl.scores.scores import Scores
from brl.tracking.machine import surroundings
from brl.training.loop import train_stream

# Facts of a training that do not change its numbers.
HARMLESS = ("git.commit", "mlflow")
LEVEL = 0.99


@dataclass(frozen=True)
class Published:
    """A run whose scores a report keeps.

    made_by  what is noted of its training: code, machine, arithmetic, `seconds`
    others   top-1 accuracies in % of the method's other seeds
    """

    run: Run
    scores: Scores
    made_by: list[dict[str, str]]
    others: list[float]

    @classmethod
    def find(cls, report: Path, runs: list[Run], data: Data) -> "Published | None":
        """The first of the runs that a report keeps with the present parameters and clips."""
        kept, files = Kept.read(report), [data.scores_file(run).stem for run in runs]
        found = [
            (run, kept.of(key, data.store.names[data.parts(run)[1]]), kept.listed[key])
            for run, key in zip(runs, files, strict=True)
            if key in kept.numbers
        ]
        if not found:
            return None
        run, scores, listed = found[0]
        others = [top1(each) for _, each, _ in found[1:]]
        return cls(run, scores, listed["trained_by"], others)

    @property
    def minutes(self) -> float:
        """The processor time of the training; NaN if it is not noted."""
        return sum(float(line.get("seconds", "nan")) for line in self.made_by) / 60

    def differences(self) -> dict[str, tuple[str, str]]:
        """Facts that can change the numbers: then and now, where they differ."""
        now = surroundings(train=self.run.params.train.precision)
        then = {name: value for line in self.made_by for name, value in line.items()}
        pairs = {
            name: (then.get(name, "not recorded"), value)
            for name, value in now.items()
            if name not in HARMLESS
        }
        code = present_code([self.run])[self.run.network].of_training(self.run)
        pairs["code"] = (then.get("code", "not recorded"), code)
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def expected(self) -> tuple[float, float] | None:
        """Within which top-1 another seed would be expected, in %; None with fewer than three.

        The prediction interval of Student's t at 99 %, over all seeds of the row.
        """
        tops = np.array([top1(self.scores), *self.others])
        if len(tops) < 3:
            return None
        reach = stats.t.ppf((1 + LEVEL) / 2, len(tops) - 1) * np.sqrt(1 + 1 / len(tops))
        middle, width = tops.mean(), reach * tops.std(ddof=1)
        return float(middle - width), float(middle + width)


def compute_again(run: Run, data: Data) -> Scores:
    """Trains a run from the start, with nothing that is there already, and scores it."""
    training = data.parts(run)[0]
    with TemporaryDirectory() as folder:
        start = None
        if run.job.pretrain:
            clips, encoder = data.pretraining_clips(run), Path(folder) / "encoder.pt"
            before, _ = pretrain(Pretraining.of(run.job), data.store, clips, encoder)
            start = before.model.backbone.state_dict()
        checkpoint = Path(folder) / "training.pt"
        trained, _ = train_stream(run.job, data.store, training, checkpoint, start=start)
    return scores_of(run, trained, data)


def top1(scores: Scores) -> float:
    """Top-1 accuracy in %."""
    return float(100 * scores.predictions.correct.mean())
