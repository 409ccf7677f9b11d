"""Every network agrees with its published implementation, on every layout of the reference."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from brl.clips.layouts import COCO17, NTU25, NW_UCLA20
from brl.config.params import ModelParams, networks_that_see
from brl.models.common.build import build
from tests.reference import shared

NAMES = networks_that_see({"joints"})
LAYOUTS = {"nturgbd": NTU25, "nw_ucla": NW_UCLA20, "coco": COCO17}
# Networks whose reference files have another name.
FILES = {"stgcn": "stgcn_vanilla", "stgcnpp": "stgcn"}
WIDTHS = {"msg3d": 18, "dgstgcn": 16}
# There is no reference file; those of PSUMNet are compared in test_psumnet.py.
MISSING = {
    ("dgstgcn", "nw_ucla"),
    *((name, layout) for name in ("psumnet", "skeletonmae", "deformable3d") for layout in LAYOUTS),
}
ROUNDING = 1e-5


def model_params(name: str, **changes: object) -> ModelParams:
    values = {
        "base_channels": WIDTHS.get(name, 12),
        "blocks": None,
        "absent_bodies": "skip",
        "head": "linear",
    }
    return ModelParams.model_validate({"name": name} | values | changes)


def parameters_of(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


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
        if key.startswith("state/") and key != "state/backbone.A"  # unused
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


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["stgcn", "aagcn", "ctrgcn", "msg3d"])
def test_a_fresh_network_has_the_published_graphs(name, layout):
    """Fixed graphs, and the initial value of learned ones.

    AAGCN's and CTR-GCN's checkpoints hold the latter as `backbone.A`, unused.
    """
    arrays = np.load(shared(f"reference/backbones/{FILES.get(name, name)}_{layout}.npz"))
    channels, bodies = arrays["input"].shape[-1], arrays["input"].shape[1]
    fresh = build(model_params(name), LAYOUTS[layout], channels, 10, bodies).state_dict()
    theirs = {
        "aagcn": {"backbone.gcn.0.gcn.A": "backbone.A"},
        "ctrgcn": {"backbone.net.0.gcn1.A": "backbone.A"},
    }.get(name) or {key: key for key in fresh if key.endswith(".A")}
    for ours, key in theirs.items():
        np.testing.assert_allclose(fresh[ours], arrays[f"state/{key}"], rtol=1e-6)


def test_gradient_norms(reference, monkeypatch):
    """All gradient norms agree, once some ReLU inputs close to zero are moved to the other side.

    The gradient jumps at zero, and the side depends on the order in which terms are added.
    """
    arrays, model, clips, present = reference
    if not any(name.startswith("grad_norm/") for name in arrays.files):
        pytest.skip("the reference has no gradients: see test_gradients.py")
    relu = SidedRelu()
    monkeypatch.setattr(F, "relu", relu)
    model.double().train()
    labels = torch.from_numpy(arrays["labels"])

    norms = gradient_norms(arrays)

    def errors() -> list[float]:
        model.zero_grad()
        F.cross_entropy(model(clips.double(), present), labels).backward()
        return gradient_errors(model.named_parameters(), norms)

    smallest = smallest_errors(errors, relu)
    assert len(smallest) >= 90
    assert_gradients_agree(smallest)


def smallest_errors(errors: Callable[[], list[float]], relu: "SidedRelu") -> list[float]:
    """The errors once ReLU inputs close to zero are on the side where the errors are smallest."""
    relu.calls = 0
    smallest = errors()
    # A gradient depends on the sides in its own layer and in later ones: start with the last.
    for element in sorted(relu.undecided, reverse=True):
        if max(smallest) <= 1e-2 and np.median(smallest) <= 1e-4:
            break
        relu.other_side.add(element)
        relu.calls = 0
        flipped = errors()
        if geometric_mean(flipped) < geometric_mean(smallest):
            smallest = flipped
        else:
            relu.other_side.remove(element)
    return smallest


def assert_gradients_agree(errors: list[float]) -> None:
    assert max(errors) <= 1e-2
    assert np.median(errors) <= 1e-4


def geometric_mean(errors: list[float]) -> float:
    """It falls more when one layer agrees exactly than when all errors shrink a little."""
    return float(np.exp(np.log(np.add(errors, 1e-7)).mean()))


class SidedRelu:
    """ReLU that treats chosen elements, (call, element), as if they had the other sign."""

    def __init__(self) -> None:
        self.calls = 0
        self.undecided: set[tuple[int, int]] = set()
        self.other_side: set[tuple[int, int]] = set()

    def __call__(self, x: torch.Tensor, inplace: bool = False) -> torch.Tensor:
        flat = x.detach().flatten()
        # Exact zeros come from padding or an earlier ReLU, here and in the reference.
        near = (flat.abs() < ROUNDING * flat.abs().mean()) & (flat != 0)
        self.undecided |= {(self.calls, element) for element in near.nonzero()[:, 0].tolist()}
        positive = flat > 0
        for call, element in self.other_side:
            if call == self.calls:
                positive[element] ^= True
        self.calls += 1
        return x * positive.view(x.shape)


def gradient_norms(arrays: np.lib.npyio.NpzFile, part: str = "grad_norm") -> dict[str, float]:
    """The norms of a part of a reference file, by the parameters' names."""
    keys = [key for key in arrays.files if key.startswith(f"{part}/")]
    return {key.removeprefix(f"{part}/"): float(arrays[key]) for key in keys}


def gradient_errors(
    parameters: Iterable[tuple[str, nn.Parameter]], norms: Mapping[str, float]
) -> list[float]:
    """Relative errors of the gradients' norms against those of the reference, by its names."""
    errors = []
    for name, parameter in parameters:
        theirs = norms[name]
        if theirs < ROUNDING:  # a bias before a batch norm: its true gradient is zero
            assert parameter.grad is None or parameter.grad.norm() < ROUNDING, name
        else:
            errors.append(abs(float(parameter.grad.norm()) - theirs) / theirs)
    return errors
