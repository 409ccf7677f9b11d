"""What a training optimises is apart from the loop: an objective without labels runs in it too."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from brl.streams.weights import Recipe
from brl.training.checkpoint_file import read_checkpoint
from brl.training.loop import Training, train_stream
from brl.training.objective import Objective
from tests.tiny import job, stored, swinging_arms, training_part


class Reconstruction(Objective):
    """A decoder rebuilds each clip's mean pose from its features; a buffer counts the steps."""

    def __init__(self, job, recipe, inputs, counts) -> None:
        super().__init__()
        self.inputs, self.clips = inputs, int(counts.sum())
        width = recipe.build().backbone.out_channels
        self.decoder = nn.Linear(width, recipe.layout.num_joints * recipe.channels)
        self.register_buffer("steps", torch.zeros(()))

    def order(self, epoch, generator):
        return torch.randperm(self.clips, generator=generator)

    def batch(self, indices, generator):
        clips, present = self.inputs.train_batch(indices, generator)
        return clips, present, clips.mean(dim=(1, 2)).flatten(1)

    def outputs(self, network, clips, present):
        return (network.clip_features(clips, present).float(),)

    def loss(self, outputs, targets, epoch):
        self.steps += 1
        return F.mse_loss(self.decoder(outputs[0]), targets)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("clips") / "store", swinging_arms())


def test_a_loss_without_labels_fits_the_loop(store, tmp_path):
    told = []
    settings, subset = job(epochs=6), training_part(store)
    trained, curve = train_stream(
        settings, store, subset, tmp_path / "c.pt", told.append, Reconstruction
    )
    assert told == curve and [row["epoch"] for row in curve] == [1, 2, 3, 4, 5, 6]
    assert set(curve[0]) == {"epoch", "loss", "lr", "steps"}
    assert curve[-1]["loss"] < curve[0]["loss"]
    assert set(trained.model.state_dict()) == set(trained.recipe.build().state_dict())


def test_its_parameters_and_buffers_resume(store, tmp_path):
    subset = training_part(store)
    whole, whole_curve = train_stream(
        job(), store, subset, tmp_path / "whole.pt", objective=Reconstruction
    )

    class Killed(Exception):
        pass

    def kill(row):
        if row["epoch"] == 2:
            raise Killed

    checkpoint = tmp_path / "killed.pt"
    with pytest.raises(Killed):
        train_stream(job(), store, subset, checkpoint, kill, Reconstruction)
    steps = read_checkpoint(checkpoint)["objective"]["steps"]
    assert steps == 2 * len(Training(job(), store, subset, Reconstruction)._batches())
    resumed, curve = train_stream(job(), store, subset, checkpoint, objective=Reconstruction)
    assert curve == whole_curve
    for name, tensor in resumed.model.state_dict().items():
        assert torch.equal(tensor, whole.model.state_dict()[name]), name


class Twice(Reconstruction):
    """Every clip is shown twice."""

    def extended(self, batch, network, epoch, generator):
        assert network.training and epoch == self.seen_epoch
        return tuple(rows.repeat(2, *[1] * (rows.ndim - 1)) for rows in batch)

    def order(self, epoch, generator):
        self.seen_epoch = epoch
        return super().order(epoch, generator)

    def measures(self, outputs, targets):
        return {"shown": torch.tensor(float(len(targets)))}


def test_what_is_made_from_a_clip_counts_as_one_with_it(store, tmp_path):
    curves = [
        train_stream(
            job(epochs=2), store, training_part(store), tmp_path / each.__name__, objective=each
        )[1]
        for each in (Reconstruction, Twice)
    ]
    for once, twice in zip(*curves, strict=True):
        assert twice.pop("shown") == 100
        assert twice == pytest.approx(once, rel=0.01)


def test_what_cannot_be_validated_says_so(store, tmp_path):
    settings = job(validation=0.3)
    with pytest.raises(TypeError, match="Reconstruction cannot be validated"):
        train_stream(
            settings, store, training_part(store), tmp_path / "c.pt", objective=Reconstruction
        )


def test_a_network_starts_from_given_weights(store, tmp_path):
    """Those of a training without labels, say: the backbone is taken, the head is fresh."""
    subset = training_part(store)
    pretrained, _ = train_stream(
        job(epochs=1), store, subset, tmp_path / "c.pt", objective=Reconstruction
    )
    start = pretrained.model.backbone.state_dict()
    training = Training(job(), store, subset, start=start)
    for name, tensor in training.model.backbone.state_dict().items():
        assert torch.equal(tensor, start[name]), name
    fresh = Training(job(), store, subset)
    assert torch.equal(training.model.cls_head.fc_cls.weight, fresh.model.cls_head.fc_cls.weight)
    first = next(iter(start))
    with pytest.raises(RuntimeError, match=first):
        Training(job(), store, subset, start={name: start[name] for name in list(start)[1:]})


def test_the_recipe_of_a_training_is_what_it_was_made_with(store, tmp_path: Path):
    settings = job()
    trained, _ = train_stream(settings, store, training_part(store), tmp_path / "c.pt")
    expected = Recipe.on(store, stream=settings.stream, model=settings.model, train=settings.train)
    assert trained.recipe == expected
