"""HaLP agrees with the published implementation: vectors, a whole step, views and k-means."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from brl.pretraining import hallucinated as module
from brl.pretraining.contrastive import logits
from brl.pretraining.hallucinated import (
    Draws,
    Hallucinated,
    attraction,
    border,
    hallucinated,
    kept,
    mean_directions,
)
from brl.pretraining.views import Change, resized, stretch_sizes
from tests.reference import shared
from tests.test_networks import assert_agrees, assert_gradients_agree, gradient_errors


@pytest.fixture(scope="module")
def array() -> Callable[[str], Any]:
    arrays = np.load(shared("reference/systems/halp.npz"))
    return lambda name: arrays[name]


@pytest.fixture(scope="module")
def tensor(array) -> Callable[[str], Tensor]:
    return lambda name: torch.from_numpy(np.asarray(array(name)))


@pytest.mark.parametrize("part", ["vectors", "step"])
def test_hallucinated_keys_agree(array, tensor, part):
    names = ("q", "k", "prototypes", "chosen", "u", "nearest")
    queries, keys, prototypes, others, left, nearest = (tensor(f"{part}/{name}") for name in names)
    assert torch.equal((keys @ prototypes.T).argmax(dim=1), nearest)
    raw = hallucinated(keys, prototypes, others, left)
    assert_agrees(raw, array(f"{part}/generated_raw"))
    made = F.normalize(raw, dim=2)
    assert_agrees(made, array(f"{part}/generated"))
    counts = kept(made, prototypes, nearest)
    assert np.array_equal(counts, array(f"{part}/kept")) and not counts.all()
    assert_agrees(attraction(queries, made, counts), array(f"{part}/halp"))


def test_borders_and_logits_agree(array, tensor):
    names = ("q", "k", "queue", "prototypes", "chosen", "nearest")
    queries, keys, queue, prototypes, others, nearest = map(tensor, [f"vectors/{n}" for n in names])
    assert_agrees(border(keys, prototypes[nearest], prototypes[others]), array("vectors/t_max"))
    scores = logits(queries, keys, queue)
    assert_agrees(scores, array("vectors/logits"))
    loss = F.cross_entropy(scores, torch.zeros(len(keys), dtype=torch.int64))
    assert_agrees(loss, array("vectors/infonce"))


def test_mean_directions_agree(array):
    points, start = array("kmeans/points"), array("kmeans/initial")
    found = mean_directions(points, len(start), 0, start)
    assert_agrees(torch.from_numpy(found), array("kmeans/centres_spherical"))
    assert np.array_equal((points @ found.T).argmax(axis=1), array("kmeans/labels"))


def test_views_agree(array, tensor):
    """A stretch of a clip, resized; and its joints sheared, zeroed and turned."""
    lengths = tensor("augment/frames")[None]
    sizes = stretch_sizes(tensor("augment/ratio")[None], lengths, 16)
    assert sizes == array("augment/length")
    clip = tensor("augment/clip")

    def at(frames: Tensor) -> Tensor:
        before = frames.long()
        after = (before + 1).minimum(lengths - 1)
        return torch.lerp(clip[:, before], clip[:, after], (frames - before)[:, None, None])

    crop = at(resized(tensor("augment/start")[None], sizes, 16)[0])
    assert_agrees(crop, array("augment/crop"))

    def changed(matrix: Tensor, joints: Tensor) -> Tensor:
        chosen = torch.zeros(1, 25, dtype=torch.bool).index_fill(1, joints, value=True)
        return Change(matrix.float()[None], chosen)(crop[None])[0]

    shear, turn = tensor("augment/shear"), tensor("augment/turned_matrix")
    assert_agrees(changed(shear.T, torch.arange(25)), array("augment/sheared"))
    zeroed = changed(torch.zeros(3, 3), tensor("augment/zeroed_joints"))
    assert_agrees(zeroed, array("augment/zeroed"))
    assert_agrees(changed(turn, tensor("augment/turned_joints")), array("augment/turned"))


# The published encoder, of which the project has no other use: a step of it is compared.


class Chains(nn.Module):
    """Three layers of two GRU chains, both of which run forwards, over bodies together."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.input_norm = nn.BatchNorm1d(150)
        self.chains = nn.ModuleList(
            nn.ModuleList(nn.GRU(150 if layer == 0 else 8, 4, batch_first=True) for _ in range(2))
            for layer in range(3)
        )
        state = {
            name: weights[self.published(name)] for name in self.state_dict() if "num_" not in name
        }
        self.load_state_dict(state, strict=False)

    @staticmethod
    def published(name: str) -> str:
        if not name.startswith("chains"):
            return name
        _, layer, chain, kind = name.split(".")
        return f"encoder.gru.{kind[:-1]}{layer}{'_reverse' if chain == '1' else ''}"

    def clip_features(self, clips: Tensor, _present: Tensor) -> Tensor:
        """The last outputs (N, 8) of clips (N, M, T, V, K)."""
        x = clips.permute(0, 2, 3, 4, 1).flatten(2)
        x = self.input_norm(x.transpose(1, 2)).transpose(1, 2)
        for layer in self.chains:
            x = torch.cat([chain(x)[0] for chain in layer], dim=-1)
        return x[:, -1]


