"""Every network agrees with its published implementation, on every layout of the reference."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from brl.models import build
from brl.models.network import Network
from brl.params import ModelParams
from brl.skeleton import COCO17, NTU25, NW_UCLA20
from tests.conftest import shared

NAMES = get_args(ModelParams.model_fields["name"].annotation)
LAYOUTS = {"nturgbd": NTU25, "nw_ucla": NW_UCLA20, "coco": COCO17}
# Our names, where the reference's files have another.
FILES = {"stgcn": "stgcn_vanilla", "stgcnpp": "stgcn"}
WIDTHS = {"msg3d": 18, "dgstgcn": 16}
# There is no such file.
MISSING = {("dgstgcn", "nw_ucla")}
ROUNDING = 1e-5


def model_params(name: str, **changes: object) -> ModelParams:
    values = {"base_channels": WIDTHS.get(name, 12), "blocks": None, "absent_bodies": "skip"}
    return ModelParams.model_validate({"name": name} | values | changes)


def parameters_of(network: Network) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture(
    params=[(n, lay) for n in NAMES for lay in LAYOUTS if (n, lay) not in MISSING],
    ids="-".join,
)
def reference(request):
    """The reference arrays, and our network carrying the reference weights."""
    name, layout = request.param
    arrays = np.load(shared(f"reference/backbones/{FILES.get(name, name)}_{layout}.npz"))
    clips = torch.from_numpy(arrays["input"])
    model = build(model_params(name), LAYOUTS[layout], clips.shape[-1], 10, clips.shape[1])
    state = {
        key.removeprefix("state/"): torch.from_numpy(arrays[key])
        for key in arrays.files
        if key.startswith("state/") and key != "state/backbone.A"  # which nothing uses
    }
    model.load_state_dict(state, strict=True)
    return arrays, model, clips, torch.ones(clips.shape[:2], dtype=torch.bool)


def assert_agrees(ours: torch.Tensor, theirs: np.ndarray) -> None:
    error = np.abs(ours.detach().numpy() - theirs)
    assert (error <= 1e-4 * np.maximum(1, np.abs(theirs))).all(), f"largest error {error.max()}"


def test_features_and_logits_in_eval_mode(reference):
    arrays, model, clips, present = reference
    model.eval()
    assert_agrees(model.features(clips, present), arrays["feature_mean_eval"])
    assert_agrees(model(clips, present), arrays["logits_eval"])


def test_logits_in_train_mode(reference):
    arrays, model, clips, present = reference
    model.train()
    assert_agrees(model(clips, present), arrays["logits_train"])


def test_gradient_norms(reference):
    """All gradient norms agree, on inputs moved by no more than float32 rounding.

    A gradient jumps where a ReLU's input is within rounding of zero, so which side the reference
    took depends on the order of its additions. In double precision, one of a few inputs a
    rounding apart must lie on the reference's side of every such jump at once.
    """
    arrays, model, clips, present = reference
    if not any(name.startswith("grad_norm/") for name in arrays.files):
        pytest.skip("the reference has no gradients: see the finite differences below")
    model.double().train()
    labels = torch.from_numpy(arrays["labels"])
    disagreements = []
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(clips.shape, generator=generator, dtype=torch.float64)
        nearby = clips.double() * (1 + 1e-7 * seed * noise)
        model.zero_grad()
        F.cross_entropy(model(nearby, present), labels).backward()
        errors = []
        for name, parameter in model.named_parameters():
            theirs = float(arrays[f"grad_norm/{name}"])
            if theirs < ROUNDING:  # a bias before a batch norm: its true gradient is zero
                assert parameter.grad is None or parameter.grad.norm() < ROUNDING, name
            else:
                errors.append(abs(float(parameter.grad.norm()) - theirs) / theirs)
        assert len(errors) >= 90
        disagreements.append((max(errors), float(np.median(errors))))
    assert any(worst <= 1e-2 and half <= 1e-4 for worst, half in disagreements), disagreements
