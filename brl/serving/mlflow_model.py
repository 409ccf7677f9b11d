"""What `make repro` trained, as a model in MLflow: `brl model [--register NAME]`."""

from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from brl.clips.store import ClipStore
from brl.config.params import read_params
from brl.serving.recognizer import ARTIFACT, Recognizer
from brl.support.files import sha256
from brl.support.paths import STORE, tested_weights
from brl.tracking import runs as tracking
from brl.tracking.store import tracking_uri

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

# What brl.serving.served imports, and those import.
NEEDED = ("mlflow", "numpy", "pandas", "pydantic", "pyyaml", "safetensors", "torch", "tqdm")
TAKES = "One recording, joints as recorded: T x V x K, or M x T x V x K; any length."


def an_example(store: ClipStore, split: str) -> np.ndarray:
    """A test clip, (M, T, V, K)."""
    clip = store.part(split, "test")[0]
    frames, bodies = int(store.frames[clip]), int(store.bodies[clip])
    rows = store.rows[store.starts[clip] :][: frames * bodies]
    return np.array(rows).reshape(bodies, frames, *rows.shape[1:])


def signature(classes: list[str]) -> "ModelSignature":
    """Any array, for two shapes are taken, to a column of probabilities a class."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    inputs = Schema([TensorSpec(np.dtype("O"), (-1,))])
    return ModelSignature(inputs, Schema([ColSpec(DataType.double, name) for name in classes]))


def requirements() -> list[str]:
    """The versions at hand, without what only a local build says (torch 2.13.0+cpu)."""
    return [f"{name}=={version(name).split('+')[0]}" for name in NEEDED]


def log(recognizer: Recognizer, run_id: str, example: np.ndarray, register: str | None) -> str:
    """Adds the model to a run and gives its address; register: its name in MLflow's registry."""
    import mlflow

    with TemporaryDirectory() as folder, mlflow.start_run(run_id):
        kept = Path(folder) / ARTIFACT
        recognizer.save(kept)
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=Path(__file__).with_name("served.py"),
            artifacts={ARTIFACT: str(kept)},
            signature=signature(recognizer.classes),
            input_example=example,
            pip_requirements=requirements(),
            code_paths=[str(Path(__file__).parents[1])],
            metadata={"takes": TAKES},
            registered_model_name=register,
        )
    return logged.model_uri


def log_project(register: str | None) -> None:
    """Logs what `make repro` trained, and prints how to load and serve it."""
    params = read_params()
    recognizer = Recognizer.of_project(params)
    digests: dict[str, str] = {stream: sha256(tested_weights(stream)) for stream in params.streams}
    run_id = tracking.find_pipeline(tracking.pipeline_digest(digests, params))
    example = an_example(ClipStore.open(STORE), params.dataset.split)
    address = log(recognizer, run_id, example, register)
    print(
        f"{address}\n  load it: mlflow.pyfunc.load_model({address!r})\n"
        f"  serve it: MLFLOW_TRACKING_URI={tracking_uri()} "
        f"mlflow models serve --env-manager local -m {address}"
    )