def encoder(weights: dict[str, Tensor]) -> tuple[Chains, nn.Sequential]:
    projection = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 16))
    projection.load_state_dict(
        {name.removeprefix("fc."): w for name, w in weights.items() if name.startswith("fc.")}
    )
    return Chains(weights), projection


@pytest.fixture
def encoders(array, tensor) -> list[tuple[Chains, nn.Sequential]]:
    """Those of queries and keys."""
    names = np.load(shared("reference/systems/halp.npz")).files
    return [
        encoder(
            {name.removeprefix(before): tensor(name) for name in names if name.startswith(before)}
        )
        for before in ("step/before/encoder_q.", "step/before/encoder_k.")
    ]


def test_features_and_descriptions_agree(array, tensor, encoders):
    network, projection = encoders[0]
    network.eval()
    hidden = network.clip_features(tensor("step/view_q"), None)
    assert_agrees(hidden, array("encoder/hidden_eval"))
    assert_agrees(projection(hidden), array("encoder/output_eval"))


def test_a_whole_step_agrees(array, tensor, encoders):
    """Key encoder, logits, both losses, gradients and queue."""
    (network, projection), (key_network, key_projection) = encoders
    temperature, momentum, left_out, weight = array("step/constants")
    assert (temperature, left_out) == (module.TEMPERATURE, module.LEFT_OUT)
    settings = SimpleNamespace(
        contrastive=SimpleNamespace(momentum=momentum),
        hallucinated=SimpleNamespace(weight=weight),
    )
    objective = Hallucinated.__new__(Hallucinated)
    nn.Module.__init__(objective)
    objective.params, objective.first_epoch, objective.projection = settings, 0, projection
    objective.key_network = key_network.requires_grad_(False)
    objective.key_projection = key_projection.requires_grad_(False)
    size = len(array("step/queue_before"))
    pointer = int(array("step/queue_pointer_before"))
    for name, value in {
        "queue": tensor("step/queue_before"),
        "prototypes": tensor("step/prototypes"),
        "seen": torch.tensor(pointer + 2 * size),
        "steps": torch.tensor(1),  # not the first one: the prototypes stay
    }.items():
        objective.register_buffer(name, value)

    clips = torch.stack([tensor("step/view_q"), tensor("step/view_k")], dim=1)
    queries, keys = objective.outputs(network, clips, None)
    assert_agrees(queries, array("step/q"))
    assert_agrees(keys, array("step/k"))
    assert_agrees(logits(queries, keys, objective.queue), array("step/logits"))
    chosen, nearest = tensor("step/chosen"), tensor("step/nearest")[:, None]
    draws = Draws(chosen - (chosen > nearest).long(), tensor("step/u"), torch.tensor(0))
    loss = objective.loss((queries, keys), draws, 0)
    assert_agrees(loss, array("step/total"))
    assert_agrees(objective.queue, array("step/queue_after"))
    assert int(objective.seen) % size == array("step/queue_pointer_after")

    loss.backward()
    norms = dict(
        zip(array("step/grad_norm/keys"), map(float, array("step/grad_norm/values")), strict=True)
    )
    named = {Chains.published(name): each for name, each in network.named_parameters()}
    named |= {f"fc.{name}": each for name, each in projection.named_parameters()}
    assert named.keys() == norms.keys()
    assert_gradients_agree(gradient_errors(named.items(), norms))
    for name in ("weight", "bias", "running_mean", "running_var"):
        after = getattr(key_network.input_norm, name)
        assert_agrees(after, array(f"step/after/encoder_k.input_norm.{name}"))
    for name, after in key_projection.state_dict().items():
        assert_agrees(after, array(f"step/after/encoder_k.fc.{name}"))
