"""Gradients agree with finite differences, in double precision and in every network.

MS-G3D has no reference gradients: its published backward pass runs on no current PyTorch.
"""

import pytest
import torch

from brl.clips.layout import Layout
from brl.models.common.build import build
from tests.test_networks import NAMES, model_params

STEP = 1e-7
TINY = Layout(
    name="tiny", parents=(0, 0, 1, 0, 3), mirror_pairs=((1, 3), (2, 4)), upper_body=(1, 2)
)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_finite_differences(name):
    torch.manual_seed(0)
    model = build(model_params(name, base_channels=8, blocks=[1, 1]), TINY, 3, 4, 1).double()
    clips = torch.randn(2, 1, 6, 5, 3, dtype=torch.float64)
    present = torch.ones(2, 1, dtype=torch.bool)
    direction_of_logits = torch.randn(2, 4, dtype=torch.float64)
    with torch.no_grad():  # at their initial zeros, some parameters hide the gradients of others
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))

    def loss() -> torch.Tensor:
        return (model(clips, present) * direction_of_logits).sum()

    loss().backward()
    compared = 0
    for key, parameter in model.named_parameters():
        direction = torch.randn_like(parameter)
        direction /= direction.norm()
        with torch.no_grad():
            parameter.add_(STEP * direction)
            above = loss()
            parameter.sub_(2 * STEP * direction)
            below = loss()
            parameter.add_(STEP * direction)
        measured = float(above - below) / (2 * STEP)
        if parameter.grad is None:  # a bias before a batch norm
            assert abs(measured) < 1e-6, key
            continue
        assert float((parameter.grad * direction).sum()) == pytest.approx(
            measured, rel=1e-4, abs=1e-6
        ), key
        compared += 1
    assert compared > 20
