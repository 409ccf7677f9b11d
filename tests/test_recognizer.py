"""The recognizer gives raw recordings the probabilities that the pipeline gives their clips."""

import json
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from click.testing import Result

from brl.clips.clip import Splits
from brl.clips.layouts import COCO17, NTU25, NW_UCLA20
from brl.clips.normalize import Normalization, to_image_frame
from brl.clips.store import ClipStore
from brl.config.params import read_params
from brl.datasets import nw_ucla
from brl.datasets.doubts import MORE_BODIES
from brl.datasets.prepare import prepare
from brl.datasets.recordings.read import read_recording
from brl.datasets.source import Dataset
from brl.prediction import predict
from brl.scores.fusion import fuse
from brl.scores.scores import Scores
from brl.serving.predict import follow
from brl.serving.recognizer import Recognizer
from brl.streams.weights import save_weights
from brl.support.errors import UserError
from tests.command import brl
from tests.recognizers import ENSEMBLE, PARAMS, SMALL, untrained
from tests.reference import shared

DRAWS = np.random.default_rng(0)


def recording(frames: int = 9, joints: int = 20, channels: int = 3, bodies: int = 1) -> np.ndarray:
    return DRAWS.normal(size=(bodies, frames, joints, channels)).astype(np.float32)


def one_to_train(names: list[str]) -> Splits:
    return {"all": {"train": names[:1], "test": names[1:]}}


def test_raw_files_of_nw_ucla_have_the_scores_of_the_pipeline(tmp_path):
    archive = shared(f"data/{nw_ucla.ARCHIVE}")
    dataset = nw_ucla.open_archive(archive.parent)
    some: Dataset = replace(dataset, items=dataset.items[::150], parallel=False)
    some = replace(some, splits=one_to_train, final=None)
    prepare("nw_ucla", some, tmp_path / "store", max_bodies=1)
    store = ClipStore.open(tmp_path / "store")
    recognizer = untrained(classes=list(nw_ucla.CLASSES), sampling="random", rescale=True)
    chosen = np.arange(len(store.names))
    scores = {
        name: Scores(store.names, store.labels, predict(stream, store, chosen, recognizer.predict))
        for name, stream in recognizer.streams.items()
    }
    with zipfile.ZipFile(archive) as opened:
        files = [Path(opened.extract(item, tmp_path)) for item in some.items]
    raw = [read_recording(file, recognizer.recipe.layout, str(file)) for file in files]
    found = recognizer.probabilities(raw)
    np.testing.assert_array_equal(found, fuse(scores, ENSEMBLE).probabilities)
    alone = np.concatenate([recognizer.probabilities([joints]) for joints in raw])
    np.testing.assert_allclose(alone, found, atol=1e-5)


def test_a_person_is_recognised_wherever_the_camera_stands():
    """The recognizer applies the dataset's normalisation."""
    recognizer = untrained(NTU25, Normalization("ntu"), max_bodies=2)
    joints = recording(joints=25, bodies=2)
    here, there = recognizer.probabilities([joints, joints + 3])
    np.testing.assert_allclose(there, here, atol=1e-4)
    assert np.abs(recognizer.prepared_probabilities([joints + 3]) - here).max() > 1e-3


def test_surplus_bodies_and_missing_joints_are_ignored():
    """Bodies beyond max_bodies are dropped; joints that are not finite count as zero."""
    recognizer = untrained(NTU25, Normalization("none"), max_bodies=2)
    joints = recording(joints=25, bodies=3)
    lost = joints.copy()
    lost[0, 2, 5] = np.nan
    zero = joints.copy()
    zero[0, 2, 5] = 0
    found = recognizer.probabilities([joints, joints[:2], lost, zero, 0 * joints])
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[3])
    assert np.isfinite(found).all()


@pytest.mark.parametrize("name", ["stgcnpp", "aagcn"])
def test_a_body_that_no_frame_shows_does_not_count(name):
    """Whether it is recorded in frames that are dropped, or absent from a part of a recording.

    Body 1 takes the first place where body 0 is absent: `aagcn` normalises bodies by their place.
    """
    model = PARAMS.model.model_copy(update={**SMALL, "name": name, "absent_bodies": "skip"})
    recognizer = untrained(NTU25, Normalization("ntu"), max_bodies=2, model=model)
    main, ghost = recording(joints=25, bodies=2)
    main[5:] = ghost[:5] = 0
    both = recognizer.prepared(np.stack([main, ghost]))
    np.testing.assert_array_equal(both, recognizer.prepared(main[None]))
    alone = recording(joints=25)
    parts = [alone, np.concatenate([alone, 0 * alone]), np.concatenate([0 * alone, alone])]
    found = recognizer.prepared_probabilities(parts)
    np.testing.assert_array_equal(found, found[[0, 0, 0]])


