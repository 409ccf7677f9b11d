"""Logs the trained streams as a model in MLflow: `brl model [--register NAME]`."""

from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from brl.clips.store import ClipStore
from brl.config.params import read_params
from brl.serving.recognizer import ARTIFACT, Recognizer
from brl.serving.registry import described_version
from brl.support.addresses import without_passwords
from brl.support.files import sha256
from brl.support.paths import STORE, tested_weights
from brl.tracking import runs as tracking
from brl.tracking.store import tracking_uri

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

# The packages that brl.serving.served imports, directly or indirectly.
PACKAGES = ("mlflow", "numpy", "pandas", "pydantic", "pyyaml", "safetensors", "torch", "tqdm")
TAKES = "One recording, joints as recorded: T x V x K, or M x T x V x K; any length."


def example_clip(store: ClipStore, split: str) -> np.ndarray:
    """The first test clip of a split, (M, T, V, K)."""
    return store.joints(store.part(split, "test")[0])


def signature(classes: list[str]) -> "ModelSignature":
    """The signature: an array of any shape to one column of probabilities per class."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    inputs = Schema([TensorSpec(np.dtype("O"), (-1,))])
    return ModelSignature(inputs, Schema([ColSpec(DataType.double, name) for name in classes]))


def requirements() -> list[str]:
    """Installed versions, without local version labels such as +cpu, which no index has."""
    return [f"{name}=={version(name).split('+')[0]}" for name in PACKAGES]


def log(recognizer: Recognizer, run_id: str, example: np.ndarray, register: str | None) -> str:
    """Adds the model to a run and returns its URI; register: a name in MLflow's registry."""
    import mlflow

    with TemporaryDirectory() as folder, mlflow.start_run(run_id):
        saved = Path(folder) / ARTIFACT
        recognizer.save(saved)
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=Path(__file__).with_name("served.py"),
            artifacts={ARTIFACT: str(saved)},
            signature=signature(recognizer.classes),
            input_example=example,
            pip_requirements=requirements(),
            code_paths=[str(Path(__file__).parents[1])],
            metadata={"takes": TAKES},
            registered_model_name=register,
        )
    return described_version(register, logged, run_id) if register else logged.model_uri


def log_project(register: str | None) -> None:
    """Logs the trained streams as a model, and prints how to load and serve it."""
    params = read_params()
    recognizer = Recognizer.of_project(params)
    digests: dict[str, str] = {stream: sha256(tested_weights(stream)) for stream in params.streams}
    run_id = tracking.find_pipeline(tracking.pipeline_digest(digests, params))
    example = example_clip(ClipStore.open(STORE), params.dataset.split)
    uri = log(recognizer, run_id, example, register)
    print(
        f"{uri}\n  load it: mlflow.pyfunc.load_model({uri!r})\n"
        f"  serve it: MLFLOW_TRACKING_URI={without_passwords(tracking_uri())} "
        f"mlflow models serve --env-manager local -m {uri} -p 5001"
    )
