"""The recognizer as an MLflow model; MLflow runs this file to load it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from brl.datasets.arrays import as_joints
from brl.datasets.ranges import check_range
from brl.serving.recognizer import ARTIFACT, Recognizer


class Served(PythonModel):
    """Maps a raw recording (T, V, K) or (M, T, V, K) to one row of class probabilities.

    The table has one column per class. 2D joints must be in the image frame, from -1 to 1.
    """

    def load_context(self, context: Any) -> None:
        """Loads the recognizer; MLflow calls it before the first prediction."""
        self.recognizer = Recognizer.load(Path(context.artifacts[ARTIFACT]))

    # MLflow would turn a type hint of the input into a signature.
    def predict(self, model_input) -> pd.DataFrame:  # type: ignore[no-untyped-def, override]
        """Class probabilities of one recording."""
        # From JSON, MLflow makes an array of objects.
        joints = np.asarray(model_input, dtype=np.float32)
        recording = as_joints(joints, self.recognizer.recipe.layout, "input")
        check_range(recording, self.recognizer.recipe.layout.dimensions, "input")
        probabilities = self.recognizer.probabilities([recording])
        return pd.DataFrame(probabilities.astype(float), columns=self.recognizer.classes)


set_model(Served())
