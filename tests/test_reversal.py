"""Clips played backwards in training: temporal reverse perception of BRL, arXiv 2308.14024."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from brl.clips.clip import Clip
from brl.clips.layout import Layout
from brl.clips.layouts import COCO17, NTU25
from brl.clips.normalize import Normalization
from brl.clips.store import ClipStore, write_store
from brl.config.params import PredictParams
from brl.prediction import predict
from brl.streams.batch import Clips
from brl.streams.frames import evaluation_frames
from brl.streams.inputs import JointInputs
from brl.streams.weights import load_weights, save_weights
from brl.training.checkpoint_file import read_checkpoint
from brl.training.loop import Training, train_stream
from tests.conftest import STREAMS
from tests.methods import method
from tests.tiny import PARAMS, job, stored, swinging_arms, training_part

LENGTHS = (1, 3, 9, 30, 12)
PREDICTION = PredictParams(num_clips=2, batch_size=8, precision="float32")


def some_clips(layout: Layout) -> list[Clip]:
    draws = np.random.default_rng(0)
    return [
        Clip(
            f"c{number}",
            number % 2,
            draws.random((1 + number % 2, frames, layout.num_joints, 3), np.float32),
        )
        for number, frames in enumerate(LENGTHS)
    ]


def reversed_in_time(clips: list[Clip]) -> list[Clip]:
    return [replace(clip, joints=clip.joints[:, ::-1].copy()) for clip in clips]


def batched(folder, layout: Layout, clips: list[Clip]) -> Clips:
    write_store(
        folder,
        clips,
        dataset="t",
        layout=layout,
        classes=("a", "b"),
        splits=lambda names: {"s": {"train": names[1:], "test": names[:1]}},
        normalization=Normalization("none"),
    )
    return Clips.of_store(ClipStore.open(folder), np.arange(len(clips)), torch.device("cpu"))


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("layout", [NTU25, COCO17], ids=["3D", "scored"])
@pytest.mark.parametrize("rescaled", [False, True])
def test_a_reversed_batch_is_that_of_clips_reversed_before(tmp_path, stream, layout, rescaled):
    """With all augmentations, in all streams: motions are reversed too."""
    clips = some_clips(layout)
    plain = batched(tmp_path / "plain", layout, clips)
    turned = batched(tmp_path / "turned", layout, reversed_in_time(clips))
    params = PARAMS.train.model_copy(update={"clip_len": 6, "rescale": rescaled})
    which = torch.arange(len(clips))
    backwards = torch.tensor([True, True, False, True, True])

    def batch(source: Clips, backwards: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        generator = torch.Generator().manual_seed(1)
        return JointInputs(source, STREAMS[stream], params).train_batch(which, generator, backwards)

    ours, present = batch(plain, backwards)
    forwards, _ = batch(plain, None)
    expected, _ = batch(turned, None)
    assert torch.equal(ours[backwards], expected[backwards])
    assert torch.equal(ours[~backwards], forwards[~backwards])
    assert not torch.allclose(ours[3:], forwards[3:])
    assert torch.equal(present, plain.present(which))


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ClipStore:
    """Joint 0 of all clips moves one unit along x per frame, so a batch shows its direction."""
    clips = swinging_arms()
    for clip in clips:
        clip.joints[:, :, 0, 0] = np.arange(clip.joints.shape[1])
    return stored(tmp_path_factory.mktemp("reversal") / "store", clips)


def training(store: ClipStore, **changes: object) -> Training:
    still = PARAMS.train.augment.model_copy(
        update={"rotation": [0.0, 0.0, 0.0], "scale": 0.0, "flip": 0.0}
    )
    settings = job(method=method(**changes), augment=still, clip_len=5)
    return Training(settings, store, training_part(store))


def goes_backwards(clips: torch.Tensor) -> torch.Tensor:
    """(N,): whether time runs from the last frame to the first."""
    steps = clips[:, 0, 1:, 0, 0] - clips[:, 0, :-1, 0, 0]
    assert ((steps > 0).all(1) | (steps < 0).all(1)).all()
    return steps[:, 0] < 0


@pytest.mark.parametrize("reverse", ["same", "aware"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_the_clips_is_reversed_and_labelled_as_asked(store, reverse, share):
    """`same`: class c remains c; `aware`: c played backwards is C + c."""
    on = training(store, reverse=reverse, reverse_share=share)
    which = torch.arange(24)
    own = on.objective.inputs.labels[which]
    found = []
    for _ in range(50):
        clips, _, (labels, partners, weigh) = on.objective.batch(which, on.augment_generator)
        backwards = goes_backwards(clips)
        found.append(backwards.float().mean())
        expected = own + 3 * backwards if reverse == "aware" else own
        assert torch.equal(labels, expected) and torch.equal(partners, expected)
        assert (weigh == 1).all()
    assert float(torch.stack(found).mean()) == pytest.approx(share, abs=0.05)


def test_partners_of_mixed_clips_keep_the_labels_of_their_direction(store):
    on = training(store, reverse="aware", mix="mixup", mix_share=1.0)
    which = torch.arange(24)
    own = on.objective.inputs.labels[which]
    _, _, (labels, partners, _) = on.objective.batch(which, on.augment_generator)
    assert torch.equal(labels % 3, own)
    assert sorted(set(labels.tolist())) == sorted(set(partners.tolist())) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(("reverse", "outputs"), [("none", 3), ("same", 3), ("aware", 6)])
@pytest.mark.parametrize("head", ["linear", "cosine"])
def test_outputs_for_reversed_clips_only_exist_in_training(store, tmp_path, reverse, outputs, head):
    settings = job(method=method(reverse=reverse), head=head, epochs=1, passes=1)
    before = Training(settings, store, training_part(store))
    assert before.model.cls_head.fc_cls.weight.shape[0] == outputs
    assert before.objective.output_counts.tolist() == [8] * outputs
    trained, _ = train_stream(settings, store, training_part(store), tmp_path / "c.pt")
    kept = read_checkpoint(tmp_path / "c.pt")["model"]["cls_head.fc_cls.weight"]
    assert torch.equal(trained.model.cls_head.fc_cls.weight, kept[:3]) and len(kept) == outputs
    save_weights(tmp_path / "w.safetensors", trained)
    again = load_weights(tmp_path / "w.safetensors")
    chosen = store.part("half", "test")
    ours, theirs = (predict(one, store, chosen, PREDICTION) for one in (trained, again))
    assert ours.shape == (12, 3)
    np.testing.assert_allclose(ours.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("reverse", ["same", "aware"])
def test_test_clips_are_never_played_backwards(store, tmp_path, reverse):
    """Scores come from frames in their order, even if all clips were reversed in training."""
    settings = job(method=method(reverse=reverse, reverse_share=1.0), epochs=1, passes=1)
    trained, _ = train_stream(settings, store, training_part(store), tmp_path / "c.pt")
    chosen = store.part("half", "test")
    scores = predict(trained, store, chosen, PREDICTION)
    clips = Clips.of_store(store, chosen, torch.device("cpu"))
    for place in range(len(chosen)):
        which = torch.tensor([place, place])
        frames = torch.from_numpy(
            evaluation_frames(PARAMS.train.sampling, int(clips.lengths[place]), 8, 2)
        )
        joints, present = clips.joints(which, frames), clips.present(which)
        with torch.no_grad():
            views = trained.model(joints * present[:, :, None, None, None], present).softmax(1)
        np.testing.assert_allclose(scores[place], views.mean(0), atol=1e-5)


@pytest.mark.parametrize("reverse", ["same", "aware"])
def test_the_validation_part_is_never_played_backwards(store, reverse):
    """The validation accuracy is reproducible, and uses no random numbers."""
    settings = job(method=method(reverse=reverse, reverse_share=0.5), validation=0.4)
    on = Training(settings, store, training_part(store))
    state = on.augment_generator.get_state()
    assert on._validate() == on._validate()
    assert torch.equal(on.augment_generator.get_state(), state)
    outputs = on.validation.test_batch(torch.arange(len(on.validation)), 1)[0]
    assert (outputs[:, 0, 1:, 0, 0] >= outputs[:, 0, :-1, 0, 0]).float().mean() > 0.9
