"""The graph-prototype loss: what it does, and what it leaves alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from brl.config.params import MethodParams, PrototypeParams
from brl.models.common.build import build
from brl.streams.weights import load_weights, save_weights
from brl.training import prototypes as module
from brl.training.checkpoint_file import read_checkpoint
from brl.training.job import Job
from brl.training.loop import Training, train_stream
from brl.training.mixing import Targets
from brl.training.prototypes import Prototypes, label_shares, moved
from tests.methods import method
from tests.test_networks import LAYOUTS, model_params
from tests.tiny import Interrupted, interrupting, job

CLASSES = 4
NUMBER = {"number": 5, "weight": 0.2}


def a_branch(update: str = "all", classes: int = CLASSES) -> Prototypes:
    """For graphs of 3 joints and 8 channels."""
    torch.manual_seed(0)
    params = PrototypeParams.model_validate(NUMBER | {"update": update})
    return Prototypes((8, 3, 3), classes, params, seed=0)


def a_batch(labels: list[int], predicted: list[int]) -> tuple[torch.Tensor, torch.Tensor, Targets]:
    """Descriptions, logits and targets of clips that are not mixed."""
    own = torch.tensor(labels)
    descriptions = torch.randn(len(labels), module.DESCRIPTION)
    logits = torch.randn(len(labels), CLASSES) + 20 * F.one_hot(torch.tensor(predicted), CLASSES)
    return descriptions, logits, Targets(own, own, torch.ones(len(own)))


BATCHES = st.lists(st.tuples(*[st.integers(0, CLASSES - 1)] * 2), min_size=1, max_size=8)


@given(BATCHES, st.sampled_from(["all", "correct"]))
def test_a_prototype_moves_a_tenth_towards_the_mean_of_its_clips(clips, update):
    """With `correct` those of its clips that are classified correctly; without any it stays."""
    branch = a_branch(update)
    before = branch.prototypes.clone()
    labels, predicted = map(list, zip(*clips, strict=True))
    descriptions, logits, targets = a_batch(labels, predicted)
    branch.loss(descriptions, logits, targets)
    for label in range(CLASSES):
        own = [
            description
            for description, (true, guess) in zip(descriptions, clips, strict=True)
            if true == label and (update == "all" or guess == label)
        ]
        if not own:
            assert torch.equal(branch.prototypes[label], before[label])
            continue
        expected = 0.9 * before[label] + 0.1 * torch.stack(own).mean(dim=0)
        torch.testing.assert_close(branch.prototypes[label], expected)


def test_mixed_clips_count_by_the_shares_of_their_labels():
    """A class that has a quarter of one clip moves by a quarter of the step."""
    targets = Targets(torch.tensor([0, 1]), torch.tensor([2, 1]), torch.tensor([0.75, 1.0]))
    shares = label_shares(targets, CLASSES)
    assert shares.tolist() == [[0.75, 0, 0.25, 0], [0, 1, 0, 0]]
    branch = a_branch()
    before, (descriptions, logits, _) = branch.prototypes.clone(), a_batch([0, 1], [0, 1])
    loss = branch.loss(descriptions, logits, targets)
    steps = torch.tensor([0.075, 0.1, 0.025])[:, None]
    expected = before[:3] + steps * (descriptions[[0, 1, 0]] - before[:3])
    torch.testing.assert_close(branch.prototypes[:3], expected)
    assert torch.equal(branch.prototypes[3], before[3])
    cosines = F.cosine_similarity(descriptions[:, None], branch.prototypes, dim=-1)
    losses = -(cosines / 0.125).log_softmax(dim=1)
    by_hand = (0.75 * losses[0, 0] + 0.25 * losses[0, 2] + losses[1, 1]) / 2
    torch.testing.assert_close(loss, 0.2 * by_hand)


def test_the_gradient_flows_through_the_new_tenth_only():
    branch = a_branch()
    descriptions, logits, targets = a_batch([0, 0], [0, 0])
    descriptions.requires_grad_()
    branch.loss(descriptions, logits, targets).backward()
    assert not branch.prototypes.requires_grad
    shares = label_shares(targets, CLASSES)
    (gradient,) = torch.autograd.grad(
        moved(branch.prototypes, descriptions, shares)[0].sum(), descriptions
    )
    torch.testing.assert_close(gradient, torch.full_like(gradient, 0.05))


@pytest.mark.parametrize("absent_bodies", ["skip", "pad"])
def test_graphs_are_averaged_over_the_bodies_that_count(absent_bodies):
    """The present ones, or with `pad` all; without the graph that all bodies share."""
    torch.manual_seed(0)
    params = model_params("dgstgcn", blocks=[1], absent_bodies=absent_bodies)
    network = build(params, LAYOUTS["nw_ucla"], 3, 4, 2)
    last = network.backbone.gcn[-1].gcn
    with torch.no_grad():
        last.alpha.fill_(0.5)
    clips, present = torch.randn(3, 2, 8, 20, 3), torch.tensor([[1, 1], [1, 0], [0, 1]]).bool()
    clips *= present[:, :, None, None, None]
    seen = []
    last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    logits, graphs = network.logits_and_graphs(clips, present)
    own = last.graphs(seen[0]) - last.A.repeat_interleave(2, dim=0)
    bodies = [[0, 1], [2], [3]] if absent_bodies == "skip" else [[0, 1], [2, 3], [4, 5]]
    expected = torch.stack([own[of_clip].mean(dim=0) for of_clip in bodies])
    torch.testing.assert_close(graphs, expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(network(clips, present), logits)
    assert last.collected is None


def with_prototypes(update: str = "all", weight: float = 0.2, **changes: object) -> MethodParams:
    return method(prototypes={"number": 5, "weight": weight, "update": update}, **changes)


def settings(method: MethodParams | None = None, **changes: object) -> Job:
    return job(method=method or with_prototypes(), blocks=[1, 1], **changes)


def test_an_interrupted_training_ends_in_the_same_bytes(store, subset, tmp_path):
    """Also prototypes, and what dropout drops."""
    whole, curve = train_stream(settings(), store, subset, tmp_path / "whole.pt")

    with pytest.raises(Interrupted):
        train_stream(settings(), store, subset, tmp_path / "cut.pt", interrupting(2))
    resumed, curve_again = train_stream(settings(), store, subset, tmp_path / "cut.pt")
    assert curve_again == curve
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
    ends = [read_checkpoint(tmp_path / name)["objective"] for name in ("whole.pt", "cut.pt")]
    assert torch.equal(*(end["prototypes.prototypes"] for end in ends))
    assert [end["prototypes._extra_state"] for end in ends] == [curve[-1]["steps"]] * 2


def test_nothing_of_it_is_left_in_the_trained_network(store, subset, tmp_path):
    trained, _ = train_stream(settings(epochs=1), store, subset, tmp_path / "c.pt")
    save_weights(tmp_path / "w.safetensors", trained)
    plain = trained.recipe.build()
    plain.load_state_dict(load_weights(tmp_path / "w.safetensors").model.state_dict())
    clips, present = torch.randn(2, 2, 8, 20, 3), torch.ones(2, 2, dtype=torch.bool)
    assert torch.equal(plain.eval()(clips, present), trained.model(clips, present))


def test_prototypes_draw_no_random_number_of_another_part(store, subset):
    """Clips are ordered, augmented, reversed and mixed as without them."""
    draws = []
    for prototypes in (None, {**NUMBER, "update": "all"}):
        changed = method(mix="mixup", mix_share=1.0, reverse="aware", prototypes=prototypes)
        training = Training(settings(changed), store, subset)
        training._step(training._batches()[0])
        draws.append([training.order_generator, training.augment_generator])
    assert [each.get_state().tolist() for each in draws[0]] == [
        each.get_state().tolist() for each in draws[1]
    ]


@pytest.mark.parametrize(
    "change", [{"update": "correct"}, {"weight": 0.4}], ids=lambda change: next(iter(change))
)
def test_every_value_has_its_say(store, subset, tmp_path, change):
    curves = [
        train_stream(settings(each, epochs=1), store, subset, tmp_path / f"{number}.pt")[1]
        for number, each in enumerate((with_prototypes(), with_prototypes(**change)))
    ]
    assert curves[0] != curves[1]


def test_reversed_clips_have_prototypes_of_their_own(store, subset):
    training = Training(settings(with_prototypes(reverse="aware")), store, subset)
    before = training.objective.prototypes.prototypes.clone()
    assert len(before) == 6
    training._step(torch.arange(24))
    assert (training.objective.prototypes.prototypes != before).any(dim=1).all()


def test_bfloat16_comes_near_float32(store, subset):
    training = Training(settings(), store, subset)
    with torch.no_grad():
        for block in training.model.backbone.gcn:
            block.gcn.alpha.fill_(0.5)
    clips, present, _ = training.objective.batch(torch.arange(24), training.augment_generator)
    results = []
    for enabled in (False, True):
        training.objective.prototypes.steps = 0  # drops the same
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            outputs = training.objective.outputs(training.model, clips, present)
        assert {each.dtype for each in outputs} == {torch.float32}
        results.append(outputs[1])
    exact, rounded = results
    assert (exact - rounded).norm() < 0.05 * exact.norm()
