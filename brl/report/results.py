"""The results of an evaluated pipeline, each number computed once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from brl.clips.store import ClipStore
from brl.config.params import Params
from brl.report.data import DataReport
from brl.report.made import Notes
from brl.scores.metrics import Headline, ShotLimits, accuracy_by_class, headline
from brl.scores.scores import Predictions, Scores

ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class Results:
    """The scores of all streams and of their ensemble, and what is known of the clips.

    classes  one row for each class: `class` (its name), `group`, `train_clips`
    streams  scores of each stream
    fused    scores of the ensemble
    curves   training curve of each stream; without rows if the stream was not trained here
    data     what all clips of the dataset are like
    made     what made the outputs of stages, by stage and stream
    """

    params: Params
    classes: pd.DataFrame
    streams: dict[str, Scores]
    fused: Scores
    curves: dict[str, pd.DataFrame]
    store: ClipStore
    data: DataReport
    made: Notes

    @property
    def names(self) -> list[str]:
        """The names of the classes, by label."""
        return self.classes["class"].tolist()

    @property
    def groups(self) -> np.ndarray:
        """The group of each class, (C,): `many`, `medium` or `few`."""
        return self.classes["group"].to_numpy()

    @property
    def shot_limits(self) -> ShotLimits:
        """What separates these groups, in training clips."""
        return ShotLimits.of(self.train_clips, self.params.evaluate)

    @property
    def train_clips(self) -> np.ndarray:
        """Training clips of each class, (C,)."""
        return self.classes["train_clips"].to_numpy()

    @property
    def weights(self) -> dict[str, float]:
        """The streams' weights in the ensemble."""
        return self.params.ensemble.weights

    @property
    def predictions(self) -> dict[str, Predictions]:
        """Predictions of the streams, then of the ensemble."""
        scores = {**self.streams, ENSEMBLE: self.fused}
        return {name: each.predictions for name, each in scores.items()}

    @cached_property
    def headlines(self) -> dict[str, Headline]:
        """Headline numbers of the streams, then of the ensemble, in %."""
        return {name: headline(clips, self.groups) for name, clips in self.predictions.items()}

    @cached_property
    def by_class(self) -> pd.DataFrame:
        """Accuracies in %: one row for each class; a column for each stream and the ensemble."""
        columns = {name: accuracy_by_class(each) for name, each in self.predictions.items()}
        return pd.DataFrame(columns)
