"""ST-GCN++ agrees with the published implementation, on every layout of the reference."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from brl.models import build
from brl.skeleton import COCO17, NTU25, NW_UCLA20
from tests.conftest import shared

LAYOUTS = {"nturgbd": NTU25, "nw_ucla": NW_UCLA20, "coco": COCO17}
ROUNDING = 1e-5


@pytest.fixture(params=LAYOUTS)
def reference(request):
    """The reference arrays, and our network carrying the reference weights."""
    arrays = np.load(shared(f"reference/backbones/stgcn_{request.param}.npz"))
    clips = torch.from_numpy(arrays["input"])
    model = build("stgcnpp", LAYOUTS[request.param], clips.shape[-1], 10, base_channels=12)
    state = {
        key.removeprefix("state/"): torch.from_numpy(arrays[key])
        for key in arrays.files
        if key.startswith("state/")
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
            ours, theirs = float(parameter.grad.norm()), float(arrays[f"grad_norm/{name}"])
            if theirs < ROUNDING:  # a bias before a batch norm: its true gradient is zero
                assert ours < ROUNDING, name
            else:
                errors.append(abs(ours - theirs) / theirs)
        assert len(errors) > 150
        disagreements.append((max(errors), float(np.median(errors))))
    assert any(worst <= 1e-2 and half <= 1e-4 for worst, half in disagreements), disagreements


def test_fresh_adjacency_is_the_spatial_partition():
    """Every column of the inward and outward subsets sums to one or receives nothing."""
    for layout in LAYOUTS.values():
        model = build("stgcnpp", layout, 3, 5, base_channels=12)
        identity, inward, outward = model.backbone.gcn[0].gcn.A.detach()
        assert torch.equal(identity, torch.eye(layout.num_joints))
        assert ((inward > 0) == (outward > 0).T).all()
        for subset in (inward, outward):
            received = subset.sum(dim=0)
            assert torch.all(torch.isclose(received, torch.ones(())) | (received == 0))


def test_absent_bodies_change_nothing():
    """A clip's logits do not depend on what lies in the slot of a body that is not there."""
    torch.manual_seed(0)
    model = build("stgcnpp", NTU25, 3, 5, base_channels=12).eval()
    clips = torch.randn(3, 2, 16, 25, 3)
    present = torch.tensor([[True, True], [True, False], [False, True]])
    other = torch.where(present[:, :, None, None, None], clips, torch.randn_like(clips))
    torch.testing.assert_close(model(clips, present), model(other, present))
    alone = model(clips[1:2, :1], present[1:2, :1])
    torch.testing.assert_close(model(clips, present)[1:2], alone)


def test_ten_blocks_double_twice():
    model = build("stgcnpp", NTU25, 3, 60, base_channels=64)
    x = torch.randn(1, 64, 25, 3)
    assert model.backbone(x).shape == (1, 256, 16, 25)
    # 1.40 M parameters: the figure of arXiv 2205.09443, table 3.
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == 1.4