def test_pixels_need_their_images_size(tmp_path):
    joints = np.abs(recording(joints=17, channels=3)) * [300, 200, 0.2]
    recognizer = untrained(COCO17, Normalization("image"))
    in_pixels = replace(recognizer, image_size=(480.0, 640.0))
    np.testing.assert_array_equal(
        in_pixels.probabilities([joints]),
        recognizer.probabilities([to_image_frame(joints, 480, 640)]),
    )


@pytest.mark.parametrize("image_size", [(480.0, 640.0), None])
def test_a_joint_without_coordinates_is_missing_whatever_its_score(image_size):
    """In pixels and, as for a model in MLflow, in the image's frame."""
    recognizer = replace(untrained(COCO17, Normalization("image")), image_size=image_size)
    missing = np.abs(recording(joints=17)) * [30, 20, 0.2]
    missing[0, 2:, 5:9] = missing[0, 3] = 0
    scored = missing.copy()
    scored[(missing == 0).all(axis=-1)] = [0, 0, 0.2]
    np.testing.assert_array_equal(recognizer.prepared(scored), recognizer.prepared(missing))


def test_streams_without_any_weight_make_no_recognizer():
    ensemble = ENSEMBLE.model_copy(update={"weights": {"joint": 1.0, "hands": 0.0}})
    streams = {"hands": untrained().streams["hands"]}
    with pytest.raises(UserError, match=r"ensemble\.weights: the weights of hands are all"):
        Recognizer(streams, ensemble, untrained().predict)


def test_saving_and_loading_keeps_the_probabilities(tmp_path):
    recognizer, joints = untrained(), [recording(), recording(30)]
    recognizer.save(tmp_path / "kept")
    loaded = Recognizer.load(tmp_path / "kept")
    np.testing.assert_array_equal(loaded.probabilities(joints), recognizer.probabilities(joints))


# The command


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A folder with params.yaml and the weights of two streams."""
    folder = tmp_path_factory.mktemp("project")
    params = Path("params.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
    keep, inside = [], ""
    for line in params:  # drops the other streams
        inside = "streams" if line.startswith("streams:") else inside if line[0] == " " else ""
        if inside and line.startswith("  ") and line[2] != " ":
            inside = line.strip().rstrip(":")
        if inside in ("", "streams", *ENSEMBLE.weights):
            keep.append(line)
    (folder / "params.yaml").write_text("".join(keep), encoding="utf-8")
    for name, stream in untrained().streams.items():
        save_weights(folder / "classifiers" / f"{name}.safetensors", stream)
    np.save(folder / "long.npy", recording(40))
    np.save(folder / "short.npy", recording(5)[0])
    np.save(folder / "other.npy", recording(5, joints=25))
    return folder


def run(project: Path, *arguments: str) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        patch.setenv("COLUMNS", "200")
        return brl("predict", *arguments)


def test_the_command_prints_the_likeliest_classes(project, monkeypatch):
    monkeypatch.chdir(project)
    recognizer = Recognizer.of_project(read_params())
    done = run(project, "long.npy", "short.npy", "--top", "2", "--json")
    assert done.exit_code == 0, done.stderr
    long, short = json.loads(done.stdout)
    assert (long["file"], long["frames"], short["frames"]) == ("long.npy", 40, 5)
    for found in (long, short):
        recorded = read_recording(Path(found["file"]), NW_UCLA20, "")
        (expected,) = recognizer.probabilities([recorded])
        best = np.argsort(-expected)[:2]
        assert [row["class"] for row in found["classes"]] == [recognizer.classes[c] for c in best]
        probabilities = [row["probability"] for row in found["classes"]]
        np.testing.assert_allclose(probabilities, expected[best], atol=1e-4)
    table = run(project, "long.npy").stdout
    assert [line.split()[0] for line in table.splitlines()[:2]] == ["recording", "long.npy"]
    assert len(table.splitlines()) == 4 and table.count("%") == 3


def test_long_recordings_have_a_timeline(project):
    done = run(project, "long.npy", "--window", "12", "--step", "6", "--json")
    (found,) = json.loads(done.stdout)
    timeline = found["timeline"]
    assert timeline[0]["start"] == 0 and timeline[-1]["end"] == 40
    table = run(project, "long.npy", "--window", "12").stdout
    assert "0-" in table and "█" in table
    by_half_windows = run(project, "long.npy", "--window", "12", "--json").stdout
    assert json.loads(by_half_windows) == [found]


def test_a_recording_that_is_not_what_it_is_taken_for_is_a_warning(project, tmp_path):
    first, second = tmp_path / "first.npy", tmp_path / "second.npy"
    np.save(first, np.swapaxes(recording(), 0, 1))
    np.save(second, np.swapaxes(recording(bodies=2), 0, 1))
    done = run(project, str(first), "long.npy", str(second), "--json")
    assert done.exit_code == 0 and len(json.loads(done.stdout)) == 3
    assert done.stderr == f"warning: {first}: {MORE_BODIES} (and 1 more recordings)\n"
    assert run(project, "long.npy", "--window", "12").stderr == ""


WRONG = {
    "another skeleton": (["other.npy"], "other.npy: an array of shape (1, 5, 25, 3); must be"),
    "no file": (["gone.npy"], "gone.npy: no such file or folder"),
    "the size of no image": (
        ["long.npy", "--image-size", "640x480"],
        "--image-size: for `normalize: image`; these streams have center",
    ),
    "a step alone": (["long.npy", "--step", "4"], "--step: needs --window"),
}


@pytest.mark.parametrize("case", WRONG)
def test_mistakes_are_one_line(project, case):
    arguments, complaint = WRONG[case]
    done = run(project, *arguments)
    assert done.exit_code == 1 and done.stdout == ""
    assert done.stderr.startswith("error: ") and complaint in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [[], ["--window", "4"]])
def test_recordings_without_frames_or_bodies_do_not_cost_the_others_their_results(
    project, tmp_path, options
):
    np.save(tmp_path / "a_frames.npy", np.zeros((0, 20, 3)))
    np.save(tmp_path / "b_bodies.npy", np.zeros((0, 5, 20, 3)))
    np.save(tmp_path / "c_good.npy", recording(5))
    (tmp_path / "d_empty.npy").write_bytes(b"")
    np.save(tmp_path / "e_nobody.npy", np.zeros((5, 20, 3)))
    np.save(tmp_path / "f_nan.npy", np.full((5, 20, 3), np.nan))
    done = run(project, str(tmp_path), "--json", *options)
    found = {Path(each["file"]).stem: each for each in json.loads(done.stdout)}
    assert [name for name, each in found.items() if "error" in each] == [
        "a_frames", "b_bodies", "d_empty",
    ]  # fmt: skip
    assert len(found) == 6 and done.exit_code == 1
    assert "a_frames.npy: an array of shape (0, 20, 3); must have at least one" in done.stderr
    assert done.stderr.endswith("(and 2 more recordings)\n")


def test_the_memory_of_a_timeline_does_not_depend_on_the_length(tmp_path):
    """The most that is held at once, by a stand-in's network; all frames have 2.4 MB."""

    class Network:
        classes: ClassVar = ["one", "two"]
        predict = untrained().predict

        def probabilities(self, clips):
            return np.full((len(clips), 2), 0.5)

    file = tmp_path / "long.npy"
    np.lib.format.open_memmap(file, "w+", np.float32, (1, 10_000, 20, 3)).flush()
    long = np.load(file, mmap_mode="r")
    tracemalloc.start()
    timeline = follow(file, long, Network(), 64, 16)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert timeline.segments[-1].end == 10_000
    assert most < 150_000  # with all frames' probabilities, 160,000


