"""A small dataset that a narrow network learns in seconds, and trainings on it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from brl.clips.clip import Clip
from brl.clips.layouts import NW_UCLA20
from brl.clips.normalize import Normalization
from brl.clips.store import ClipStore, write_store
from brl.config.params import MethodParams, read_params
from brl.subset.subset import Subset
from brl.training.job import Job
from tests.conftest import STREAMS
from tests.methods import method as method_of

PARAMS = read_params(Path("params.yaml"))
AMPLITUDE = (0.0, 1.5, 6.0)


def swinging_arms() -> list[Clip]:
    """Three classes told apart by how far an arm swings; half of the clips have two bodies."""
    draws = np.random.default_rng(0)
    body = draws.normal(size=(20, 3))
    clips = []
    for number in range(36):
        bodies, frames = 1 + number % 2, int(draws.integers(5, 30))
        joints = np.tile(body, (bodies, frames, 1, 1)) + 0.01 * draws.normal(size=(20, 3))
        label = number % 3
        joints[:, :, 5:8, 1] += AMPLITUDE[label] * np.sin(np.arange(frames))[:, None]
        clips.append(Clip(f"c{number:02d}", label, joints.astype(np.float32)))
    return clips


def stored(folder: Path, clips: list[Clip]) -> ClipStore:
    """A store in which all but the last twelve clips are for training."""
    write_store(
        folder,
        clips,
        dataset="t",
        layout=NW_UCLA20,
        classes=("first", "second", "third"),
        splits=lambda names: {"half": {"train": names[:-12], "test": names[-12:]}},
        normalization=Normalization("none"),
    )
    return ClipStore.open(folder)


def training_part(store: ClipStore) -> Subset:
    clips = store.part("half", "train")
    return Subset(clips, np.bincount(store.labels[clips], minlength=len(store.classes)))


def job(
    stream: str = "joint",
    method: MethodParams | None = None,
    head: str = "linear",
    blocks: list[int] | None = None,
    **changes: object,
) -> Job:
    """Cross-entropy if not told otherwise; changes: of the section `train`.

    The network is that of the default parameters, or the one that the method takes.
    """
    method = method or method_of()
    network = "dgstgcn" if method.prototypes else PARAMS.model.name
    model = {"name": network, "base_channels": 6, "blocks": blocks, "head": head}
    train = {
        "warmup": 0.0,
        "epochs": 4,
        "passes": 2,
        "batch_size": 8,
        "clip_len": 8,
        "precision": "float32",
        "augment": PARAMS.train.augment.model_copy(
            update={"rotation": [0.0, 0.0, 0.0], "scale": 0.0}
        ),
    }
    return Job(
        stream=replace(STREAMS[stream], lr=0.05),
        seed=0,
        model=PARAMS.model.model_copy(update=model),
        method=method,
        train=PARAMS.train.model_copy(update=train | changes),
    )


def with_lr(job: Job, lr: float) -> Job:
    """The job with another peak learning rate."""
    return replace(job, stream=replace(job.stream, lr=lr))


class Interrupted(Exception):
    """Ends a training."""


def interrupting(epoch: int) -> Callable[[dict[str, float]], None]:
    """An `on_epoch` that ends the training after an epoch, counted from 1."""

    def interrupt(row: dict[str, float]) -> None:
        if row["epoch"] == epoch:
            raise Interrupted

    return interrupt
