"""The cases that benchmarks/training.py compares: `python -m benchmarks.training_steps CASE`.

CASE is TASK-BODIES-PATH, for example `train-1-ours`. TASK is `train`, `predict` or `batch`; PATH is
one of `PATHS` or the name of a network. Clips are generated, with NTU's shape, recipe and number of
classes. Prints `ready`; then, for each line that it reads, runs one more turn and prints its
seconds.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Generator, nn
from torch.nn import functional as F

from benchmarks.baseline import PlainSTGCNpp
from benchmarks.generated import PUBLISHED_WIDTHS, store_in
from brl.config.params import Params, read_params
from brl.config.presets import apply_preset
from brl.models.common.network import Network, Shape
from brl.prediction import predict
from brl.streams.device import arithmetic, best_device, keep_freed_memory
from brl.streams.inputs import Inputs
from brl.streams.stream import Stream
from brl.streams.weights import Recipe, Trained
from brl.training.loop import sgd

TEST_CLIPS = 6  # with ten views each, about a batch
STEPS, BATCHES = 3, 50  # per turn
# Each path's model.absent_bodies and precision. The first one is computed by PlainSTGCNpp.
PATHS = {
    "baseline": ("pad", "float32"),
    "rearranged": ("pad", "float32"),
    "present": ("skip", "float32"),
    "ours": ("skip", "bfloat16"),
}


def params_of(path: str, folder: Path) -> Params:
    """The parameters of NTU's preset, changed to one of the paths."""
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


def network(path: str, recipe: Recipe) -> Network:
    """The network of a path, with initial weights from seed 0."""
    torch.manual_seed(0)
    if path != "baseline":
        keep_freed_memory()  # as in training
        return recipe.build()
    layout, channels = recipe.seen_layout, recipe.seen_channels
    shape = Shape(layout, channels, recipe.max_bodies, recipe.model.base_channels)
    return cast(Network, PlainSTGCNpp(shape, len(recipe.classes)))  # is called like one


def train_turn(params: Params, inputs: Inputs, model: nn.Module) -> Callable[[], None]:
    """A turn of training steps: batch, forward pass, gradients, update."""
    device, generator = best_device(), Generator(best_device())
    optimizer = sgd(list(model.parameters()), params.train)
    indices = torch.arange(params.train.batch_size)
    labels = inputs.labels[indices].to(device)

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
    """A turn of many training batches, as one takes only a millisecond or two."""
    generator = Generator(best_device())
    indices = torch.arange(params.train.batch_size)

    def turn() -> None:
        for _ in range(BATCHES):
            inputs.train_batch(indices, generator)

    return turn


def turn_of(task: str, bodies: int, path: str, folder: Path) -> Callable[[], None]:
    """The turn of a case; `folder` takes its clips and parameters."""
    store, params = store_in(folder), params_of(path, folder)
    chosen = np.flatnonzero(store.bodies == bodies)
    recipe = Recipe.on(
        store, stream=Stream.of(params, "joint"), model=params.model, train=params.train
    )
    inputs = recipe.inputs(store, chosen, best_device())
    if task == "batch":
        return batch_turn(params, inputs)
    model = network(path, recipe).to(best_device())
    if task == "train":
        return train_turn(params, inputs, model.train())
    trained = Trained(recipe, model)

    def test_turn() -> None:
        predict(trained, store, chosen[:TEST_CLIPS], params.predict)

    return test_turn


def main(task: str, bodies: int, path: str) -> None:
    """Runs a turn for each line of the standard input."""
    with tempfile.TemporaryDirectory() as folder:
        turn = turn_of(task, bodies, path, Path(folder))
        for _ in range(2):  # warm up memory and caches
            turn()
        print("ready", flush=True)
        for _ in sys.stdin:
            started = time.perf_counter()
            turn()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    task, bodies, path = sys.argv[1].split("-")
    main(task, int(bodies), path)
