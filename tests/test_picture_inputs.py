"""Streams of pictures: what params.yaml may say, what their networks see, and that they learn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from brl.clips.store import ClipStore
from brl.config.check import check_streams
from brl.config.params import Params, read_params
from brl.pictures.form import Form
from brl.pictures.store import Kept, write_pictures
from brl.prediction import probabilities
from brl.streams.frames import evaluation_frames
from brl.streams.pictures import DEEPEST, digest_of
from brl.streams.stream import Stream
from brl.streams.weights import Recipe, load_weights, save_weights
from brl.support.errors import UserError
from brl.training.job import Job
from brl.training.loop import train_stream
from stages import networks
from tests import tiny
from tests.project import HERE

CPU = torch.device("cpu")
SIZE = 16
FORMS = {
    "rgb": Form(side=SIZE, frames=4, format="color", crop="none"),
    "depth": Form(side=SIZE, frames=4, format="depth", crop="none"),
}
BLOCKS = {
    "camera": {"inputs": ["rgb"], "model": {"name": "resnet18", "base_channels": 8}},
    "distance": {
        "inputs": "depth",
        "lr": 0.005,
        "model": {"name": "r2plus1d18", "base_channels": 8},
    },
    "both": {
        "inputs": ["rgb", "joint"],
        "model": {"name": "deformable3d", "base_channels": 16, "settings": {"patch": 8}},
    },
}


def params_with(streams: dict, path: Path, **others) -> Params:
    """params.yaml with pictures, these streams beside `joint`, and plain cross-entropy."""
    content = yaml.safe_load((HERE / "params.yaml").read_text(encoding="utf-8"))
    content["pictures"] = {
        name: {"side": form.side, "frames": 4, "format": form.format, "crop": "none"}
        for name, form in FORMS.items()
    }
    content["streams"] = {"joint": {"inputs": "joint"}, **streams}
    content["ensemble"]["weights"] = dict.fromkeys(content["streams"], 1)
    content["method"] |= {"mix": "none", "sampler": "instance", "class_weights": "none"}
    content["train"] |= {"epochs": 4, "passes": 4, "batch_size": 8, "clip_len": 6, "lr": 0.02}
    content |= others
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return read_params(path)


def shown_classes(store: ClipStore) -> list[Kept]:
    """Pictures whose colour and depth tell the class of each clip, brighter at their left."""
    kept = []
    for clip, label in enumerate(store.labels):
        count = 1 + clip % 4
        values = np.zeros((count, SIZE, SIZE, 3), np.uint8)
        values[..., label % 3] = 120
        values[:, :, : SIZE // 2] += 60
        values += np.arange(count, dtype=np.uint8)[:, None, None, None]
        kept.append(Kept(values, count / store.frames[clip], 0.5))
    return kept


def distances(colors: np.ndarray) -> np.ndarray:
    """Pictures of depth from pictures in colour: a distance for each colour."""
    return (colors.astype("<u2") @ np.array([1, 10, 30], "<u2"))[..., None]


@pytest.fixture
def store(tmp_path, monkeypatch) -> ClipStore:
    """A store of clips in a project of its own, with pictures of all of them."""
    monkeypatch.chdir(tmp_path)
    clips = tiny.stored(Path("data/store"), tiny.swinging_arms())
    colors = shown_classes(clips)
    deep = [each._replace(pictures=distances(each.pictures)) for each in colors]
    inputs = {"rgb": (FORMS["rgb"], colors), "depth": (FORMS["depth"], deep)}
    write_pictures(Path("data/pictures"), inputs, clips.digest)
    return clips


@pytest.fixture
def params(tmp_path) -> Params:
    return params_with(BLOCKS, tmp_path / "seen.yaml")


def recipe_of(params: Params, store: ClipStore, name: str) -> Recipe:
    return Recipe.on(
        store, stream=Stream.of(params, name), model=params.model_of(name), train=params.train
    )


@pytest.mark.parametrize(("name", "tokens"), [("camera", 0), ("distance", 0), ("both", 2 * 20)])
def test_a_view_shows_the_pictures_of_its_frames_and_then_the_joints(params, store, name, tokens):
    recipe = recipe_of(params, store, name)
    indices = np.array([3, 0, 7])
    views, present = recipe.inputs(store, indices, CPU).test_batch(torch.tensor([1, 2]), 3)
    _, frames, _, channels = recipe.batch_shape
    assert views.shape == (6, 1, frames, SIZE * SIZE + tokens, channels) and frames == 4
    assert present.all()
    camera = recipe.stream.camera
    joint = recipe_of(params, store, "joint")
    joint = joint.model_copy(update={"train": params.train.model_copy(update={"clip_len": 4})})
    joints, _ = joint.inputs(store, indices, CPU).test_batch(torch.tensor([1, 2]), 3)
    for number, clip in enumerate([0, 0, 0, 7, 7, 7]):
        kept = shown_classes(store)[clip]
        values = kept.pictures if camera.name == "rgb" else distances(kept.pictures)
        which = np.rint((frames_of(params, store, clip)[number % 3] - 0.5) * kept.rate)
        expected = values[np.clip(which, 0, len(values) - 1).astype(int)].reshape(4, -1, channels)
        scale = 255 if camera.name == "rgb" else DEEPEST
        ours = views[number, 0, :, : SIZE * SIZE]
        np.testing.assert_allclose(ours, expected / scale, rtol=1e-6)
        if tokens:
            of_bodies = joints[number].transpose(0, 1).flatten(1, 2)
            torch.testing.assert_close(views[number, 0, :, SIZE * SIZE :], of_bodies)


def frames_of(params: Params, store: ClipStore, clip: int) -> np.ndarray:
    return evaluation_frames(params.train.sampling, int(store.frames[clip]), 4, 3)


def test_a_training_clip_is_flipped_as_a_whole_and_may_be_played_backwards(params, store):
    augment = params.train.augment.model_copy(update={"flip": 1.0, "rotation": (0.0, 0.0, 0.0)})
    recipe = recipe_of(params, store, "camera")
    recipe = recipe.model_copy(
        update={"train": params.train.model_copy(update={"augment": augment})}
    )
    inputs = recipe.inputs(store, np.arange(12), CPU)
    backwards = torch.arange(12) % 2 == 0
    clips, _ = inputs.train_batch(torch.arange(12), torch.Generator().manual_seed(0), backwards)
    pictures = clips[:, 0].unflatten(2, (SIZE, SIZE))
    left, right = pictures[..., : SIZE // 2, :], pictures[..., SIZE // 2 :, :]
    assert (right.mean((1, 2, 3, 4)) > left.mean((1, 2, 3, 4)) + 0.1).all()
    brightness = pictures.mean((2, 3, 4))
    change = brightness[:, -1] - brightness[:, 0]
    assert (change[backwards] <= 1e-6).all() and (change[~backwards] >= -1e-6).all()
    assert (change.abs() > 1e-3).any()


@pytest.mark.parametrize("name", BLOCKS)
def test_a_stream_learns_from_pictures_and_its_weights_are_loaded(params, store, name, tmp_path):
    job = Job.of(params, name)
    trained, curve = train_stream(job, store, tiny.training_part(store), tmp_path / "checkpoint.pt")
    assert curve[-1]["loss"] < curve[0]["loss"]
    test = store.part("half", "test")
    save_weights(tmp_path / "weights.safetensors", trained)
    loaded = load_weights(tmp_path / "weights.safetensors")
    assert loaded.recipe == trained.recipe
    scores = [
        probabilities(each.model, each.recipe.inputs(store, test, CPU), params.predict, 3)
        for each in (trained, loaded)
    ]
    np.testing.assert_array_equal(*scores)
    accuracy = (scores[0].argmax(1) == store.labels[test]).mean()
    assert accuracy > 0.6 and curve[-1]["accuracy"] > 75  # by chance 0.33 and 33


def test_a_stream_of_joints_leaves_no_trace_of_pictures(params, store):
    recipe = recipe_of(params, store, "joint")
    assert set(recipe.model_dump()) & {"camera", "pictures"} == set()
    assert Stream.of(params, "joint").seen == ["joint", 0]
    assert digest_of(Stream.of(params, "joint")) == []


def test_what_a_stream_sees_is_part_of_its_identity(params, store, tmp_path):
    stream = Stream.of(params, "camera")
    other = replace(stream.camera, form=replace(stream.camera.form, frames=3))
    assert replace(stream, camera=other).seen != stream.seen
    before = digest_of(stream)
    changed = shown_classes(store)
    changed[0].pictures[0, 0, 0, 0] += 1
    write_pictures(Path("data/pictures"), {"rgb": (FORMS["rgb"], changed)}, store.digest)
    assert digest_of(stream) != before


def test_a_clip_without_pictures_is_named_before_a_training(params, store):
    lacking = [None if clip == 5 else each for clip, each in enumerate(shown_classes(store))]
    write_pictures(Path("data/pictures"), {"rgb": (FORMS["rgb"], lacking)}, store.digest)
    recipe = recipe_of(params, store, "camera")
    recipe.inputs(store, np.arange(5), CPU)
    with pytest.raises(UserError, match="1 of 6 clips have no rgb, such as c05; add pictures"):
        recipe.inputs(store, np.arange(6), CPU)


def test_pictures_of_other_clips_are_not_taken(params, store):
    write_pictures(Path("data/pictures"), {"rgb": (FORMS["rgb"], shown_classes(store))}, "other")
    with pytest.raises(UserError, match="shows other clips; first: dvc repro pictures"):
        recipe_of(params, store, "camera").inputs(store, np.arange(3), CPU)


def test_pictures_that_were_not_made_are_asked_for(params, store):
    (Path("data/pictures") / "meta.json").unlink()
    with pytest.raises(UserError, match="data/pictures is missing; first: dvc repro pictures"):
        recipe_of(params, store, "camera").inputs(store, np.arange(3), CPU)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"inputs": ["rbg"]}, "streams.s.inputs: unknown modality 'rbg'; known: joint, .*, rgb, "),
        (
            {"inputs": ["rgb", "depth"]},
            "streams.s.inputs: a stream sees the pictures of one camera",
        ),
        ({"inputs": ["rgb"]}, "model.name stgcnpp sees joints; the stream s shows pictures: must "),
        (
            {"inputs": ["rgb", "joint"], "model": {"name": "resnet18"}},
            "model.name resnet18 sees pictures; the stream s shows joints and pictures: must be "
            "one of deformable3d",
        ),
        (
            {"inputs": "joint", "model": {"name": "resnet18"}},
            "model.name resnet18 sees pictures; the stream s shows joints: must be one of stgcn, ",
        ),
    ],
)
def test_a_mistake_in_a_stream_gets_one_line(tmp_path, block, message):
    with pytest.raises(UserError, match=message) as error:
        params_with({"s": block}, tmp_path / "wrong.yaml")
    assert "\n" not in str(error.value)


def test_pictures_cannot_have_the_name_of_a_modality(tmp_path):
    """A stream with this input would see joints, without a word."""
    pictures = {"bone": {"side": SIZE, "frames": 4, "format": "color", "crop": "none"}}
    with pytest.raises(UserError, match=r"pictures\.bone: is a modality of joints"):
        params_with({}, tmp_path / "wrong.yaml", pictures=pictures)


def test_another_number_of_frames_trains_a_stream_anew(tmp_path, store, monkeypatch):
    """Also where the same pictures are kept: a batch has another shape."""
    monkeypatch.setattr(networks, "network_code", lambda name: HERE / f"brl/models/{name}.py")
    found = []
    for frames in (4, 5):
        pictures = {"rgb": {"side": SIZE, "frames": frames, "format": "color", "crop": "none"}}
        params_with({"camera": BLOCKS["camera"]}, tmp_path / "params.yaml", pictures=pictures)
        networks.main()
        folder = tmp_path / "data/networks"
        found.append([(folder / f"{name}.json").read_bytes() for name in ("joint", "camera")])
    (joint, camera), (same_joint, other_camera) = found
    assert joint == same_joint and camera != other_camera


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"method": {"mix": "partial"}},
            "method.mix: partial mixes parts of bodies, but streams.c",
        ),
        (
            {"pretrain": {"kind": "contrastive"}},
            "pretrain.kind: contrastive trains on joints alone",
        ),
    ],
)
def test_what_takes_joints_alone_is_refused(tmp_path, store, change, message):
    params = params_with({"camera": BLOCKS["camera"]}, tmp_path / "p.yaml")
    ((section, values),) = change.items()
    changed = getattr(params, section).model_copy(update=values)
    params = params.model_copy(update={section: changed})
    with pytest.raises(UserError, match=message):
        check_streams(params, store.layout)


@pytest.mark.parametrize(
    ("model", "side", "message"),
    [
        (
            {"name": "deformable3d", "settings": {"patch": 5}},
            16,
            "16 is no multiple of 5, the patch",
        ),
        ({"name": "resnet18"}, 8, "8; must be 16 or more for resnet18"),
    ],
)
def test_pictures_of_a_size_that_a_network_cannot_take_are_refused(
    tmp_path, store, model, side, message
):
    params = params_with({"s": {"inputs": "rgb", "model": model}}, tmp_path / "p.yaml")
    pictures = {"rgb": params.pictures["rgb"].model_copy(update={"side": side})}
    with pytest.raises(UserError, match=rf"pictures\.rgb\.side: {message}"):
        check_streams(params.model_copy(update={"pictures": pictures}), store.layout)
