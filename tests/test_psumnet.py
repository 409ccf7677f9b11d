"""PSUMNet agrees with its published implementation on each part of the body."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from brl.clips.layouts import NTU25, NW_UCLA20
from brl.comparison.cost import operations_of
from brl.models.common.batch_norm import BatchNorm
from brl.models.common.blocks import Conv
from brl.models.common.build import build
from brl.models.common.network import Network
from tests.recognizers import untrained
from tests.reference import shared
from tests.test_networks import assert_agrees, gradient_errors, model_params, parameters_of

MODALITIES = 12  # channels: joints, bones and their motions, three each
# The published bones of the whole body are its graph, too. Those of the legs are no tree.
PUBLISHED_GRAPHS = {"body": replace(NTU25, graph_parents=()), "hand": NTU25.part("hand")}
PARTS = ["body", "hand", "leg"]
PUBLISHED_KEYS = (
    ("data_bn.", "backbone.data_bn."), ("layers.", "backbone.layers."), ("fc.", "cls_head.fc_cls."),
    (".gcn1.PA", ".gcn.A"), (".gcn1.", ".gcn."), (".tcn1.", ".tcn."),
)  # fmt: skip


def our_key(key: str) -> str:
    for theirs, ours in PUBLISHED_KEYS:
        key = key.replace(theirs, ours)
    return key


def network_of(part: str, width: int = 64, classes: int = 60) -> Network:
    params = model_params("psumnet", base_channels=width)
    return build(params, NTU25.part(part), MODALITIES, classes, 2)


@pytest.fixture(params=PARTS)
def reference(request):
    """The reference arrays, and our network of the part carrying the reference weights."""
    arrays = np.load(shared(f"reference/systems/psumnet_{request.param}.npz"))
    model = network_of(request.param, width=8, classes=10)
    state = {
        our_key(key.removeprefix("state/")): torch.from_numpy(arrays[key])
        for key in arrays.files
        if key.startswith("state/")
    }
    counts = {k: v for k, v in model.state_dict().items() if k.endswith("num_batches_tracked")}
    model.load_state_dict(state | counts)
    clips = torch.from_numpy(arrays["input"])
    return arrays, model, clips, torch.ones(clips.shape[:2], dtype=torch.bool)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_features_and_logits(reference, mode):
    arrays, model, clips, present = reference
    features = model.train(mode == "train").clip_features(clips, present)
    assert_agrees(features, arrays[f"feature_{mode}"])
    assert_agrees(model.cls_head(features), arrays[f"logits_{mode}"])


def test_gradient_norms(reference):
    arrays, model, clips, present = reference
    norms = dict(
        zip(map(our_key, arrays["grad_norm/keys"]), arrays["grad_norm/values"], strict=True)
    )
    logits = model.double().train()(clips.double(), present)
    F.cross_entropy(logits, torch.from_numpy(arrays["labels"])).backward()
    errors = gradient_errors(model.named_parameters(), norms)
    assert len(errors) >= 200
    assert max(errors) <= 1e-2
    assert np.median(errors) <= 1e-4


@pytest.mark.parametrize("part", PARTS)
def test_the_parts_have_the_published_joints(part):
    arrays = np.load(shared(f"reference/systems/psumnet_{part}.npz"))
    assert tuple(arrays["part_joints"]) == NTU25.part_joints(part)


@pytest.mark.parametrize("part", PUBLISHED_GRAPHS)
def test_published_edges_give_the_published_graphs(part):
    arrays = np.load(shared(f"reference/systems/psumnet_{part}.npz"))
    params = model_params("psumnet", blocks=[1])
    model = build(params, PUBLISHED_GRAPHS[part], MODALITIES, 10, 2)
    np.testing.assert_allclose(model.backbone.layers[0].gcn.A.detach(), arrays["A"], rtol=1e-6)


@pytest.mark.parametrize(("part", "millions"), [("body", 1.448), ("hand", 0.978), ("leg", 0.500)])
def test_as_many_parameters_as_published(part, millions):
    """With the depth that is published for the part."""
    assert parameters_of(network_of(part)) / 1e6 == pytest.approx(millions, abs=5e-4)


def test_all_parts_have_2_97_million_parameters_for_120_classes():
    total = sum(parameters_of(network_of(part, classes=120)) for part in PARTS)
    assert total / 1e6 == pytest.approx(2.97, abs=5e-3)


def test_the_depth_may_be_chosen_for_any_part():
    params = model_params("psumnet", blocks=[1, 1])
    hand = build(params, NW_UCLA20.part("hand"), MODALITIES, 5, 1)
    assert len(hand.backbone.layers) == 2


def test_a_joint_receives_the_sum_of_its_children_and_a_share_of_its_parent():
    """Graphs are [source, receiver], as everywhere here."""
    gcn = network_of("leg").backbone.layers[0].gcn
    graphs = gcn.graphs(torch.zeros(1, 4, 9, MODALITIES))  # 1, 3 * 64, 9 9
    _, inward, outward = graphs.view(3, 64, 9, 9)[:, 0]
    children, parents = [1, 2, 3, 4, 5, 6, 7, 8], [0, 1, 2, 3, 0, 5, 6, 7]
    assert (inward[children, parents] == 1).all() and inward.sum() == 8
    shares = outward[parents, children]
    assert shares.tolist() == [0.5, 1, 1, 1, 0.5, 1, 1, 1] and outward.sum() == 7


def test_initial_values_are_the_published_ones():
    torch.manual_seed(0)
    model = network_of("body").requires_grad_(False)
    for module in model.modules():
        if isinstance(module, Conv):
            assert (module.bias == 0).all()
            if module.weight.numel() > 4000:
                std = (2 / (module.out_channels * module.kernel_size[0])) ** 0.5
                assert float(module.weight.std()) == pytest.approx(std, rel=0.05)
    for block in model.backbone.layers:
        assert (block.gcn.bn.weight == 1e-6).all()
        temporal = [m.weight for m in block.tcn.modules() if isinstance(m, BatchNorm)]
        assert len(temporal) == 7
        weights = torch.cat(temporal)
        assert float(weights.mean()) == pytest.approx(1, abs=0.01)
        assert float(weights.std()) == pytest.approx(0.02, abs=0.005)
    other = model.backbone.layers[4]
    for norm in (other.residual.bn, other.gcn.down[1], model.backbone.data_bn):
        assert (norm.weight == 1).all() and (norm.bias == 0).all()


def test_the_linear_head_starts_as_published_and_the_cosine_head_as_ever():
    torch.manual_seed(0)
    head = network_of("body").requires_grad_(False).cls_head.fc_cls
    assert float(head.weight.std()) == pytest.approx((2 / 60) ** 0.5, rel=0.02)
    assert 0.9 / 16 < float(head.bias.abs().max()) <= 1 / 16
    params = model_params("psumnet", head="cosine")
    cosine: nn.Linear = build(params, NTU25, MODALITIES, 60, 2).cls_head.fc_cls
    assert torch.allclose(cosine.weight.norm(dim=1), torch.ones(60))


def test_costs_of_a_part_are_those_of_a_body_in_a_clip_of_two():
    """Its norm has a place for each body, and the part has fewer joints than the layout."""
    recognizer = untrained(max_bodies=2, model=model_params("psumnet", blocks=[1]))
    hands = recognizer.streams["hands"].recipe
    once = operations_of(hands.model_dump_json())
    assert 0 < once < operations_of(recognizer.streams["joint"].recipe.model_dump_json())
    padded = hands.model_copy(
        update={"model": hands.model.model_copy(update={"absent_bodies": "pad"})}
    )
    assert operations_of(padded.model_dump_json()) == once
