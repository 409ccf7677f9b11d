"""The exported graph gives the networks' probabilities; otherwise it is not written."""

import json
from dataclasses import replace
from typing import get_args

import numpy as np
import onnx
import pytest
import torch

from brl.clips.layout import COCO17, NTU25
from brl.clips.normalize import Normalization
from brl.config.params import EnsembleParams, ModelParams
from brl.serving import export as exporting
from brl.serving.export import export, graph_inputs, load_graph, noise
from brl.serving.recognizer import Recognizer
from brl.support.errors import UserError
from tests.recognizers import PARAMS, SMALL, untrained

NETWORKS = get_args(ModelParams.model_fields["name"].annotation)
CASES = [(name, "skip") for name in NETWORKS] + [("stgcnpp", "pad"), ("aagcn", "pad")]


def of_network(name: str, absent_bodies: str) -> Recognizer:
    """Two networks in two streams; the others, which take long to trace, in the longer of them."""
    width = {"base_channels": 12} if name == "msg3d" else {}
    changes = {**SMALL, **width, "name": name, "absent_bodies": absent_bodies}
    both = untrained(NTU25, max_bodies=2, model=PARAMS.model.model_copy(update=changes))
    if name in ("stgcnpp", "ctrgcn"):
        return both
    return replace(both, streams={"skip_motion": both.streams["skip_motion"]})


@pytest.mark.parametrize(("name", "absent_bodies"), CASES, ids=lambda value: value)
def test_every_network_agrees_through_torch_export(tmp_path, name, absent_bodies):
    recognizer = of_network(name, absent_bodies)
    difference = export(recognizer, tmp_path / "r.pt2")
    assert difference <= 1e-4
    recording = noise(recognizer.recipe, 20, 2)
    (wanted,) = recognizer.prepared_probabilities([recording])
    assert wanted.min() > 0.02 and np.ptp(wanted) > 0.02, "a test that tells something"
    found = load_graph(tmp_path / "r.pt2")(*graph_inputs(recognizer, recording))
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_onnx_agrees_and_has_metadata(tmp_path):
    recognizer = untrained(
        COCO17, Normalization("image"), max_bodies=2, rescale=True, sampling="random"
    )
    assert export(recognizer, tmp_path / "r.onnx") <= 1e-4
    (entry,) = onnx.load(tmp_path / "r.onnx").metadata_props
    known = json.loads(entry.value)
    assert known["classes"] == recognizer.classes and known["clip_len"] == 8
    assert known["normalization"]["kind"] == "image"
    assert [path.name for path in tmp_path.iterdir()] == ["r.onnx"]


def test_a_graph_that_differs_is_not_written(tmp_path, monkeypatch):
    recognizer = untrained()
    other = replace(
        recognizer,
        ensemble=EnsembleParams(kind="weighted", weights={"joint": 1.0, "skip_motion": 5.0}),
    )
    monkeypatch.setattr(
        exporting, "RecognizerGraph", lambda _: exporting_graph(other), raising=True
    )
    with pytest.raises(UserError, match=r"r\.pt2: differs by .* nothing was written"):
        export(recognizer, tmp_path / "r.pt2")
    assert list(tmp_path.iterdir()) == []


exporting_graph = exporting.RecognizerGraph


def test_an_export_does_not_change_the_recognizer(tmp_path):
    recognizer = untrained()
    recording = noise(recognizer.recipe, 11, 1)
    before = recognizer.prepared_probabilities([recording])
    export(recognizer, tmp_path / "r.pt2")
    np.testing.assert_array_equal(recognizer.prepared_probabilities([recording]), before)
    assert not torch.is_inference_mode_enabled()
