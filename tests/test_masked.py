"""Pre-training by masked body parts: which joints are masked, what is rebuilt, and the losses."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from brl.clips.layout import Layout
from brl.clips.layouts import COCO17, LAYOUTS, NTU25
from brl.clips.layouts.parts import PARTS, branches, masked_parts
from brl.config.params import networks_that_see
from brl.config.pretrain import MaskedParams
from brl.pretraining.masked import (
    MaskedParts,
    cells,
    draw_joints,
    energies,
    motion_weights,
    scaled_cosine,
    weighted_error,
)
from brl.support.errors import UserError
from brl.support.progress import fraction_bar
from brl.training.loop import Training
from tests.conftest import STREAMS
from tests.tiny import job, stored, swinging_arms, training_part

NETWORKS = networks_that_see({"joints"})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("clips") / "store", swinging_arms())


def training(store, settings=None, parts: int = 2, loss: str = "cosine") -> Training:
    params = MaskedParams(parts=parts, loss=loss)
    settings = settings or job()
    return Training(
        settings, store, training_part(store), lambda *given: MaskedParts(*given, params=params)
    )


# Parts


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_joint_of_a_layout_is_in_one_of_six_parts(name):
    parts = masked_parts(LAYOUTS[name], range(LAYOUTS[name].num_joints))
    assert parts.shape == (6, LAYOUTS[name].num_joints)
    assert (parts.sum(axis=0) == 1).all()


@pytest.mark.parametrize("name", PARTS)
def test_left_and_right_limbs_are_mirror_images(name):
    head, torso, *limbs = (set(part) for part in PARTS[name])
    mirrored = LAYOUTS[name].mirrored()
    for left, right in (limbs[:2], limbs[2:]):
        assert {int(mirrored[joint]) for joint in left} == right
    for middle in (head, torso):
        assert {int(mirrored[joint]) for joint in middle} == middle


@pytest.mark.parametrize("name", PARTS)
def test_a_limb_hangs_together(name):
    """It has one joint whose parent is outside: its upper end."""
    parents = LAYOUTS[name].parents
    for limb in PARTS[name][2:]:
        assert sum(parents[joint] not in limb for joint in limb) == 1


def test_the_parts_of_coco_are_the_published_ones():
    sizes = masked_parts(COCO17, range(17)).sum(axis=1).tolist()
    assert sizes == [5, 4, 2, 2, 2, 2]


def test_a_stream_of_a_part_of_the_body_has_the_parts_in_it():
    arms = masked_parts(NTU25, NTU25.part_joints("hand"))
    assert arms.sum(axis=1).tolist() == [3, 5, 5]  # shoulders and their centre, and the arms
    assert (arms.sum(axis=0) == 1).all()


def test_another_layout_is_divided_by_its_tree():
    """A spine 0 1 2 with a head, and two arms of two joints that hang on joint 1."""
    own = Layout("own", (0, 0, 1, 1, 3, 1, 5), mirror_pairs=((3, 5), (4, 6)), upper_body=(1,))
    assert sorted(map(sorted, branches(own))) == [[0, 1], [2], [3, 4], [5, 6]]
    assert (masked_parts(own, range(7)).sum(axis=0) == 1).all()
    assert masked_parts(Layout("own", (0,), (), ()), [0]).tolist() == [[True]]


@given(st.integers(0, 2**31), st.integers(1, 5))
def test_a_part_is_masked_as_a_whole(seed, number):
    parts = torch.from_numpy(masked_parts(NTU25, range(25)))
    masked = draw_joints(parts, 7, number, Generator().manual_seed(seed))
    of_parts = torch.stack([masked[:, part].float().mean(dim=1) for part in parts], dim=1)
    assert set(of_parts.flatten().tolist()) <= {0.0, 1.0}
    assert (of_parts.sum(dim=1) == number).all()


def test_every_pair_of_parts_is_drawn_equally_often():
    """And so masks its own share of the joints."""
    parts = torch.from_numpy(masked_parts(NTU25, range(25)))
    masked = draw_joints(parts, 15_000, 2, Generator().manual_seed(0))
    patterns, counts = masked.unique(dim=0, return_counts=True)
    assert len(patterns) == math.comb(6, 2)
    assert counts.min() > 900 and counts.max() < 1100
    sizes = parts.sum(dim=1).tolist()
    pairs = [sizes[a] + sizes[b] for a in range(6) for b in range(a)]
    assert sorted(patterns.sum(dim=1).tolist()) == sorted(pairs)


# Losses


def at_cosines(*cosines: float) -> tuple[torch.Tensor, torch.Tensor]:
    """What was rebuilt, and the targets: a body of one cell of one frame, its joints in a plane."""
    targets = torch.tensor([[3.0, 0.0]] * len(cosines))
    rebuilt = 2 * torch.tensor([[c, math.sqrt(1 - c * c)] for c in cosines])
    return rebuilt.view(1, 1, -1, 1, 2), targets.view(1, 1, -1, 1, 2)


def test_the_scaled_cosine_of_two_joints():
    """0.5 and 1 are their cosines: (0.5 / 2)^2 + 0."""
    losses = scaled_cosine(*at_cosines(0.5, 1.0), torch.tensor([[True, True]]))
    assert losses.tolist() == pytest.approx([0.0625])


def test_the_scaled_cosine_counts_masked_joints_only():
    losses = scaled_cosine(*at_cosines(0.5, 1.0, -1.0), torch.tensor([[True, True, False]]))
    assert losses.tolist() == pytest.approx([0.0625])


@pytest.mark.parametrize("loss", [scaled_cosine, weighted_error])
def test_a_loss_does_not_depend_on_targets_that_are_not_masked(loss):
    draws = torch.randn(2, 3, 2, 5, 4, 3, generator=Generator().manual_seed(0))
    rebuilt, targets = draws
    masked = torch.tensor([[True, False, True, False, False], [False, True, False, False, False]])
    more = (torch.ones(3, 2, 5, 4, 1)[:2],) if loss is weighted_error else ()
    rebuilt, targets = rebuilt[:2], targets[:2]
    changed = torch.where(masked[:, None, :, None, None], targets, 100.0)
    assert torch.equal(loss(rebuilt, targets, masked, *more), loss(rebuilt, changed, masked, *more))
    changed = torch.where(masked[:, None, :, None, None], -targets, targets)
    assert (loss(rebuilt, targets, masked, *more) != loss(rebuilt, changed, masked, *more)).all()


@given(st.floats(0.01, 1e3))
def test_a_joint_of_typical_energy_weighs_one_half(energy):
    weights = motion_weights(torch.full((1, 2, 3), energy), torch.tensor([energy]))
    assert weights.flatten().tolist() == pytest.approx([0.5] * 6, rel=1e-3)


def test_a_joint_at_rest_weighs_next_to_nothing_and_a_wild_one_next_to_one():
    weights = motion_weights(torch.tensor([[[0.0, 1e6]]]), torch.tensor([1.0]))
    assert weights.flatten().tolist() == pytest.approx([0, 1], abs=1e-5)


@pytest.mark.parametrize("frames", [8, 10])
def test_energies_are_variances_in_windows(frames):
    bodies = torch.randn(2, frames, 5, 3, generator=Generator().manual_seed(0))
    found = energies(bodies, 4)
    for start in range(0, frames, 4):
        window = bodies[:, start : start + 4]
        expected = window.var(dim=1, correction=0).mean(dim=-1)
        for frame in range(start, min(start + 4, frames)):
            assert torch.allclose(found[:, frame], expected, atol=1e-5)
    assert torch.allclose(found, energies(bodies + 5, 4), atol=1e-4)


def test_a_cell_holds_the_frames_that_its_feature_is_made_of():
    bodies = torch.arange(10.0).view(1, 10, 1, 1)
    assert cells(bodies, 4).flatten(1).tolist() == [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9]]
    two_joints = torch.arange(8.0).view(1, 4, 2, 1)
    assert cells(two_joints, 2)[0, :, 1, :, 0].tolist() == [[1, 3], [5, 7]]


# In the loop


@pytest.mark.parametrize("loss", ["cosine", "motion"])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_learns_to_rebuild(store, network, loss):
    model = {"name": network, "base_channels": 8, "blocks": [1, 1]}
    settings = job(epochs=8)
    settings = replace(settings, model=settings.model.model_copy(update=model))
    run = training(store, settings, loss=loss)
    with fraction_bar("") as bar:
        losses = [run.run_epoch(bar)["loss"] for _ in range(8)]
    assert sum(losses[4:]) < sum(losses[:4])
    assert run.objective.token.grad.abs().sum() > 0
    silent = [
        name
        for name, values in run.model.backbone.named_parameters()
        if values.grad is None and "data_bn" not in name
    ]
    if network == "skeletonmae":  # its encoder alone is pre-trained
        silent = [name for name in silent if not name.startswith(("layers.", "time"))]
    assert all(name.endswith("bias") for name in silent)  # those that a norm cancels


@pytest.mark.parametrize("absent", ["skip", "pad"])
def test_an_absent_body_does_not_count(store, absent):
    settings = job()
    settings = replace(settings, model=settings.model.model_copy(update={"absent_bodies": absent}))
    run = training(store, settings)
    run.model.eval()
    indices = torch.tensor([0, 1])  # of one body and of two
    clips, present, _ = run.objective.batch(indices, Generator().manual_seed(0))
    assert present.sum(dim=1).tolist() == [1, 2]
    (losses,) = run.objective.outputs(run.model, clips, present)
    (alone,) = run.objective.outputs(run.model, clips[:1, :1], present[:1, :1])
    assert torch.allclose(losses[:1], alone, atol=1e-6)


def test_what_is_masked_is_not_seen(store):
    """The features are the same whatever the masked joints do; those of the others matter."""
    run = training(store)
    run.model.eval()
    clips, present, _ = run.objective.batch(torch.arange(8), Generator().manual_seed(0))
    seen = []
    run.model.backbone.register_forward_hook(lambda _module, _given, out: seen.append(out))
    masked = (clips[..., -1:] > 0).expand_as(clips[..., :-1])
    for where in (masked, ~masked):
        other = clips.clone()
        other[..., :-1][where] += 1
        for shown in (clips, other):
            run.objective.outputs(run.model, shown, present)
    assert torch.equal(seen[0], seen[1]) and not torch.allclose(seen[2], seen[3])


@pytest.mark.parametrize(
    ("inputs", "part", "channels"),
    [(("joint", "bone"), "body", 6), (("joint",), "hand", 3)],
)
def test_any_stream_can_be_masked(store, inputs, part, channels):
    shown = tuple(STREAMS[name].inputs[0] for name in inputs)
    settings = job()
    settings = replace(settings, stream=replace(settings.stream, inputs=shown, part=part))
    run = training(store, settings, loss="motion")
    clips, present, _ = run.objective.batch(torch.arange(4), Generator().manual_seed(0))
    assert clips.shape[-1] == channels + 1
    (losses,) = run.objective.outputs(run.model, clips, present)
    assert losses.shape == (4,) and torch.isfinite(losses).all()


def test_a_stream_with_too_few_parts_gets_one_line(store):
    settings = job()
    settings = replace(settings, stream=replace(settings.stream, part="leg"))
    with pytest.raises(UserError) as caught:
        training(store, settings, parts=3)
    assert str(caught.value) == (
        "params.yaml: pretrain.masked.parts: 3, but the stream joint sees 3 body parts; must be 2 "
        "at most"
    )


def test_a_diverging_pretraining_names_its_own_rate(store):
    run = training(store, job(lr=1e30))
    run.job = replace(run.job, stream=replace(run.job.stream, lr=1e30))
    with pytest.raises(UserError, match=r"lower pretrain\.lr in params"), fraction_bar("") as bar:
        for _ in range(4):
            run.run_epoch(bar)


def test_the_target_has_no_gradient(store):
    """Else the norm of the input could make it small instead of rebuilding it."""
    run = training(store)
    clips, present, _ = run.objective.batch(torch.arange(4), Generator().manual_seed(0))
    clips[..., -1] = 1  # nothing is seen
    run.objective.outputs(run.model, clips, present)[0].sum().backward()
    assert run.model.backbone.data_bn.weight.grad.abs().sum() == 0
