"""Contrastive pre-training: views, the queue and the encoder of keys, hallucinated keys."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor
from torch.nn import functional as F

from brl.clips.layout import Layout
from brl.clips.layouts import COCO17, LAYOUTS, NTU25
from brl.config.params import networks_that_see
from brl.config.pretrain import PretrainParams
from brl.pretraining import hallucinated as module
from brl.pretraining.contrastive import Contrastive, described
from brl.pretraining.encoder import Pretraining, pretrain
from brl.pretraining.hallucinated import (
    Hallucinated,
    angles_between,
    attraction,
    border,
    hallucinated,
    inner,
    kept,
)
from brl.pretraining.views import draw_changes, draw_stretches
from brl.streams.stream import offsets
from brl.streams.weights import save_encoder
from brl.support.errors import UserError
from brl.support.progress import fraction_bar
from brl.training.checkpoint_file import read_checkpoint
from brl.training.job import Job
from brl.training.loop import Training
from tests.conftest import STREAMS
from tests.tiny import Interrupted, interrupting, job, stored, swinging_arms, training_part, with_lr

NETWORKS = networks_that_see({"joints"})
KINDS = ("contrastive", "hallucinated")


def pretraining(kind: str, settings: Job | None = None, **changes: Any) -> Pretraining:
    """One whose queue has two batches of six; hallucination sets in as early as it can."""
    settings = settings or job(batch_size=6, blocks=[1])
    train = settings.train
    content = {
        "kind": kind,
        "clips": "subset",
        "epochs": train.epochs,
        "batch_size": train.batch_size,
        "lr": train.lr,
        "masked": {"parts": 2, "loss": "cosine"},
        "contrastive": {"queue": None, "momentum": 0.9} | changes.pop("contrastive", {}),
        "hallucinated": {"after": 0.0, "weight": 2.0},
    }
    return Pretraining(settings, PretrainParams.model_validate(content | changes))


def training(store, kind: str, settings: Job | None = None, **changes: Any) -> Training:
    made = pretraining(kind, settings, **changes)
    return Training(made.job, store, training_part(store), made.objective)


def run_epochs(run: Training, number: int) -> Training:
    with fraction_bar("") as bar:
        for _ in range(number):
            run.run_epoch(bar)
    return run


# Views

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=20)


@given(LENGTHS, st.sampled_from([4, 16, 64]), st.integers(0, 99))
def test_a_stretch_lies_in_its_clip_and_has_a_tenth_of_it(lengths, clip_len, seed):
    counts = torch.tensor(lengths)
    frames = draw_stretches(counts, clip_len, Generator().manual_seed(seed))
    assert frames.shape == (len(lengths), clip_len)
    assert (frames >= 0).all() and (frames <= counts[:, None] - 1).all()
    assert (frames.diff(dim=1) >= 0).all()
    least = torch.minimum(counts, torch.clamp((0.1 * counts).long(), min=clip_len))
    # From the first frame's middle to the last one's, so up to a frame less.
    assert (frames[:, -1] - frames[:, 0] >= (least - 1) * (clip_len - 1) / clip_len - 1).all()


def test_stretches_have_all_lengths_and_places():
    frames = draw_stretches(torch.full((2000,), 160), 16, Generator().manual_seed(0))
    sizes = (frames[:, 1] - frames[:, 0]) * 16
    assert sizes.min() == 16 and sizes.max() > 155
    assert sizes.mean() == pytest.approx(0.55 * 160, rel=0.03)
    assert frames[:, 0].min() < 2 and frames[:, -1].max() > 157
    assert frames.mean() == pytest.approx(79.5, rel=0.02)


def changes_of(layout: Layout, count: int = 1500):
    return draw_changes(
        count, layout, layout.channels, torch.device("cpu"), Generator().manual_seed(0)
    )


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
def test_half_of_the_clips_are_sheared_and_a_quarter_each_zeroed_and_turned(layout):
    change = changes_of(layout)
    dimensions = layout.dimensions
    sheared = change.joints.all(dim=1)
    zeroed = (change.matrices == 0).flatten(1).all(dim=1)
    assert sheared.float().mean() == pytest.approx(0.5, abs=0.05)
    assert zeroed.float().mean() == pytest.approx(0.25, abs=0.05)
    diagonals = change.matrices.diagonal(dim1=1, dim2=2)[:, :dimensions]
    assert (diagonals[sheared] == 1).all() and not (diagonals[~sheared] == 1).any()
    assert change.matrices.abs().max() <= 1
    shares = change.joints[~sheared].sum(dim=1)
    assert (shares == round(0.6 * layout.num_joints)).all()


def test_three_fifths_of_ntus_joints_are_fifteen():
    assert set(changes_of(NTU25).joints.sum(dim=1).tolist()) == {15, 25}


def test_scores_are_not_turned_with_the_joints():
    """Those of zeroed joints are zeroed."""
    change = changes_of(COCO17, 50)
    clips = torch.rand(50, 2, 3, 17, 3)
    changed = change(clips)
    zeroed = (change.matrices == 0).flatten(1).all(dim=1)
    assert torch.equal(changed[~zeroed][..., 2], clips[~zeroed][..., 2])
    assert (changed[zeroed] == 0).all(dim=-1).any()
    kept = ~change.joints[:, None, None, :].expand(-1, 2, 3, -1)
    assert torch.equal(changed[kept], clips[kept])


def test_bones_and_motions_are_those_of_changed_joints(store):
    """And all frames and bodies change alike; absent bodies stay zeros."""
    shown = {}
    for name in ("joint", "bone", "bone_motion"):
        settings = replace(job(blocks=[1]), stream=STREAMS[name])
        inputs = training(store, "contrastive", replace(settings, train=job().train)).objective
        indices = torch.arange(8)
        lengths = inputs.inputs.lengths[indices]
        frames = draw_stretches(lengths, 8, Generator().manual_seed(1))
        change = draw_changes(8, store.layout, 3, torch.device("cpu"), Generator().manual_seed(2))
        shown[name], present = inputs.inputs.changed_batch(indices, frames, change)
        plain, _ = inputs.inputs.changed_batch(indices, frames, lambda joints: joints)
        if name == "joint":
            torch.testing.assert_close(shown[name], change(plain))
    torch.testing.assert_close(shown["bone"], offsets(shown["joint"], store.layout, 1))
    assert not present.all() and (shown["bone_motion"][~present] == 0).all()
    assert shown["bone_motion"].abs().sum() > 0


def test_joints_between_two_frames_are_interpolated(store):
    clips = training(store, "contrastive").objective.inputs.clips
    indices = torch.tensor([0, 1])
    at = [clips.joints(indices, torch.full((2, 1), frame)) for frame in (2, 3)]
    between = clips.joints(indices, torch.full((2, 1), 2.25))
    torch.testing.assert_close(between, 0.75 * at[0] + 0.25 * at[1])
    last = clips.lengths[indices, None] - 1
    assert torch.equal(clips.joints(indices, last.float()), clips.joints(indices, last))


def test_two_views_differ(store):
    views, present, _ = training(store, "contrastive").objective.batch(
        torch.arange(6), Generator().manual_seed(0)
    )
    assert views.shape == (6, 2, 2, 8, 20, 3) and present.shape == (6, 2)
    assert not torch.equal(views[:, 0], views[:, 1])


# The queue and the encoder of keys


@given(st.lists(st.integers(1, 6), min_size=1, max_size=12))
def test_the_queue_holds_the_newest_keys(sizes):
    objective = Contrastive.__new__(Contrastive)
    torch.nn.Module.__init__(objective)
    objective.register_buffer("queue", torch.full((6, 1), -1.0))
    objective.register_buffer("seen", torch.tensor(0))
    keys = torch.arange(sum(sizes), dtype=torch.float32)[:, None]
    for batch in keys.split(sizes):
        objective._enqueue(batch)
    assert sorted(objective.queue[objective.queue >= 0].tolist()) == keys[-6:, 0].tolist()
    newest = (objective.seen - 1) % 6
    assert objective.queue[newest] == keys[-1]


def test_the_encoder_of_keys_follows_that_of_queries_and_is_not_trained(store):
    run = training(store, "contrastive")
    objective = run.objective
    pairs = [
        (own, other)
        for module_, followed in (
            (objective.key_network, run.model),
            (objective.key_projection, objective.projection),
        )
        for own, other in zip(module_.parameters(), followed.parameters(), strict=True)
    ]
    assert all(torch.equal(own, other) for own, other in pairs)
    before = [own.clone() for own, _ in pairs]
    run._step(torch.arange(6))
    trained = [other.detach().clone() for _, other in pairs]
    assert all(torch.allclose(own, old) for (own, _), old in zip(pairs, before, strict=True))
    run._step(torch.arange(6, 12))
    for (own, _), old, new in zip(pairs, before, trained, strict=True):
        torch.testing.assert_close(own, 0.9 * old + 0.1 * new)
        assert own.grad is None
    assert not {id(own) for own, _ in pairs} & {id(each) for each in run.parameters}


def test_statistics_of_the_encoder_of_keys_are_its_own(store):
    run = training(store, "contrastive")
    run._step(torch.arange(6))
    ours, theirs = (
        network.backbone.data_bn.running_mean for network in (run.model, run.objective.key_network)
    )
    assert theirs.abs().sum() > 0 and not torch.allclose(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_is_pretrained(store, network, kind):
    settings = job(batch_size=6)
    model = {"name": network, "base_channels": 8, "blocks": [1, 1]}
    settings = replace(settings, model=settings.model.model_copy(update=model))
    run = training(store, kind, settings)
    run.objective.seen += 25  # the queue counts as full
    run._step(torch.arange(6))
    silent = [
        name
        for name, values in run.model.backbone.named_parameters()
        if values.grad is None and "data_bn" not in name
    ]
    assert all(name.endswith("bias") for name in silent)  # those that a norm cancels
    assert run.objective.projection[0].weight.grad.abs().sum() > 0


def test_clips_are_told_from_each_other(tmp_path):
    """Clips of 132 bodies: the loss falls below that of descriptions that are all alike."""
    draws = np.random.default_rng(0)
    clips = [
        replace(
            each,
            name=f"c{number:03d}",
            joints=each.joints + draws.normal(scale=0.5, size=(20, 3)).astype(np.float32),
        )
        for number, each in enumerate(4 * swinging_arms())
    ]
    settings = with_lr(job(batch_size=12, epochs=24, blocks=[1, 1]), 0.1)
    store = stored(tmp_path / "store", clips)
    run = training(store, "contrastive", settings, contrastive={"momentum": 0.99})
    loss = run_epochs(run, 6).curve[-1]["loss"]
    assert loss < 0.9 * math.log(1 + len(run.objective.queue))


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_pretraining_ends_with_the_same_bytes(store, tmp_path, kind):
    """Checkpoints hold the queue and its place, the encoder of keys, and prototypes."""
    clips, settings = store.part("half", "train"), pretraining(kind)
    whole, curve = pretrain(settings, store, clips, tmp_path / "whole.pt")
    with pytest.raises(Interrupted):
        pretrain(settings, store, clips, tmp_path / "killed.pt", interrupting(3))
    resumed, curve_again = pretrain(settings, store, clips, tmp_path / "killed.pt")
    assert curve_again == curve
    for name, each in {"whole": whole, "resumed": resumed}.items():
        save_encoder(tmp_path / name, each)
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()
    ends = [read_checkpoint(tmp_path / name)["objective"] for name in ("whole.pt", "killed.pt")]
    assert {"queue", "seen", "projection.0.weight", "key_projection.0.weight"} <= ends[0].keys()
    assert ends[0]["seen"] == 4 * 24
    assert kind == "contrastive" or ends[0]["prototypes"].abs().sum() > 0
    for name, values in ends[0].items():
        assert torch.equal(values, ends[1][name]), name


# Hallucinated keys


def unit(*shape: int, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(*shape, generator=Generator().manual_seed(seed)), dim=-1)


@given(st.integers(0, 10_000))
def test_the_border_is_as_near_to_both_prototypes(seed):
    """Also where the arctangent of a quotient would be wrong: between far vectors."""
    keys, prototypes = unit(5, 4, seed=seed).double(), unit(6, 4, seed=seed + 1).double()
    nearest = (keys @ prototypes.T).argmax(dim=1)
    others = (nearest[:, None] + torch.arange(1, 6)) % 6
    at_border = hallucinated(keys, prototypes, others, torch.zeros(5, 5, dtype=torch.float64))
    norms = at_border.norm(dim=2)
    torch.testing.assert_close(norms, torch.ones_like(norms), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        inner(prototypes[nearest], at_border),
        (at_border * prototypes[others]).sum(dim=2),
        atol=1e-4,
        rtol=0,
    )
    shares = border(keys, prototypes[nearest], prototypes[others])
    assert (shares >= 0).all() and (shares <= 1 + 1e-9).all()


def test_the_border_lies_beyond_a_right_angle_where_the_quotient_would_be_negative():
    """In a plane: prototypes at 90 and 150 degrees from the key are both near at 120."""
    angles = torch.deg2rad(torch.tensor([0.0, 90.0, 150.0], dtype=torch.float64))
    key, nearest, other = torch.stack([angles.cos(), angles.sin()], dim=1)
    share = border(key[None], nearest[None], other[None, None])
    assert share.item() == pytest.approx(120 / 150)


def test_nothing_left_out_is_the_border_and_everything_is_the_key():
    keys, prototypes = unit(5, 8), unit(4, 8, seed=1)
    nearest = (keys @ prototypes.T).argmax(dim=1)
    others = (nearest[:, None] + 1) % 4
    made = hallucinated(keys, prototypes, others, torch.ones(5, 1))
    torch.testing.assert_close(made[:, 0], keys)
    assert kept(made, prototypes, nearest).all()


def test_a_key_that_is_a_prototype_makes_no_nan():
    prototypes = unit(4, 8)
    keys = torch.cat([prototypes[:2], -prototypes[2:]])
    others = torch.tensor([[0], [1], [2], [3]])
    assert torch.isfinite(hallucinated(keys, prototypes, others, torch.full((4, 1), 0.5))).all()
    assert torch.isfinite(angles_between(keys, prototypes[others])).all()


def test_filtered_keys_do_not_count():
    queries, made = unit(3, 8).requires_grad_(), unit(3, 4, 8, seed=1)
    counts = torch.tensor([[True, False, False, True], [False] * 4, [True] * 4])
    loss = attraction(queries, made, counts)
    by_hand = [queries[n] @ made[n, h] for n in range(3) for h in range(4) if counts[n, h]]
    torch.testing.assert_close(loss, -torch.stack(by_hand).mean() / 0.07)
    assert attraction(queries, made, torch.zeros_like(counts)) == 0


def test_it_sets_in_after_its_epochs_once_the_queue_is_full_twice(store):
    """Up to then it is contrastive pre-training, with the same draws."""
    steps: list[list[int]] = []
    for after in (0.0, 0.5):
        run = training(store, "hallucinated", hallucinated={"after": after, "weight": 2.0})
        steps.append([])
        with fraction_bar("") as bar:
            for _ in range(4):
                run.run_epoch(bar)
                steps[-1].append(int(run.objective.steps))
    assert len(run.objective.queue) == 12  # of 24 clips in batches of six
    assert steps == [[0, 3, 7, 11], [0, 0, 4, 8]]


def test_prototypes_stay_for_ten_steps(store, monkeypatch):
    made = []
    new: Callable[..., Tensor] = Hallucinated._new_prototypes

    def noted(self: Hallucinated, seed: int) -> Tensor:
        made.append(int(self.steps))
        return new(self, seed)

    monkeypatch.setattr(Hallucinated, "_new_prototypes", noted)
    run = run_epochs(training(store, "hallucinated"), 4)
    assert made == [0, 10]
    norms = run.objective.prototypes.norm(dim=1)
    assert len(norms) == 6  # half of the queue
    torch.testing.assert_close(norms, torch.ones(6))


def test_other_prototypes_are_drawn_equally_often_and_never_the_nearest(store):
    objective = training(store, "hallucinated").objective
    _, _, draws = objective.batch(torch.arange(24), Generator().manual_seed(0))
    nearest = torch.arange(24) % 6
    others = draws.others + (draws.others >= nearest[:, None])
    assert (others != nearest[:, None]).all() and set(others.flatten().tolist()) == set(range(6))
    counts = draws.others.flatten().bincount()
    assert len(counts) == 5 and counts.min() > 0.8 * counts.max()
    assert draws.left.min() >= 0 and draws.left.max() <= module.LEFT_OUT


def test_the_gradient_reaches_the_queries_only(store):
    run = run_epochs(training(store, "hallucinated"), 2)
    objective = run.objective
    views, present, draws = objective.batch(torch.arange(6), Generator().manual_seed(0))
    queries, keys = objective.outputs(run.model, views, present)
    assert queries.requires_grad and not keys.requires_grad
    again = described(views[:, 0], present, run.model, objective.projection)
    torch.testing.assert_close(queries, again)
    drawn = objective._drawn((queries, keys), draws)
    assert drawn.requires_grad and not objective.prototypes.requires_grad


# Bad input


@pytest.mark.parametrize(
    ("batch_size", "queue", "message"),
    [
        (
            13,
            None,
            "pretrain.batch_size: 13, but there are 24 clips to pre-train on, and the queue "
            "of earlier batches holds half of them at most; must be 12 at most",
        ),
        (
            6,
            13,
            "pretrain.contrastive.queue: 13, but there are 24 clips to pre-train on; must "
            "be null or from 6, a batch, to 12, half of them",
        ),
        (
            6,
            5,
            "pretrain.contrastive.queue: 5, but there are 24 clips to pre-train on; must be "
            "null or from 6, a batch, to 12, half of them",
        ),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_queue_that_does_not_fit_gets_one_line(store, tmp_path, kind, batch_size, queue, message):
    settings = pretraining(kind, job(batch_size=batch_size), contrastive={"queue": queue})
    with pytest.raises(UserError) as caught:
        pretrain(settings, store, store.part("half", "train"), tmp_path / "c.pt")
    assert str(caught.value) == f"params.yaml: {message}"


@pytest.mark.parametrize(("batch_size", "queue"), [(5, 10), (12, 12), (8, 8)])
def test_the_queue_is_half_of_the_clips_in_whole_batches(store, batch_size, queue):
    run = training(store, "contrastive", job(batch_size=batch_size, blocks=[1]))
    assert len(run.objective.queue) == queue


def test_a_diverging_pretraining_names_its_own_rate(store):
    settings = job(batch_size=6, blocks=[1])
    settings = replace(settings, stream=replace(settings.stream, lr=1e30))
    run = training(store, "contrastive", settings)
    with pytest.raises(UserError, match=r"lower pretrain\.lr in params"):
        run_epochs(run, 4)
