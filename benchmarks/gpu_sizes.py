"""How much benchmarks/gpu.py measures, and with which parameters."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.generated import PUBLISHED_WIDTHS
from brl.clips.clip import Clip
from brl.clips.layouts import NW_UCLA20
from brl.clips.normalize import Normalization
from brl.clips.store import ClipStore, write_store
from brl.config.params import Params
from brl.streams.stream import Stream
from brl.streams.weights import Recipe
from brl.subset.subset import Subset

NETWORKS = ("stgcnpp", "stgcn", "aagcn", "ctrgcn", "msg3d", "dgstgcn")
# Clips of Northwestern-UCLA: of each class in the training subset at factor 10, and in the test.
UCLA_TRAINING, UCLA_TEST = (100, 77, 60, 46, 36, 28, 22, 17, 10, 7), 464
UCLA_FRAMES = 40


@dataclass(frozen=True)
class Sizes:
    """How much is measured, and for how long.

    seconds   of each measurement of speed
    compared  clips of one body, and of two, whose answers are compared with the CPU's
    tested    clips of a prediction, with ten views each
    ucla      share of the clips of Northwestern-UCLA, at least one of each class
    model     values that replace the published ones in the section `model`
    compiler  backend of torch.compile
    """

    networks: tuple[str, ...] = NETWORKS
    batches: tuple[int, ...] = (64, 16, 128)
    seconds: float = 1.0
    compared: int = 4
    tested: int = 64
    ucla: float = 1.0
    model: tuple[tuple[str, object], ...] = ()
    compiler: str = "inductor"


FULL = Sizes()
TINY = Sizes(
    networks=("stgcnpp",),
    batches=(2,),
    seconds=0.01,
    compared=1,
    tested=2,
    ucla=0.0,  # a clip of each class
    model=(("base_channels", 8), ("blocks", [1])),
    compiler="eager",
)


def params_of(preset: str, sizes: Sizes, name: str, **train: object) -> Params:
    """The parameters of a preset with a network as published, and the method of params.yaml."""
    content: dict[str, Any] = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    chosen = yaml.safe_load(Path(f"presets/{preset}.yaml").read_text(encoding="utf-8"))
    for section, values in chosen.items():
        content[section] = content[section] | values if isinstance(values, dict) else values
    width = PUBLISHED_WIDTHS.get(name, 64)
    content["model"] |= {"name": name, "base_channels": width, "blocks": None, **dict(sizes.model)}
    content["train"] |= train
    return Params.model_validate(content)


def ntu(sizes: Sizes, name: str, **train: object) -> Params:
    """The parameters of NTU RGB+D 60."""
    return params_of("ntu60_xsub", sizes, name, **train)


def recipe_of(params: Params, store: ClipStore) -> Recipe:
    """The recipe of the joint stream."""
    stream = Stream.of(params, "joint")
    return Recipe.on(store, stream=stream, model=params.model, train=params.train)


def two_bodies(store: ClipStore) -> np.ndarray:
    """The clips (n,) of two bodies."""
    return np.flatnonzero(store.bodies == 2)


def subset_of(store: ClipStore, clips: np.ndarray) -> Subset:
    """Clips (n,) as a training subset."""
    return Subset(clips, np.bincount(store.labels[clips], minlength=len(store.classes)))


def ucla_in(folder: Path, share: float) -> ClipStore:
    """A store of generated clips, as many and as long as those of Northwestern-UCLA."""
    draws, classes = np.random.default_rng(0), range(len(UCLA_TRAINING))
    labels = [c for c in classes for _ in range(max(1, round(share * UCLA_TRAINING[c])))]
    trained = len(labels)
    labels += [number % len(classes) for number in range(max(1, round(share * UCLA_TEST)))]
    write_store(
        folder,
        [
            Clip(f"clip{number}", label, draws.normal(size=(1, UCLA_FRAMES, 20, 3)))
            for number, label in enumerate(labels)
        ],
        dataset="generated",
        layout=NW_UCLA20,
        classes=tuple(map(str, classes)),
        splits=lambda names: {"all": {"train": names[:trained], "test": names[trained:]}},
        normalization=Normalization("none"),
    )
    return ClipStore.open(folder)
