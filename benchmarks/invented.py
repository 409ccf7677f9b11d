"""Generated scores, and the runs of a comparison that has them, for benchmarks/scale.py."""

import numpy as np
import torch
from torch import Tensor, nn

from brl.clips.store import ClipStore
from brl.comparison.data import Data
from brl.comparison.file import Comparison
from brl.comparison.plan import Run, planned_runs
from brl.config.params import read_params
from brl.prediction import probabilities
from brl.scores.scores import Scores, blocks, rounded, save_scores
from brl.support.paths import STORE

CLIPS_AT_ONCE = 8192
ROWS, SEEDS = range(1, 11), [0, 1, 2]  # of the comparison
DIFFERENT = 2  # files of scores in it


class Network(nn.Module):
    """Logits of clips, whose labels it is shown: the rarer a class, the more often it is wrong.

    What is wrong is mostly one of the ten next classes.
    """

    def __init__(self, classes: int, seed: int) -> None:
        super().__init__()
        self.sureness = 8 - 3 * torch.linspace(0, 1, classes)
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, labels: Tensor, _present: Tensor) -> Tensor:
        """(N,) labels to (N, C) logits."""
        classes, rows = len(self.sureness), torch.arange(len(labels))
        logits = torch.randn(len(labels), classes, generator=self.generator)
        near = torch.randint(1, 11, (len(labels),), generator=self.generator)
        logits[rows, (labels + near) % classes] += 5
        logits[rows, labels] += self.sureness[labels]
        return logits


class Labels:
    """Stands for the inputs of a network: a batch is the labels of its clips."""

    device = torch.device("cpu")

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = torch.from_numpy(labels)

    def __len__(self) -> int:
        return len(self.labels)

    def test_batch(self, indices: Tensor, _views: int) -> tuple[Tensor, Tensor]:
        """The labels of clips (N,), twice."""
        return self.labels[indices], self.labels[indices]


def invented(seed: int) -> Scores:
    """Scores of all test clips, collected as those of a network are."""
    params, store = read_params(), ClipStore.open(STORE)
    tested = store.part(params.dataset.split, "test")
    labels, classes = store.labels[tested], len(store.classes)
    at_once = params.predict.model_copy(update={"num_clips": 1, "batch_size": CLIPS_AT_ONCE})
    network, inputs = Network(classes, seed), Labels(labels)
    # Both have the few members that `probabilities` uses.
    shares = probabilities(network, inputs, at_once, classes)  # type: ignore[arg-type]
    return Scores(store.names[tested], labels, shares)


def comparison() -> Comparison:
    """Ten methods from three seeds; the first one has two streams."""
    methods = {
        f"row {n}": {
            "preset": "cross_entropy",
            "settings": {"train.lr": n / 100},
            "streams": ["joint", "bone"] if n == ROWS[0] else ["joint"],
        }
        for n in ROWS
    }
    return Comparison.model_validate(
        {"preset": "scale", "seeds": SEEDS, "settings": {}, "reference": f"row {ROWS[0]}"}
        | {"without_classes": [], "methods": methods}
    )


def planned() -> tuple[Comparison, list[Run], Data]:
    """The comparison, its runs and its clips."""
    compared = comparison()
    return compared, planned_runs(compared, read_params()), Data.read()


def write_scores(runs: list[Run], data: Data) -> None:
    """Writes the scores of all runs; the first ones are different, the others share their files."""
    for number, run in enumerate(runs):
        file = data.scores_file(run)
        if number < DIFFERENT:
            scores = invented(seed=number)
            for rows in blocks(scores.probabilities.shape):
                scores.probabilities[rows] = rounded(scores.probabilities[rows])
            save_scores(file, scores)
        else:
            file.hardlink_to(data.scores_file(runs[number % DIFFERENT]))
