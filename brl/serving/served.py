"""The recognizer as MLflow loads and serves it: MLflow runs this file."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from brl.datasets.arrays import as_joints
from brl.serving.recognizer import ARTIFACT, Recognizer


class Served(PythonModel):
    """One recording, joints as recorded (T, V, K) or (M, T, V, K), to a row of probabilities, a
    column a class. Joints in an image: in its frame, -1 to 1 from edge to edge."""

    def load_context(self, context: Any) -> None:
        """MLflow: before the first prediction."""
        self.recognizer = Recognizer.load(Path(context.artifacts[ARTIFACT]))

    # MLflow would take a hint at what comes in for the signature.
    def predict(self, context, model_input, params=None) -> pd.DataFrame:  # type: ignore[no-untyped-def]
        """MLflow: a recording."""
        # JSON arrives as an array of objects.
        joints = np.asarray(model_input, dtype=np.float32)
        recording = as_joints(joints, self.recognizer.recipe.layout, "input")
        probabilities = self.recognizer.probabilities([recording])
        return pd.DataFrame(probabilities.astype(float), columns=self.recognizer.classes)


set_model(Served())
