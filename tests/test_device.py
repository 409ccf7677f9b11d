"""Code for GPUs, as far as it can be tested without one."""

from contextlib import nullcontext

import pytest
import torch

from brl.clips.layouts import NTU25
from brl.models.common.build import build
from brl.streams.device import resident
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