@pytest.mark.parametrize("size", ["1920", "1920x0", "x", "1920x1080x3", "-1x5"])
def test_a_wrong_image_size_is_refused(project, size):
    done = run(project, "long.npy", "--image-size", size)
    assert done.exit_code == 2
    assert "must be WIDTHxHEIGHT in pixels, such as 1920x1080" in done.stderr


def test_one_bad_recording_does_not_stop_the_others(project):
    done = run(project, ".", "--json")
    assert done.exit_code == 1 and done.stderr.startswith("error: other.npy: an array of shape")
    found = json.loads(done.stdout)
    assert [row["file"] for row in found] == ["long.npy", "other.npy", "short.npy"]
    assert ["error" in row for row in found] == [False, True, False]
    done = run(project, ".")
    assert "long.npy" in done.stdout and "other.npy" not in done.stdout


def test_only_recordings_in_pixels_need_their_images_size(project, tmp_path, monkeypatch):
    """An export and a model take joints in the image frame."""
    (tmp_path / "params.yaml").write_text((project / "params.yaml").read_text())
    for name, stream in untrained(COCO17, Normalization("image")).streams.items():
        save_weights(tmp_path / "classifiers" / f"{name}.safetensors", stream)
    np.save(tmp_path / "coco.npy", recording(joints=17))
    done = run(tmp_path, "coco.npy")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: joints in pixels: give their image's size, --image-size")
    assert run(tmp_path, "coco.npy", "--image-size", "640x480").exit_code == 0
    monkeypatch.chdir(tmp_path)
    assert Recognizer.of_project(read_params()).image_size is None


def test_without_trained_streams_the_message_says_to_train(tmp_path):
    (tmp_path / "params.yaml").write_text(Path("params.yaml").read_text())
    done = run(tmp_path, "long.npy")
    assert done.exit_code == 1
    assert done.stderr == "error: classifiers/joint.safetensors is missing; first: make repro\n"


def test_networks_do_not_change():
    """Prediction does not update batch norms."""
    recognizer = untrained()
    before = recognizer.streams["joint"].model.state_dict()
    before = {name: tensor.clone() for name, tensor in before.items()}
    recognizer.probabilities([recording()])
    after = recognizer.streams["joint"].model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
