"""Properties of every network, for any width, depth, skeleton and number of bodies."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from brl.clips.layout import Layout
from brl.clips.layouts import COCO17, LAYOUTS, NTU25, NW_UCLA20
from brl.models.common.build import build
from brl.models.common.network import Network
from tests.test_networks import NAMES, model_params, parameters_of

EVERY = pytest.mark.parametrize("name", NAMES)
# In millions: at the published width, for 25 joints and 60 classes.
PUBLISHED_SIZES = {
    "stgcn": 3.10, "stgcnpp": 1.40, "aagcn": 3.78, "ctrgcn": 1.45, "msg3d": 3.20, "dgstgcn": 1.70,
    "psumnet": 1.45,
    "skeletonmae": 0.45, "deformable3d": 0.32,  # our readings: nothing is published
}  # fmt: skip
SMALL = {"base_channels": 8, "blocks": [1, 1]}


def clips_of(layout: Layout, bodies: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Four clips of 8 frames, (N, M, T, V, K); of the last one only the first body is present."""
    generator = torch.Generator().manual_seed(seed)
    clips = torch.randn(4, bodies, 8, layout.num_joints, layout.channels, generator=generator)
    present = torch.ones(4, bodies, dtype=torch.bool)
    present[-1, 1:] = False
    return clips, present


def trained_alike(name: str, bodies: int, absent_bodies: str) -> Network:
    """A small network off its initial values, so that no attention or graph is switched off."""
    torch.manual_seed(0)
    params = model_params(name, absent_bodies=absent_bodies, **SMALL)
    network = build(params, NTU25, 3, 5, bodies)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for key, buffer in network.named_buffers():
            if key.endswith(("running_mean", "running_var")):
                buffer.add_(torch.rand_like(buffer))
    return network


@EVERY
def test_as_many_parameters_as_published(name):
    width = 96 if name == "msg3d" else 64
    network = build(model_params(name, base_channels=width), NTU25, 3, 60, 2)
    # Rounding is 0.005; MS-G3D, published as 3.20, in fact has 3.1946.
    assert parameters_of(network) / 1e6 == pytest.approx(PUBLISHED_SIZES[name], abs=0.0055)


@pytest.mark.parametrize(
    ("name", "layout"), list(product(["stgcnpp", "aagcn", "ctrgcn", "psumnet"], LAYOUTS))
)
def test_graphs_start_as_the_spatial_partition(name, layout):
    layout = LAYOUTS[layout]
    state = build(model_params(name), layout, 3, 5, 2).state_dict()
    graphs = [value for key, value in state.items() if key.endswith((".gcn.A", ".gcn1.A"))]
    assert len(graphs) == 10
    assert all((graph == torch.from_numpy(layout.spatial_partition())).all() for graph in graphs)


@pytest.mark.parametrize("name", ["aagcn", "ctrgcn", "dgstgcn", "psumnet"])
def test_the_graphs_of_single_bodies_start_switched_off(name):
    state = build(model_params(name), NTU25, 3, 5, 2).state_dict()
    scales = [value for key, value in state.items() if key.endswith((".alpha", ".beta"))]
    assert len(scales) >= 10
    assert all((scale == 0).all() for scale in scales)


def test_stgcn_starts_from_the_distance_partition_all_edges_alike():
    gcn = build(model_params("stgcn"), NTU25, 3, 5, 2).backbone.gcn[3].gcn
    assert torch.equal(gcn.A, torch.from_numpy(NTU25.distance_partition()))
    assert (gcn.PA == 1).all()


def test_dgstgcn_starts_from_graphs_without_a_skeleton():
    torch.manual_seed(0)
    network = build(model_params("dgstgcn"), NTU25, 3, 5, 2)
    graphs = torch.stack([block.gcn.A.detach() for block in network.backbone.gcn])
    assert graphs.shape == (10, 8, 25, 25)
    assert float(graphs.mean()) == pytest.approx(0.04, abs=5e-4)
    assert float(graphs.std()) == pytest.approx(0.02, abs=5e-4)
    assert all((block.tcn.add_coeff == 0).all() for block in network.backbone.gcn)


def test_msg3d_starts_almost_from_the_scales_of_the_skeleton():
    state = build(model_params("msg3d"), NTU25, 3, 5, 2).state_dict()
    residuals = [value for key, value in state.items() if key.endswith(".PA")]
    assert len(residuals) == 9
    assert all(0 < residual.abs().max() <= 1e-6 for residual in residuals)
    scales = state["backbone.sgcn1.0.A"]
    hops = np.linalg.matrix_power(NTU25.spatial_partition().sum(axis=0) > 0, 2)
    assert ((scales[0] + scales[1] + scales[2] > 0).numpy() == hops).all()
    assert torch.allclose(scales.sum(dim=1), torch.ones(13, 25))


@EVERY
@pytest.mark.parametrize("training", [True, False])
def test_the_values_of_absent_bodies_do_not_matter(name, training):
    network = trained_alike(name, 2, "skip").train(training)
    clips, present = clips_of(NTU25, 2)
    filled = torch.where(present[..., None, None, None], clips, torch.full_like(clips, 1e3))
    assert torch.equal(network(clips, present), network(filled, present))


@EVERY
def test_padding_in_evaluation_computes_absent_bodies_as_zeros(name):
    network = trained_alike(name, 2, "pad").eval()
    clips, present = clips_of(NTU25, 2)
    zeroed = clips * present[..., None, None, None]
    everyone = torch.ones_like(present)
    torch.testing.assert_close(network(zeroed, present), network(zeroed, everyone))


@EVERY
@pytest.mark.parametrize(
    ("base_channels", "blocks", "layout", "bodies"),
    [(7, [2, 1], NTU25, 2), (20, [1, 1, 1, 1], NW_UCLA20, 1), (9, [1], COCO17, 3)],
    ids=["ntu25", "nw_ucla20", "coco17"],
)
def test_other_widths_depths_and_bodies(name, base_channels, blocks, layout, bodies):
    params = model_params(name, base_channels=base_channels, blocks=blocks)
    network = build(params, layout, layout.channels, 5, bodies)
    clips, present = clips_of(layout, bodies)
    assert network(clips, present).shape == (4, 5)
    features = network.features(clips, present)
    # These have one width; SkeletonMAE has means over seven stretches of time.
    times = {"skeletonmae": 7, "deformable3d": 1}.get(name, 2 ** (len(blocks) - 1))
    assert features.shape == (4, bodies, base_channels * times)
    assert_finite_gradients(network, network(clips, present))


@EVERY
def test_bfloat16(name):
    network = trained_alike(name, 2, "skip")
    clips, present = clips_of(NTU25, 2)
    exact = network(clips, present)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(clips, present)
    assert logits.dtype == torch.float32
    assert float((logits - exact).detach().norm() / exact.detach().norm()) < 0.05
    assert_finite_gradients(network, logits)


def assert_finite_gradients(network: Network, logits: Tensor) -> None:
    assert logits.isfinite().all()
    F.cross_entropy(logits, torch.arange(len(logits))).backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert len(gradients) > 10
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_a_networks_own_setting_reaches_it():
    params = model_params("dgstgcn", settings={"graphs": 4}, **SMALL)
    network = build(params, NTU25, 3, 5, 2)
    assert network.backbone.gcn[0].gcn.A.shape == (4, 25, 25)
    assert network(*clips_of(NTU25, 2)).shape == (4, 5)
