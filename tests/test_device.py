"""Code for GPUs, as far as it can be tested without one."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from brl.clips.layouts import NTU25
from brl.models.common.build import build
from brl.streams.device import on_host, resident
from tests.test_networks import NAMES, model_params


def test_data_move_to_the_device_if_they_leave_half_of_it_free(monkeypatch):
    rows = torch.zeros(100)
    device = torch.device("meta")  # any device but the CPU
    for free, stays in ((800, True), (799, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _, free=free: (free, 10_000))
        assert resident(rows, device).is_meta is stays
    assert resident(rows, torch.device("cpu")) is rows


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_of_a_training_step_is_on_the_networks_device(name, monkeypatch):
    """The device `meta` computes nothing, but refuses tensors of another device as a GPU does."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # `meta` has no autocast
    network = build(model_params(name, base_channels=8), NTU25, 3, 4, max_bodies=1).to("meta")
    clips = torch.zeros(2, 1, 16, 25, 3, device="meta")
    logits = network(clips, torch.ones(2, 1, dtype=torch.bool, device="meta"))
    assert logits.is_meta
    logits.sum().backward()
    with pytest.raises(RuntimeError, match="device"):
        network(torch.zeros(2, 1, 16, 25, 3), torch.ones(2, 1, dtype=torch.bool))


def test_what_the_program_draws_follows_from_the_state_of_a_gpus_generator():
    def drawn(seed: int, moved: int) -> float:
        state = torch.tensor([seed, moved]).view(torch.uint8)
        on_gpu: Any = SimpleNamespace(device=torch.device("cuda"), get_state=lambda: state)
        return float(torch.rand((), generator=on_host(on_gpu)))

    assert drawn(0, 0) == drawn(0, 0)
    assert len({drawn(0, 0), drawn(1, 0), drawn(0, 4)}) == 3


def test_on_the_cpu_there_is_one_generator():
    generator = torch.Generator()
    assert on_host(generator) is generator
