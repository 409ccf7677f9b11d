"""Pre-training of a stream: what its encoder depends on, how it resumes, and what it starts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from brl.balance.holdout import hold_out
from brl.clips.clip import Clip
from brl.comparison.plan import content_of
from brl.config.check import check
from brl.config.params import Params
from brl.pretraining.encoder import Pretraining, pretrain, without_held_out
from brl.streams.weights import load_encoder, save_encoder
from brl.support.errors import UserError
from brl.support.paths import pretrained_encoder, pretraining_curve
from brl.training.job import Job
from brl.training.loop import Training
from brl.training.resuming import checkpoints
from stages import pretrain as stage
from stages.train import train
from tests.comparing import Grid
from tests.tiny import PARAMS, Interrupted, interrupting, stored, swinging_arms, training_part

MASKED = {"kind": "masked", "clips": "subset", "epochs": 3, "batch_size": 8, "lr": 0.05}
MASKED |= {"masked": {"parts": 2, "loss": "cosine"}}


def params_with(**sections: Any) -> Params:
    """Those of the project, masked pre-training, and other values in sections."""
    content = content_of(PARAMS)
    small = {
        "pretrain": MASKED,
        "model": {"base_channels": 6, "blocks": [1, 1]},
        "train": {"clip_len": 8, "precision": "float32"},
    }
    for changes in (small, sections):
        for section, values in changes.items():
            content[section] = content[section] | values if isinstance(values, dict) else values
    return Params.model_validate(content)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("clips") / "store", swinging_arms())


def pretraining_of(params: Params) -> Pretraining:
    return Pretraining.of(Job.of(params, "joint"))


def encoder_of(clips: list[Clip], folder: Path, params: Params | None = None) -> bytes:
    """The encoder that is pre-trained on the training clips of a store of its own."""
    store = stored(folder / "store", clips)
    listed = without_held_out(store, store.part("half", "train"), params or params_with())
    pretraining = pretraining_of(params or params_with())
    pretrained, _ = pretrain(pretraining, store, listed, folder / "c.pt")
    save_encoder(folder / "encoder.safetensors", pretrained)
    return (folder / "encoder.safetensors").read_bytes()


def spoilt(clip: Clip) -> Clip:
    return replace(clip, label=2, joints=np.full_like(clip.joints, np.nan))


@pytest.mark.parametrize("kind", ["masked", "hallucinated"])
def test_test_clips_and_labels_have_no_part_in_it(tmp_path, kind):
    """A coordinate of a training clip has, so the test would notice."""
    clips, params = swinging_arms(), params_with(pretrain={"kind": kind})
    plain = encoder_of(clips, tmp_path / "plain", params)
    without = clips[:-12] + [spoilt(clip) for clip in clips[-12:]]
    assert encoder_of(without, tmp_path / "without", params) == plain
    unlabelled = [replace(clip, label=number % 2) for number, clip in enumerate(clips)]
    assert encoder_of(unlabelled, tmp_path / "unlabelled", params) == plain
    moved = replace(clips[0], joints=clips[0].joints + 1)
    assert encoder_of([moved, *clips[1:]], tmp_path / "moved", params) != plain


def test_clips_that_the_training_holds_out_have_no_part_in_it(tmp_path, store):
    params = params_with(train={"validation": 0.25})
    _, held_out = hold_out(store, training_part(store), 0.25, params.seed)
    assert len(held_out.clips) == 6
    clips = swinging_arms()
    plain = encoder_of(clips, tmp_path / "plain", params)
    without = [
        replace(clip, joints=np.full_like(clip.joints, np.nan))
        if number in held_out.clips
        else clip
        for number, clip in enumerate(clips)
    ]
    assert encoder_of(without, tmp_path / "without", params) == plain


def test_a_killed_pretraining_ends_with_the_same_bytes(store, tmp_path):
    clips, pretraining = store.part("half", "train"), pretraining_of(params_with())
    whole, whole_curve = pretrain(pretraining, store, clips, tmp_path / "whole.pt")

    with pytest.raises(Interrupted):
        pretrain(pretraining, store, clips, tmp_path / "killed.pt", interrupting(2))
    resumed, curve = pretrain(pretraining, store, clips, tmp_path / "killed.pt")
    assert curve == whole_curve and set(curve[0]) == {"epoch", "loss", "lr", "steps"}
    for name, pretrained in {"whole": whole, "resumed": resumed}.items():
        save_encoder(tmp_path / name, pretrained)
    assert (tmp_path / "resumed").read_bytes() == (tmp_path / "whole").read_bytes()


def test_fewer_clips_than_a_batch_get_one_line(store, tmp_path):
    pretraining = pretraining_of(params_with(pretrain={"batch_size": 25}))
    with pytest.raises(UserError) as caught:
        pretrain(pretraining, store, store.part("half", "train"), tmp_path / "c.pt")
    assert str(caught.value) == (
        "params.yaml: pretrain.batch_size: 25, but there are 24 clips to pre-train on; must "
        "be 24 at most"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"pretrain": {"epochs": 4}},
        {"pretrain": {"clips": "split"}},
        {"pretrain": {"masked": {"parts": 1, "loss": "cosine"}}},
        {"train": {"clip_len": 16}},
        {"train": {"momentum": 0.5}},
        {"model": {"absent_bodies": "pad"}},
        {"seed": 1},
    ],
    ids=str,
)
def test_it_is_another_one_with_other_settings(changes):
    before, after = (pretraining_of(each) for each in (params_with(), params_with(**changes)))
    assert before.identity != after.identity


QUEUE = {"contrastive": {"queue": 12, "momentum": 0.9}}
HALLUCINATED = {"hallucinated": {"after": 0.5, "weight": 1.0}}


def test_settings_of_other_kinds_have_no_part_in_it():
    """Neither in its identity nor in what is recorded of a run."""
    masked = {"masked": {"parts": 1, "loss": "motion"}}
    for kind, others in (
        ("masked", QUEUE | HALLUCINATED),
        ("contrastive", masked | HALLUCINATED),
        ("hallucinated", masked),
    ):
        plain, changed = (params_with(pretrain={"kind": kind} | more) for more in ({}, others))
        assert pretraining_of(plain).identity == pretraining_of(changed).identity
        assert plain.in_use() == changed.in_use()


def test_kinds_and_their_settings_tell_them_apart():
    settings: list[dict[str, Any]] = [
        {"kind": "masked"},
        {"kind": "contrastive"},
        {"kind": "contrastive"} | QUEUE,
        {"kind": "hallucinated"},
        {"kind": "hallucinated"} | QUEUE,
        {"kind": "hallucinated"} | HALLUCINATED,
    ]
    found = [str(pretraining_of(params_with(pretrain=each)).identity) for each in settings]
    assert len(set(found)) == len(settings)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": {"mix": "none", "loss": "ldam"}, "model": {"head": "cosine"}},
        {"train": {"epochs": 7, "lr": 0.7, "batch_size": 4, "passes": 3}},
        {"classifier": {"tau": 0.5}},
    ],
    ids=["method", "train", "classifier"],
)
def test_trainings_that_differ_in_what_follows_share_it(changes):
    shared = pretraining_of(params_with()).identity
    assert pretraining_of(params_with(**changes)).identity == shared


def test_the_head_has_no_part_in_it(tmp_path):
    """As `Pretraining.of` takes for granted."""
    pretraining = pretraining_of(params_with())
    cosine = pretraining.job.model.model_copy(update={"head": "cosine"})
    other = replace(pretraining, job=replace(pretraining.job, model=cosine))
    store = stored(tmp_path / "store", swinging_arms())
    states = [
        pretrain(each, store, store.part("half", "train"), tmp_path / f"{number}.pt")[0]
        for number, each in enumerate((pretraining, other))
    ]
    for name, tensor in states[0].model.backbone.state_dict().items():
        assert torch.equal(tensor, states[1].model.backbone.state_dict()[name]), name


def test_clips_of_the_split_and_held_out_ones_do_not_go_together():
    with pytest.raises(
        ValueError, match=r"pretrain\.clips: split has clips that train\.validation"
    ):
        params_with(pretrain={"clips": "split"}, train={"validation": 0.2})


def test_a_pretraining_that_is_switched_off_leaves_no_trace():
    off = content_of(PARAMS) | {"pretrain": MASKED | {"kind": "none"}}
    old = {name: values for name, values in off.items() if name != "pretrain"}
    off, old = Params.model_validate(off), Params.model_validate(old)
    assert off.in_use() == old.in_use() and "pretrain" not in off.in_use()
    assert Job.of(off, "joint").pretrain is None and Job.of(old, "joint").pretrain is None
    assert params_with().in_use()["pretrain"] == MASKED


def test_a_file_without_the_section_is_told_what_to_add():
    old = Params.model_validate(
        {name: values for name, values in content_of(PARAMS).items() if name != "pretrain"}
    )
    with pytest.raises(UserError, match=r"^params\.yaml: pretrain: missing; .*brl preset"):
        check(old)


# The stage


@pytest.fixture
def project(grid) -> Grid:
    split = Path("data/training/split/train.csv")
    split.parent.mkdir()
    split.write_text("\n".join(["name", *(f"c{number:02d}" for number in range(24))]) + "\n")
    grid.edit_params("pretrain", MASKED)
    return grid


def test_without_a_pretraining_the_stage_writes_a_line(project):
    project.edit_params("pretrain", MASKED | {"kind": "none"})
    stage.main("joint")
    assert pretrained_encoder("joint").read_text() == "no pre-training\n"
    assert pretraining_curve("joint").read_text() == "no pre-training\n"


def test_a_stream_with_a_checkpoint_is_not_pretrained(project):
    project.edit_params("streams.joint.weights", {"file": "j.pth", "sha256": "a"})
    stage.main("joint")
    assert pretrained_encoder("joint").read_text() == "no pre-training\n"


@pytest.mark.parametrize("kind", ["masked", "contrastive", "hallucinated"])
def test_the_encoder_starts_the_stream(project, monkeypatch, kind):
    project.edit_params("pretrain", MASKED | {"kind": kind, "batch_size": 5})
    stage.main("joint")
    assert len(pretraining_curve("joint").read_text().splitlines()) == 1 + MASKED["epochs"]
    assert list(checkpoints().iterdir()) == []
    starts = []
    init = Training.__init__

    def noted(self, *given, **named):
        init(self, *given, **named)
        starts.append({name: t.clone() for name, t in self.model.backbone.state_dict().items()})

    monkeypatch.setattr(Training, "__init__", noted)
    train(project.params(), "joint")
    encoder = load_encoder(pretrained_encoder("joint"))
    assert starts[0].keys() == encoder.keys()
    assert all(torch.equal(tensor, encoder[name]) for name, tensor in starts[0].items())


def test_a_missing_or_foreign_encoder_gets_one_line(project):
    for write in (lambda file: None, lambda file: file.write_bytes(b"none")):
        pretrained_encoder("joint").parent.mkdir(exist_ok=True)
        write(pretrained_encoder("joint"))
        with pytest.raises(UserError, match=r"joint\.safetensors: not a pre-trained encoder"):
            train(project.params(), "joint")


def test_all_training_clips_of_the_split_are_used_without_the_subset(project):
    Path("data/training/subset/train.csv").unlink()
    project.edit_params("pretrain.clips", "split")
    project.edit_params("pretrain.batch_size", 24)  # the subset has fifteen
    stage.main("joint")
    assert load_encoder(pretrained_encoder("joint"))
