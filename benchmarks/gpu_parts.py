"""The parts of benchmarks/gpu.py. Each yields the rows of a table, as far as its time allows."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Generator

from benchmarks.gpu_budget import NOT_MEASURED, Budget
from benchmarks.gpu_compared import differences
from benchmarks.gpu_sizes import (
    Sizes,
    ntu,
    params_of,
    recipe_of,
    subset_of,
    two_bodies,
    ucla_in,
)
from benchmarks.gpu_steps import (
    Turn,
    computing_seconds,
    memory_of,
    seconds_of,
    static_step,
    step_in_graphs,
    training_step,
    waits_of,
)
from brl.clips.store import ClipStore
from brl.config.params import Params
from brl.prediction import predict
from brl.streams.device import best_device
from brl.streams.weights import Trained
from brl.training.job import Job
from brl.training.loop import train_stream

Row = tuple[str, ...]
WAYS = ("eager", "CUDA graph", "compiled")


@dataclass(frozen=True)
class Part:
    """A table: its title, its columns, the seconds that it may take, and what yields its rows."""

    title: str
    columns: tuple[str, ...]
    seconds: float
    rows: Callable[[Budget, Sizes, ClipStore], Iterator[Row]]


def shown(value: float | str, form: str = "{:.1f}", factor: float = 1.0) -> str:
    """A measured value, or the word that stands in its place."""
    return value if isinstance(value, str) else form.format(factor * value)


def compared(budget: Budget, sizes: Sizes, store: ClipStore) -> Iterator[Row]:
    """What a training step computes here and on the CPU."""
    for name in sizes.networks:
        for precision, graphs in (("float32", False), ("float32", True), ("bfloat16", False)):
            params, number = ntu(sizes, name), sizes.compared
            found = budget.measured(
                f"{name} against the CPU", differences, params, store, number, precision, graphs
            )
            cells = [found, ""] if isinstance(found, str) else [f"{each:.1e}" for each in found]
            yield name, f"{precision}, CUDA graphs" if graphs else precision, *cells


def trained(budget: Budget, sizes: Sizes, store: ClipStore) -> Iterator[Row]:
    """The steps of this project's training, with the method of params.yaml."""
    for batch in sizes.batches:
        for name in sizes.networks:
            measured = partial(budget.measured, f"training {name}, {batch} clips")
            params = ntu(sizes, name, batch_size=batch)
            step = measured(training_step, params, store, two_bodies(store))
            if isinstance(step, str):
                yield name, str(batch), step, *[""] * 6
                continue
            took, computing = measured(seconds_of, step, sizes.seconds), NOT_MEASURED
            if not isinstance(took, str):
                computing = shown(measured(computing_seconds, step), "{:.0f} %", 100 / took)
            waits, memory = measured(waits_of, step), measured(memory_of, step)
            graphs = measured(step_in_graphs, params, store, two_bodies(store))
            replayed = (
                graphs if isinstance(graphs, str) else measured(seconds_of, graphs, sizes.seconds)
            )
            yield (
                name,
                str(batch),
                shown(took, factor=1000),
                took if isinstance(took, str) else f"{batch / took:.0f}",
                computing,
                shown(waits),
                shown(memory),
                shown(replayed, factor=1000),
                replayed if isinstance(replayed, str) else f"{batch / replayed:.0f}",
            )


def in_three_ways(budget: Budget, sizes: Sizes, store: ClipStore) -> Iterator[Row]:
    """A step of static shapes: as it is, as a CUDA graph, and with its network compiled."""
    for name in sizes.networks:
        params, cells = ntu(sizes, name, batch_size=sizes.batches[0]), []
        for way in WAYS:
            measured = partial(budget.measured, f"{way} {name}")
            turn = measured(static_turn, way, params, store, sizes.compiler)
            took = turn if isinstance(turn, str) else measured(seconds_of, turn, sizes.seconds)
            cells.append(shown(took, factor=1000))
        yield name, *cells
        torch.compiler.reset()


def static_turn(way: str, params: Params, store: ClipStore, compiler: str) -> Turn:
    """A step of static shapes on clips of two bodies, in one of the three ways."""
    step = static_step(params, store, two_bodies(store))
    if way == "compiled":
        return step.compiled(compiler)
    return step.as_graph() if way == "CUDA graph" else step.eager


def around(budget: Budget, sizes: Sizes, store: ClipStore) -> Iterator[Row]:
    """Batches alone, and predictions."""
    for batch in sizes.batches:
        params = ntu(sizes, sizes.networks[0], batch_size=batch)
        speed = budget.measured(f"batches of {batch}", batches_speed, params, store, sizes.seconds)
        yield f"building batches of {batch}", shown(speed, "{:.0f}")
    for name in sizes.networks:
        speed = budget.measured(
            f"prediction, {name}", prediction_speed, ntu(sizes, name), store, sizes
        )
        yield f"prediction, {name}, ten views a clip", shown(speed, "{:.0f}")


def batches_speed(params: Params, store: ClipStore, seconds: float) -> float:
    """Clips a second of the making of batches."""
    device, clips = best_device(), two_bodies(store)
    inputs = recipe_of(params, store).inputs(store, clips, device)
    indices, generator = torch.arange(params.train.batch_size) % len(clips), Generator(device)
    return len(indices) / seconds_of(partial(inputs.train_batch, indices, generator), seconds)


def prediction_speed(params: Params, store: ClipStore, sizes: Sizes) -> float:
    """Clips a second of a prediction."""
    clips, recipe = two_bodies(store)[: sizes.tested], recipe_of(params, store)
    trained = Trained(recipe, recipe.build())
    turn = partial(predict, trained, store, clips, params.predict)
    return len(clips) / seconds_of(turn, sizes.seconds)


def end_to_end(budget: Budget, sizes: Sizes, _store: ClipStore) -> Iterator[Row]:
    """Training and test of BRL's six streams, with a network as published."""
    params = params_of("nw_ucla", sizes, "stgcnpp", epochs=1)
    with tempfile.TemporaryDirectory() as folder:
        store = ucla_in(Path(folder) / "store", sizes.ucla)
        for stream in params.streams:
            took = budget.measured(
                f"stream {stream}", stream_seconds, params, stream, store, Path(folder)
            )
            yield stream, shown(took)


def stream_seconds(params: Params, stream: str, store: ClipStore, folder: Path) -> float:
    """Seconds of one epoch of a stream and of its test."""
    subset = subset_of(store, store.part("all", "train"))
    started = time.perf_counter()
    trained, _ = train_stream(Job.of(params, stream), store, subset, folder / f"{stream}.pt")
    scores = predict(trained, store, store.part("all", "test"), params.predict)
    assert np.isfinite(scores).all()
    return time.perf_counter() - started


PARTS = (
    Part(
        "Against the CPU in float32: largest differences, as shares of the largest number",
        ("network", "precision", "logits", "gradients"),
        55,
        compared,
    ),
    Part(
        "Training, clips of two bodies and 64 frames, in bfloat16",
        (
            "network",
            "clips a batch",
            "ms a step",
            "clips/s",
            "GPU computes",
            "waits a step",
            "GB",
            "ms with BRL_CUDA_GRAPHS",
            "clips/s with it",
        ),
        190,
        trained,
    ),
    Part("Around the network", ("what", "clips/s"), 50, around),
    Part(
        "One step in three ways, absent bodies padded, ms",
        ("network", *WAYS),
        80,
        in_three_ways,
    ),
    Part(
        "Six streams of Northwestern-UCLA's size, 64 channels, seconds of one epoch of 24 and test",
        ("stream", "seconds"),
        75,
        end_to_end,
    ),
)
