"""SkeletonMAE's network: its encoder, what its layers share, and what its pre-training trains."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from brl.clips.layouts import COCO17, LAYOUTS, NTU25
from brl.config.pretrain import MaskedParams
from brl.models.common.build import build
from brl.models.common.network import Network
from brl.models.skeletonmae import GraphIsomorphism
from brl.pretraining.masked import MaskedParts
from brl.support.progress import fraction_bar
from brl.training.loop import Training
from tests.test_networks import model_params, parameters_of
from tests.tiny import job, training_part


def network_of(width: int = 8, layers: int = 3, layout=NTU25) -> Network:
    torch.manual_seed(0)
    params = model_params("skeletonmae", base_channels=width, blocks=[layers])
    return build(params, layout, layout.channels, 5, 2).eval()


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_a_joint_is_summed_with_its_neighbours(layout):
    graph = network_of(layout=layout).backbone.graph[0]
    assert torch.equal(graph, graph.T) and set(graph.flatten().tolist()) == {0.0, 1.0}
    assert (graph.diagonal() == 1).all()
    assert graph.sum() == layout.num_joints + 2 * (layout.num_joints - 1)  # of a tree


def test_a_layer_is_the_mlp_of_a_sum():
    graph = network_of().backbone.graph
    layer = GraphIsomorphism(3, 8, 4, graph).eval()
    x = torch.randn(2, 5, 25, 3)
    sums = torch.stack([x[:, :, graph[0, joint] > 0].sum(dim=2) for joint in range(25)], dim=2)
    (linear, norm), last = layer.mlp[0], layer.mlp[2]
    by_hand = sums @ linear.weight.flatten(1).T + linear.bias
    by_hand = (by_hand - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
    torch.testing.assert_close(
        layer(x), by_hand.relu() @ last.weight.flatten(1).T + last.bias, atol=1e-5, rtol=1e-4
    )


@given(st.permutations(range(17)))
def test_permuting_joints_and_their_graph_permutes_the_encoded(order):
    backbone = network_of(layout=COCO17).backbone
    x = torch.randn(2, 3, 17, 8, generator=torch.Generator().manual_seed(1))
    plain = backbone.encode(x)
    for layer in backbone.encoder:
        if isinstance(layer, GraphIsomorphism):
            layer.graph = layer.graph[:, order][:, :, order]
    torch.testing.assert_close(backbone.encode(x[:, :, order]), plain[:, :, order])


def test_the_encoder_sees_single_frames_and_the_layers_share_it():
    backbone = network_of().backbone
    x = torch.randn(1, 6, 25, 8)
    torch.testing.assert_close(backbone.encode(x)[:, 2:3], backbone.encode(x[:, 2:3]))
    more = network_of(layers=4)
    added = parameters_of(more) - parameters_of(network_of(layers=3))
    assert added == parameters_of(backbone.layers[0])
    calls = []
    more.backbone.encoder.register_forward_hook(lambda *_: calls.append(1))
    more.backbone(torch.randn(1, 6, 25, 3))
    assert len(calls) == 4


@pytest.mark.parametrize("frames", [4, 7, 16, 64, 100])
def test_features_are_means_of_the_whole_of_halves_and_of_quarters(frames):
    backbone = network_of().backbone
    layer_out: list[Tensor] = []
    backbone.layers[-1].register_forward_hook(lambda _m, _i, out: layer_out.append(out))
    features = backbone(torch.randn(2, frames, 25, 3))
    assert features.shape == (2, 1, 25, 7 * 8)
    whole, *parts = features[:, 0].split(8, dim=-1)
    torch.testing.assert_close(whole, layer_out[0].mean(dim=1))
    if frames % 4 == 0:
        torch.testing.assert_close(sum(parts[:2]) / 2, whole)
        torch.testing.assert_close(sum(parts[2:]) / 4, whole)
        torch.testing.assert_close(parts[5], layer_out[0][:, -(frames // 4) :].mean(dim=1))


def test_the_place_in_time_matters_once_it_is_learned():
    backbone = network_of().backbone
    bodies = torch.randn(1, 1, 25, 3).expand(-1, 8, -1, -1)
    halves = backbone(bodies)[0, 0, :, 8:24].split(8, dim=-1)
    torch.testing.assert_close(*halves)
    nn.init.normal_(backbone.time)
    halves = backbone(bodies)[0, 0, :, 8:24].split(8, dim=-1)
    assert not torch.allclose(*halves)


def training(store, loss: str = "cosine") -> Training:
    settings = job(epochs=3)
    model = {"name": "skeletonmae", "base_channels": 8, "blocks": None}
    settings = replace(settings, model=settings.model.model_copy(update=model))
    params = MaskedParams(parts=2, loss=loss)
    return Training(
        settings, store, training_part(store), lambda *given: MaskedParts(*given, params=params)
    )


@pytest.mark.parametrize("loss", ["cosine", "motion"])
def test_pretraining_changes_the_encoder_and_what_leads_to_it(store, loss):
    """The layers that use it, and the time embedding, are left to the training that follows."""
    run = training(store, loss)
    before = {name: each.clone() for name, each in run.model.backbone.named_parameters()}
    with fraction_bar("") as bar:
        run.run_epoch(bar)
    changed = {
        name
        for name, each in run.model.backbone.named_parameters()
        if not torch.equal(each, before[name])
    }
    assert {name.split(".")[0] for name in changed} == {"data_bn", "embedding", "encoder"}
    assert {name for name in before if name.endswith("weight") and "encoder" in name} <= changed


def test_features_of_single_frames_are_rebuilt(store):
    run = training(store)
    objective = run.objective
    assert objective.frames == 1 and objective.token.shape == (8,)
    assert isinstance(objective.decoder[-1], GraphIsomorphism)
    encoded = torch.zeros(2, 5, 20, 32)
    assert objective.decoder(encoded).shape == (2, 5, 20, 8)
