"""Trainings and results to record in MLflow."""

import numpy as np

from brl.config.params import Params
from brl.scores.scores import Scores, save_scores
from brl.support.files import sha256
from brl.support.paths import (
    FUSED_SCORES,
    stream_scores,
    tested_weights,
    trained_weights,
    training_curve,
)
from brl.tracking.description import Description, SubsetRecord, of_training
from tests.tiny import PARAMS

SUBSET = SubsetRecord("t", "digest", {"clips": 3})


def describe(stream: str, params: Params = PARAMS) -> Description:
    return of_training(params, stream, SUBSET)


def write_results(stream: str, labels: list[int], predicted: list[int]) -> None:
    """A stream that was trained and tested: weights, a curve of two epochs, and its scores.

    The scores are also those of the ensemble.
    """
    for file in (trained_weights(stream), tested_weights(stream)):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(stream.encode())
    training_curve(stream).parent.mkdir(exist_ok=True)
    training_curve(stream).write_text("epoch,loss,accuracy,lr\n1,3.0,40.0,0.1\n2,2.0,60.0,0.0\n")
    probabilities = np.full((len(labels), 3), 0.1, dtype=np.float32)
    probabilities[np.arange(len(labels)), predicted] = 0.8
    names = np.array([f"clip{number}" for number in range(len(labels))])
    digest = sha256(tested_weights(stream))
    scores = Scores(names, np.array(labels), probabilities, digest)
    save_scores(stream_scores(stream), scores)
    save_scores(FUSED_SCORES, scores)
