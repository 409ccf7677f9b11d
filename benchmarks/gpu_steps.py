"""What benchmarks/gpu.py measures: training steps in three ways, and what they are like."""

import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from benchmarks.gpu_budget import need_gpu
from benchmarks.gpu_sizes import recipe_of, subset_of
from brl.clips.store import ClipStore
from brl.config.params import Params
from brl.models.common.network import Network
from brl.streams.device import arithmetic, best_device
from brl.streams.inputs import Inputs
from brl.training.job import Job
from brl.training.loop import Training

Turn = Callable[[], object]
WARM_UP, GROUPS, LOOKED_AT = 3, 3, 5


def training_step(params: Params, store: ClipStore, clips: np.ndarray) -> Turn:
    """One step of a training of the joint stream on the first of some clips (n,)."""
    training = Training(Job.of(params, "joint"), store, subset_of(store, clips))
    training.model.train()
    first = torch.arange(params.train.batch_size) % len(clips)
    return lambda: training._step(first)


def step_in_graphs(params: Params, store: ClipStore, clips: np.ndarray) -> Turn:
    """Like `training_step`, with BRL_CUDA_GRAPHS."""
    need_gpu()
    with patch.dict(os.environ, BRL_CUDA_GRAPHS="1"):
        return training_step(params, store, clips)


class StaticStep:
    """One step whose tensors have the same shapes each time: absent bodies are padded.

    It makes the batch, computes cross-entropy and its gradients, and moves the weights.
    """

    def __init__(self, inputs: Inputs, network: Network, params: Params) -> None:
        assert network.pads
        self.device = inputs.device
        self.network, self.inputs, self.params = network.to(self.device).train(), inputs, params
        self.optimizer = torch.optim.SGD(
            network.parameters(), lr=1e-3, momentum=0.9, nesterov=True, fused=True
        )
        self.generator = Generator(self.device)
        self.indices = torch.arange(params.train.batch_size) % len(inputs)
        self.labels = inputs.labels[self.indices].to(self.device)

    def eager(self) -> None:
        """The step, as PyTorch executes it."""
        self._learn(self.network, *self._batch())

    def compiled(self, backend: str = "inductor") -> Turn:
        """The step with the network compiled; compiles it."""
        network = torch.compile(self.network, dynamic=False, backend=backend)

        def turn() -> None:
            self._learn(network, *self._batch())

        turn()
        return turn

    def as_graph(self) -> Turn:
        """The step with all but the making of the batch as one CUDA graph; captures it."""
        need_gpu()
        clips, present = self._batch()
        clips = clips.clone()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                self._learn(self.network, clips, present)
        torch.cuda.current_stream().wait_stream(aside)
        self.optimizer.zero_grad()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._learn(self.network, clips, present)

        def turn() -> None:
            clips.copy_(self._batch()[0])
            graph.replay()

        return turn

    def _batch(self) -> tuple[Tensor, Tensor]:
        return self.inputs.train_batch(self.indices, self.generator)

    def _learn(
        self, network: Callable[[Tensor, Tensor], Tensor], clips: Tensor, present: Tensor
    ) -> None:
        with arithmetic(self.params.train.precision, self.device):
            logits = network(clips, present).float()
        self.optimizer.zero_grad()
        F.cross_entropy(logits, self.labels).backward()
        self.optimizer.step()


def static_step(params: Params, store: ClipStore, clips: np.ndarray) -> StaticStep:
    """A step of static shapes on clips (n,)."""
    padded = params.model.model_copy(update={"absent_bodies": "pad"})
    recipe = recipe_of(params.model_copy(update={"model": padded}), store)
    torch.manual_seed(0)
    return StaticStep(recipe.inputs(store, clips, best_device()), recipe.build(), params)


def synchronise() -> None:
    """Returns when the GPU, if there is one, has done all its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds_of(turn: Turn, at_least: float) -> float:
    """Seconds of a turn: the median over groups of turns, which take so many seconds in all."""
    for _ in range(WARM_UP):
        turn()
    count = max(1, round(at_least / GROUPS / _seconds(turn, 1)))
    return statistics.median(_seconds(turn, count) for _ in range(GROUPS))


def _seconds(turn: Turn, count: int) -> float:
    """Seconds of one of several turns."""
    synchronise()
    started = time.perf_counter()
    for _ in range(count):
        turn()
    synchronise()
    return (time.perf_counter() - started) / count


def computing_seconds(turn: Turn) -> float:
    """Seconds of a turn in which the GPU executes kernels or copies, by PyTorch's profiler."""
    need_gpu()
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    synchronise()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        for _ in range(LOOKED_AT):
            turn()
        synchronise()
    microseconds = sum(
        event.self_device_time_total
        for event in profiled.key_averages()
        if event.device_type == DeviceType.CUDA and not event.is_user_annotation
    )
    return microseconds / 1e6 / LOOKED_AT


def waits_of(turn: Turn) -> str:
    """How often Python waits for the GPU in a turn, and where in the code; PyTorch tells."""
    need_gpu()
    mode = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            for _ in range(LOOKED_AT):
                turn()
        finally:
            torch.cuda.set_sync_debug_mode(mode)
    waits = [each for each in caught if "synchronizing CUDA operation" in str(each.message)]
    places = sorted({f"{Path(each.filename).name}:{each.lineno}" for each in waits})
    return " ".join([f"{len(waits) / LOOKED_AT:.1f}", *places])


def memory_of(turn: Turn) -> float:
    """GB that PyTorch takes of the GPU's memory in a turn."""
    need_gpu()
    torch.cuda.reset_peak_memory_stats()
    turn()
    return torch.cuda.max_memory_allocated() / 1e9
