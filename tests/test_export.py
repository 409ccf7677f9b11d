"""The exported graph gives the networks' probabilities; otherwise it is not written."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from brl.clips.layouts import COCO17, NTU25
from brl.clips.normalize import Normalization
from brl.config.params import networks_that_see
from brl.serving import export as exporting
from brl.serving.export import (
    export,
    extreme_clips,
    graph_inputs,
    load_graph,
    noise,
    store_of,
)
from brl.serving.recognizer import Recognizer
from brl.support.errors import UserError
from brl.support.paths import STORE
from tests.project import HERE
from tests.recognizers import ENSEMBLE, PARAMS, SMALL, untrained
from tests.test_store import CLASSES, some_clips, stored

NETWORKS = networks_that_see({"joints"})
OTHERS = [*((name, "skip") for name in NETWORKS if name != "stgcnpp"), ("aagcn", "pad")]
CASES = [
    ("stgcnpp", "skip"),
    ("stgcnpp", "pad"),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in OTHERS),
]


def of_network(name: str, absent_bodies: str) -> Recognizer:
    """Two networks in two streams; the others, which take long to trace, in the longer of them."""
    width = {"base_channels": 12} if name == "msg3d" else {}
    changes = {**SMALL, **width, "name": name, "absent_bodies": absent_bodies}
    both = untrained(NTU25, max_bodies=2, model=PARAMS.model.model_copy(update=changes))
    if name == "ctrgcn":
        return replace(both, ensemble=ENSEMBLE.model_copy(update={"kind": "logits"}))
    if name == "stgcnpp":
        return both
    return replace(both, streams={"hands": both.streams["hands"]})


@pytest.mark.parametrize(("name", "absent_bodies"), CASES, ids=lambda value: value)
def test_every_network_agrees_through_torch_export(tmp_path, name, absent_bodies):
    recognizer = of_network(name, absent_bodies)
    difference = export(recognizer, tmp_path / "r.pt2", [])
    assert difference <= 1e-4
    recording = noise(recognizer.recipe, 20, 2)
    recordings = [recording, *without_some(recording)]
    wanted = recognizer.prepared_probabilities(recordings)
    assert wanted.min() > 0.01 and np.ptp(wanted, axis=1).min() > 0.02, (
        "a test that tells something"
    )
    graph = load_graph(tmp_path / "r.pt2")
    found = [graph(*graph_inputs(recognizer, each)) for each in recordings]
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def without_some(recording: np.ndarray) -> list[np.ndarray]:
    """A recording (2, L, V, K) without its first body, without its second and without both.

    In a fourth one, the second body is present in a single frame, which not all views show.
    """
    parts = np.stack([recording] * 4)
    parts[0, 0] = parts[1, 1] = parts[2] = parts[3, 1, :-1] = 0
    return list(parts)


def test_onnx_agrees_and_has_metadata(tmp_path):
    recognizer = untrained(
        COCO17, Normalization("image"), max_bodies=2, rescale=True, sampling="random"
    )
    clips = without_some(noise(recognizer.recipe, 20, 2))
    clips[0][1, :, 5:9, :2] = 0  # seen in the middle of the image
    assert export(recognizer, tmp_path / "r.onnx", clips) <= 1e-4
    model = onnx.load(tmp_path / "r.onnx")
    (entry,) = model.metadata_props
    known = json.loads(entry.value)
    assert known["classes"] == recognizer.classes and known["clip_len"] == 8
    assert known["normalization"]["kind"] == "image"
    assert [path.name for path in tmp_path.iterdir()] == ["r.onnx"]
    content = (tmp_path / "r.onnx").read_bytes()
    assert str(HERE).encode() not in content and b"site-packages" not in content


@pytest.mark.slow
def test_tokens_that_were_searched_agree_through_onnx(tmp_path):
    """ONNX has no sampling in three dimensions. The search of a fresh network would not move."""
    recognizer = of_network("deformable3d", "skip")
    for trained in recognizer.streams.values():
        for block in trained.model.backbone.blocks:
            torch.nn.init.normal_(block.searched.search.offset.weight)
    assert export(recognizer, tmp_path / "r.onnx", []) <= 1e-4


class WrongWithMissingJoints(exporting.RecognizerGraph):
    """A graph that differs for clips in which a joint was not seen."""

    def forward(self, clip: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        unseen = (clip[0] == 0).all(dim=2).any()
        return super().forward(clip, frames) * torch.where(unseen, 0.5, 1.0)


def test_a_graph_that_differs_for_a_real_clip_is_not_written(tmp_path, monkeypatch):
    recognizer = untrained()
    monkeypatch.setattr(exporting, "RecognizerGraph", WrongWithMissingJoints)
    clip = noise(recognizer.recipe, 20, 1)
    clip[0, 3, 5] = 0
    with pytest.raises(UserError, match=r"r\.pt2: differs by .* nothing was written"):
        export(recognizer, tmp_path / "r.pt2", [clip])
    assert list(tmp_path.iterdir()) == []


def test_clips_of_fewest_and_most_bodies_and_frames_are_checked(tmp_path):
    sizes = [(2, 7), (1, 5), (3, 4), (1, 3), (2, 1), (3, 9), (1, 8), (3, 6)]
    clips = some_clips(sizes)
    found = extreme_clips(stored(tmp_path / "store", clips))
    assert sorted(clip.shape[:2] for clip in found) == [(1, 3), (1, 8), (3, 4), (3, 9)]
    for clip in found:
        assert np.array_equal(clip, clips[sizes.index(clip.shape[:2])].joints)


def test_the_projects_clips_must_be_those_of_the_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = untrained(normalization=Normalization("none"), classes=list(CLASSES)).recipe
    with pytest.raises(UserError, match="data/store is missing; first: make repro"):
        store_of(recipe)
    written = stored(STORE, some_clips([(1, 4)] * 3))
    assert store_of(recipe).digest == written.digest
    stored(STORE, some_clips([(1, 4)] * 2 + [(2, 4)]))
    with pytest.raises(UserError, match="data/store: not the clips that the streams were trained"):
        store_of(recipe)


def test_an_export_does_not_change_the_recognizer(tmp_path):
    recognizer = untrained()
    recording = noise(recognizer.recipe, 11, 1)
    before = recognizer.prepared_probabilities([recording])
    export(recognizer, tmp_path / "r.pt2", [])
    np.testing.assert_array_equal(recognizer.prepared_probabilities([recording]), before)
    assert not torch.is_inference_mode_enabled()
