"""Batches equal single clips that are computed step by step."""

from pathlib import Path

import numpy as np
import pytest
import torch

from brl.clips.clip import Clip
from brl.clips.layouts import COCO17
from brl.clips.normalize import Normalization
from brl.clips.store import ClipStore, write_store
from brl.config.params import read_params
from brl.streams.augment import random_matrices
from brl.streams.batch import Clips
from brl.streams.frames import evaluation_frames, train_frames
from brl.streams.inputs import JointInputs
from tests.conftest import STREAMS
from tests.test_store import some_clips, stored

PARAMS = read_params(Path("params.yaml")).train.model_copy(update={"clip_len": 6})
SIZES = [(1, 3), (2, 9), (1, 30), (2, 1)]


@pytest.fixture
def clips(tmp_path):
    return some_clips(SIZES), Clips.of_store(
        stored(tmp_path / "s", some_clips(SIZES)), np.arange(len(SIZES)), torch.device("cpu")
    )


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("rescaled", [False, True])
def test_test_views_equal_frames_of_the_whole_clip(clips, stream, rescaled):
    """Motions are computed before frame sampling; rescaling uses the whole clip's extremes."""
    originals, batched = clips
    params = PARAMS.model_copy(update={"rescale": rescaled})
    views, present = JointInputs(batched, STREAMS[stream], params).test_batch(torch.arange(4), 2)
    assert views.shape == (8, 2, 6, 20, 3)
    ((hops, in_motion),) = ((each.hops, each.motion) for each in STREAMS[stream].inputs)
    ancestors = batched.layout.ancestors(hops)
    for number, original in enumerate(originals):
        joints = original.joints.astype(np.float64)
        if rescaled:
            low, high = joints.min(axis=(0, 1, 2)), joints.max(axis=(0, 1, 2))
            joints = 2 * (joints - low) / (high - low) - 1
        if hops:
            joints = joints - joints[:, :, ancestors]
        if in_motion:
            joints = np.diff(joints, axis=1, append=joints[:, -1:])
        frames = evaluation_frames("uniform", joints.shape[1], 6, 2)
        for view in range(2):
            ours, bodies = views[2 * number + view], len(joints)
            np.testing.assert_allclose(ours[:bodies], joints[:, frames[view]], atol=1e-5)
            assert (ours[bodies:] == 0).all()
            assert present[2 * number + view].sum() == bodies


@pytest.mark.parametrize("stream", ["joint", "skip_motion"])
def test_a_training_batch_is_the_augmented_clip(clips, stream):
    """The same random numbers, applied one step at a time, give the same batch."""
    originals, batched = clips
    params = PARAMS.model_copy(update={"rescale": True})
    which = torch.arange(4)
    ours, present = JointInputs(batched, STREAMS[stream], params).train_batch(
        which, torch.Generator().manual_seed(1)
    )
    generator = torch.Generator().manual_seed(1)
    frames = train_frames("uniform", batched.lengths, 6, generator)
    matrices = random_matrices(4, params.augment, torch.device("cpu"), generator)
    flipped = torch.rand(4, generator=generator) < params.augment.flip
    assert flipped.any() and not flipped.all()
    ((hops, in_motion),) = ((each.hops, each.motion) for each in STREAMS[stream].inputs)
    for number, original in enumerate(originals):
        joints = original.joints @ matrices[number].numpy().T
        low, high = joints.min(axis=(0, 1, 2)), joints.max(axis=(0, 1, 2))
        joints = 2 * (joints - low) / (high - low) - 1
        if flipped[number]:
            joints = joints[:, :, batched.layout.mirrored()] * np.array([-1, 1, 1])
        if hops:
            joints = joints - joints[:, :, batched.layout.ancestors(hops)]
        if in_motion:
            joints = np.diff(joints, axis=1, append=joints[:, -1:])
        bodies = len(joints)
        np.testing.assert_allclose(
            ours[number, :bodies], joints[:, frames[number].numpy()], atol=1e-4
        )
        assert present[number].sum() == bodies


def test_a_body_is_present_where_the_sampled_frames_do_not_show_it(tmp_path):
    (clip, *others) = some_clips([(2, 60), (1, 4), (1, 4)])
    clip.joints[1, 1:] = 0
    store = stored(tmp_path / "s", [clip, *others])
    inputs = JointInputs(
        Clips.of_store(store, np.arange(1), torch.device("cpu")), STREAMS["joint"], PARAMS
    )
    views, present = inputs.train_batch(torch.zeros(20).long(), torch.Generator().manual_seed(0))
    unseen = (views[:, 1] == 0).flatten(1).all(dim=1)
    assert unseen.any() and not unseen.all()
    assert present.all()


def test_training_batches_depend_on_the_generators_seed(clips):
    _, batched = clips
    inputs = JointInputs(batched, STREAMS["bone_motion"], PARAMS)

    def draw(seed: int) -> torch.Tensor:
        return inputs.train_batch(torch.arange(4), torch.Generator().manual_seed(seed))[0]

    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))


def test_without_augmentation_a_training_batch_holds_frames_of_its_clips(clips):
    originals, batched = clips
    still = PARAMS.augment.model_copy(
        update={"rotation": [0.0, 0.0, 0.0], "scale": 0.0, "flip": 0.0}
    )
    inputs = JointInputs(batched, STREAMS["joint"], PARAMS.model_copy(update={"augment": still}))
    batch, _ = inputs.train_batch(torch.arange(4), torch.Generator().manual_seed(0))
    for clip, original in zip(batch, originals, strict=True):
        frames = {frame.tobytes() for frame in original.joints[0]}
        assert all(frame.numpy().tobytes() in frames for frame in clip[0])


@pytest.mark.parametrize("stream", STREAMS)
def test_scores_of_2d_joints_are_neither_rotated_nor_rescaled(tmp_path, stream):
    """Even with all augmentations, scores are those of the stream without augmentation."""
    draws = np.random.default_rng(0)
    clips = [Clip(f"c{i}", i, draws.random((1, 9, 17, 3), np.float32)) for i in range(3)]
    splits = {"s": {"train": ["c0", "c1"], "test": ["c2"]}}
    write_store(
        tmp_path / "s",
        clips,
        dataset="t",
        layout=COCO17,
        classes=("a", "b", "c"),
        splits=lambda names: splits,
        normalization=Normalization("none"),
    )
    batched = Clips.of_store(ClipStore.open(tmp_path / "s"), np.arange(3), torch.device("cpu"))
    which, generator = torch.arange(3), torch.Generator().manual_seed(0)
    augment = PARAMS.augment.model_copy(update={"flip": 0.0})
    params = PARAMS.model_copy(update={"rescale": True, "clip_len": 9, "augment": augment})
    ours, _ = JointInputs(batched, STREAMS[stream], params).train_batch(which, generator)
    frames = train_frames("uniform", batched.lengths, 9, torch.Generator().manual_seed(0))
    plain = params.model_copy(update={"rescale": False})
    inputs = JointInputs(batched, STREAMS[stream], plain)
    expected, _ = inputs.batch(which, frames)
    torch.testing.assert_close(ours[..., 2], expected[..., 2])
    assert not torch.allclose(ours[..., :2], expected[..., :2])
