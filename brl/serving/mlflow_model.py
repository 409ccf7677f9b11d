"""Logs the trained streams as a model in MLflow: `brl model [--register NAME]`."""

from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from brl.clips.store import ClipStore
from brl.config.params import read_params
from brl.scores.scores import load_scores
from brl.serving.recognizer import ARTIFACT, Recognizer
from brl.serving.registry import described_version
from brl.support.addresses import without_passwords
from brl.support.errors import UserError
from brl.support.files import sha256
from brl.support.paths import STORE, stream_scores, tested_weights
from brl.tracking.present import find_pipeline
from brl.tracking.store import connect, tracking_uri

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


def check_name(name: str) -> None:
    """Raises UserError if MLflow's registry does not accept a name."""
    from mlflow import MlflowException

    client, _ = connect()
    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "INVALID_PARAMETER_VALUE":
            raise UserError(f"--register {name!r}: {error.message}") from error
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def log(recognizer: Recognizer, run_id: str, example: np.ndarray, register: str | None) -> str:
    """Adds the model to a run and returns its URI; register: a name in MLflow's registry.

    The run stays finished, whatever happens: it is not made the active one.
    """
    import mlflow
    from mlflow.models import Model

    _, experiment_id = connect()
    mlflow.set_experiment(experiment_id=experiment_id)
    with TemporaryDirectory() as folder:
        saved = Path(folder) / ARTIFACT
        recognizer.save(saved)
        logged = Model.log(
            artifact_path=None,
            name="model",
            flavor=mlflow.pyfunc,
            run_id=run_id,
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
    """Logs the trained streams as a model, and prints how to load and serve it.

    Raises UserError if the results in the workspace are of other weights, or not recorded.
    """
    params = read_params()
    recognizer = Recognizer.of_project(params)
    if register is not None:
        check_name(register)
    run_id = find_pipeline(params)
    for stream in params.streams:
        if load_scores(stream_scores(stream)).weights_digest != sha256(tested_weights(stream)):
            raise UserError(f"{stream_scores(stream)}: of other weights; first: make repro")
    example = example_clip(ClipStore.open(STORE), params.dataset.split)
    uri = log(recognizer, run_id, example, register)
    print(
        f"{uri}\n  load it: mlflow.pyfunc.load_model({uri!r})\n"
        f"  serve it: MLFLOW_TRACKING_URI={without_passwords(tracking_uri())} "
        f"mlflow models serve --env-manager local -m {uri} -p 5001"
    )
