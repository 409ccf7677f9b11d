"""The graph-prototype loss agrees with the published implementation of ProtoGCN."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from brl.config.params import PrototypeParams
from brl.config.presets import SYSTEMS
from brl.models.common.build import build
from brl.training import prototypes as module
from brl.training.mixing import Targets, unmixed
from brl.training.prototypes import Prototypes
from tests.reference import shared
from tests.test_networks import (
    LAYOUTS,
    SidedRelu,
    assert_agrees,
    assert_gradients_agree,
    gradient_errors,
    gradient_norms,
    model_params,
    parameters_of,
    smallest_errors,
)

# Our names of what only the branch has, and the published ones.
PUBLISHED = {
    "query": "backbone.prn.query_matrix",
    "memory": "backbone.prn.memory_matrix",
    "post.0": "backbone.post",
    "post.1": "backbone.bn",
    "describe": "cls_head.csc_loss.cl_fc",
}


def published(name: str) -> str:
    """The published name of a parameter of the branch."""
    of_module, key = name.rsplit(".", 1)
    return f"{PUBLISHED[of_module]}.{key}"


class Reference:
    """The arrays of a layout; our network and branch with their weights."""

    def __init__(self, layout: str) -> None:
        self.arrays = np.load(shared(f"reference/backbones/protogcn_{layout}.npz"))
        self.clips = self.tensor("input")
        self.present = torch.ones(self.clips.shape[:2], dtype=torch.bool)
        self.targets = unmixed(self.clips, self.present, self.tensor("labels")).targets
        params = model_params("dgstgcn", blocks=[2, 2])
        self.network = build(params, LAYOUTS[layout], 3, 10, self.clips.shape[1])
        params = PrototypeParams(
            number=12, weight=float(self.arrays["loss_weight"]), update="correct"
        )
        self.branch = Prototypes(self.network.backbone.graph_shape, 10, params, seed=0)
        only_branch = tuple(PUBLISHED.values())
        state = {
            key.removeprefix("state/"): self.tensor(key)
            for key in self.arrays.files
            if key.startswith("state/")
        }
        self.network.load_state_dict(
            {key: value for key, value in state.items() if not key.startswith(only_branch)}
        )
        own = {name: state[published(name)] for name in weights_of(self.branch)}
        self.branch.load_state_dict(
            own | {"prototypes": self.tensor("prototypes_before").T, "_extra_state": 0}
        )

    def tensor(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[name])

    def train(self, mode: bool) -> None:
        self.network.train(mode)
        self.branch.train(mode)

    def graphs(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.network.logits_and_graphs(self.clips, self.present)


def weights_of(branch: Prototypes) -> list[str]:
    """Names of parameters and statistics."""
    others = ("prototypes", "_extra_state", "num_batches_tracked")
    return [name for name in branch.state_dict() if not name.endswith(others)]


@pytest.fixture(params=["nturgbd", "nw_ucla"])
def reference(request, monkeypatch) -> Reference:
    """Its descriptions have 16 numbers, and nothing is dropped."""
    monkeypatch.setattr(module, "DESCRIPTION", 16)
    monkeypatch.setattr(module, "DROPOUT", 0.0)
    return Reference(request.param)


def test_graphs_features_and_logits_in_eval_mode(reference):
    reference.train(False)
    arrays, network = reference.arrays, reference.network
    assert_agrees(network.features(reference.clips, reference.present), arrays["feature_mean_eval"])
    logits, graphs = reference.graphs()
    assert_agrees(logits, arrays["logits_eval"])
    assert_agrees(reference.branch.pooled(graphs), arrays["graph_eval"])


def test_graphs_losses_and_prototypes_in_train_mode(reference):
    arrays, branch = reference.arrays, reference.branch
    logits, graphs = reference.graphs()
    assert_agrees(logits, arrays["logits_train"])
    assert_agrees(F.cross_entropy(logits, reference.targets.labels), arrays["loss_ce"])
    pooled = branch.pooled(graphs)
    assert_agrees(pooled, arrays["graph_train"])
    loss = branch.loss(branch.describe(pooled), logits, reference.targets)
    assert_agrees(loss, arrays["loss_weight"] * arrays["loss_contrast"])
    assert_agrees(branch.prototypes.T, arrays["prototypes_after"])


@pytest.mark.parametrize("part", ["grad_norm", "grad_norm_total"])
def test_gradient_norms(reference, monkeypatch, part):
    """Of cross-entropy, and of the whole loss for the branch and the graphs that it sees."""
    arrays, network, branch = reference.arrays, reference.network, reference.branch
    relu = SidedRelu()
    monkeypatch.setattr(F, "relu", relu)
    reference.clips = reference.clips.double()
    labels, partners, share = reference.targets
    targets = Targets(labels, partners, share.double())
    before = branch.double().prototypes
    network.double()
    ours: dict[str, nn.Parameter] = dict(network.named_parameters())
    ours |= {published(name): parameter for name, parameter in branch.named_parameters()}
    compared = {name: ours[name] for name in ours if f"{part}/{name}" in arrays.files}

    def errors() -> list[float]:
        for parameter in ours.values():
            parameter.grad = None
        branch.prototypes = before
        logits, graphs = reference.graphs()
        loss = F.cross_entropy(logits, labels)
        if part == "grad_norm_total":
            loss = loss + branch.loss(branch(graphs), logits, targets)
        loss.backward()
        return gradient_errors(compared.items(), gradient_norms(arrays, part))

    smallest = smallest_errors(errors, relu)
    assert len(compared) == sum(name.startswith(f"{part}/") for name in arrays.files)
    assert_gradients_agree(smallest)


def test_network_and_branch_have_the_published_size():
    """At the published width, with NTU's joints, 60 classes and 400 prototypes of graphs."""
    network = build(model_params("dgstgcn", base_channels=96), LAYOUTS["nturgbd"], 3, 60, 2)
    backbone = network.backbone
    blocks = [38_769, *[64_977] * 3, 224_369, *[241_649] * 2, 873_777, *[945_201] * 2]
    assert [parameters_of(block) for block in backbone.gcn] == blocks
    assert parameters_of(backbone.data_bn) == 150 and parameters_of(network.cls_head) == 23_100
    assert parameters_of(network) == 150 + sum(blocks) + 23_100
    params = PrototypeParams.model_validate(SYSTEMS.read("protogcn")["method"]["prototypes"])
    branch = Prototypes(backbone.graph_shape, 60, params, seed=0)
    assert parameters_of(branch) == 455_808 + 160_256
