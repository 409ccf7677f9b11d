"""What benchmarks/training.py compares, one a process: `python -m benchmarks.training_steps CASE`.

CASE is WHAT-BODIES-PATH, `train-1-ours` say; a network's name is a path too. Clips are generated,
with NTU's shape, recipe and number of classes. Says `ready`, then for each line it reads how many
seconds one more turn took.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Generator, nn
from torch.nn import functional as F

from benchmarks.baseline import PlainSTGCNpp
from brl.clips.clip import Clip
from brl.clips.layout import NTU25
from brl.clips.normalize import Normalization
from brl.clips.store import ClipStore, write_store
from brl.config.params import Params, read_params
from brl.config.presets import apply_preset
from brl.models.common.network import Shape
from brl.prediction import predict
from brl.streams.device import arithmetic, best_device, keep_freed_memory
from brl.streams.inputs import Inputs
from brl.streams.stream import Stream
from brl.streams.weights import Recipe, Trained
from brl.training.loop import sgd

CLASSES = tuple(map(str, range(60)))
CLIPS = 64  # of each number of bodies
LENGTH = 100
TEST_CLIPS = 6  # by ten views: about a batch
STEPS, BATCHES = 3, 50  # a turn
# How a path computes: model.absent_bodies, precision. The first one has a network of its own.
PATHS = {
    "baseline": ("pad", "float32"),
    "rearranged": ("pad", "float32"),
    "present": ("skip", "float32"),
    "ours": ("skip", "bfloat16"),
}
PUBLISHED_WIDTHS = {"msg3d": 96}  # all others: the preset's


def store_in(folder: Path) -> ClipStore:
    """Clips of one body, then as many of two."""
    draws = np.random.default_rng(0)
    clips = [
        Clip(
            f"{bodies}-{number}", number % len(CLASSES), draws.normal(size=(bodies, LENGTH, 25, 3))
        )
        for bodies in (1, 2)
        for number in range(CLIPS)
    ]
    write_store(
        folder / "store",
        clips,
        dataset="generated",
        layout=NTU25,
        classes=CLASSES,
        splits=lambda names: {"all": {"train": names[:1], "test": names[1:]}},
        normalization=Normalization("none"),
    )
    return ClipStore.open(folder / "store")


def params_of(path: str, folder: Path) -> Params:
    """NTU's recipe, computed on one of the paths."""
    shutil.copy("params.yaml", folder)
    apply_preset("ntu60_xsub", folder / "params.yaml")
    params = read_params(folder / "params.yaml")
    name = "stgcnpp" if path in PATHS else path
    absent_bodies, precision = PATHS.get(path, PATHS["ours"])
    width = PUBLISHED_WIDTHS.get(name, params.model.base_channels)
    chosen = {
        "name": name, "base_channels": width, "blocks": None, "absent_bodies": absent_bodies
    }  # fmt: skip
    changes = {
        "model": params.model.model_copy(update=chosen),
        "train": params.train.model_copy(update={"precision": precision}),
        "predict": params.predict.model_copy(update={"precision": precision}),
    }
    return params.model_copy(update=changes)


def network(path: str, recipe: Recipe) -> nn.Module:
    torch.manual_seed(0)
    if path != "baseline":
        keep_freed_memory()  # as a training does
        return recipe.build()
    shape = Shape(recipe.layout, recipe.channels, recipe.max_bodies, recipe.model.base_channels)
    return PlainSTGCNpp(shape, len(recipe.classes))


def train_turn(params: Params, inputs: Inputs, model: nn.Module) -> Callable[[], None]:
    """Training steps, one after the other: batch, network, gradients, weights."""
    device, generator = best_device(), Generator(best_device())
    optimizer = sgd(list(model.parameters()), params.train)
    indices = torch.arange(params.train.batch_size, device=device)
    labels = inputs.labels[indices]

    def turn() -> None:
        for _ in range(STEPS):
            clips, present = inputs.train_batch(indices, generator)
            for group in optimizer.param_groups:
                group["lr"] = params.train.lr
            with arithmetic(params.train.precision, device):
                logits = model(clips, present).float()
            optimizer.zero_grad()
            F.cross_entropy(logits, labels).backward()
            optimizer.step()

    return turn


def batch_turn(params: Params, inputs: Inputs) -> Callable[[], None]:
    """Training batches, many: one takes no longer than a millisecond or two."""
    generator = Generator(best_device())
    order = torch.arange(params.train.batch_size, device=best_device())

    def turn() -> None:
        for _ in range(BATCHES):
            inputs.train_batch(order, generator)

    return turn


def turn_of(what: str, bodies: int, path: str, folder: Path) -> Callable[[], None]:
    store, params = store_in(folder), params_of(path, folder)
    chosen = np.flatnonzero(store.bodies == bodies)
    recipe = Recipe.on(
        store, stream=Stream.of(params, "joint"), model=params.model, train=params.train
    )
    inputs = recipe.inputs(store, chosen, best_device())
    if what == "batch":
        return batch_turn(params, inputs)
    model = network(path, recipe).to(best_device())
    if what == "train":
        return train_turn(params, inputs, model.train())
    return partial(
        predict, Trained(recipe, model), store, chosen[:TEST_CLIPS], params.predict
    )  # fmt: skip


def main(what: str, bodies: int, path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        turn = turn_of(what, bodies, path, Path(folder))
        for _ in range(2):  # memory and caches as they will be
            turn()
        print("ready", flush=True)
        for _ in sys.stdin:
            started = time.perf_counter()
            turn()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    what, bodies, path = sys.argv[1].split("-")
    main(what, int(bodies), path)
