"""Checkpoints are read without running code, and their networks are identified."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from brl.clips.layout import Layout
from brl.clips.layouts import NTU25, NW_UCLA20
from brl.clips.normalize import Normalization
from brl.config.params import read_params
from brl.config.streams import CheckpointParams
from brl.models.common.build import build
from brl.published.checkpoint import load_checkpoint, read_state
from brl.published.identify import KEYS, Published, check_network, recognise
from brl.streams.weights import Recipe
from brl.support.errors import UserError
from brl.support.files import sha256
from tests import authors_ctrgcn
from tests.checkpoints import as_published, network, saved
from tests.conftest import STREAMS
from tests.reference import shared
from tests.test_networks import FILES, LAYOUTS, MISSING, NAMES, assert_agrees, model_params

PER_BODY = ("aagcn", "ctrgcn", "msg3d")


class Shell:
    """A malicious object: it runs a shell command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch called",)


def recipe_of(found: Published, layout: Layout, bodies: int) -> Recipe:
    """The recipe of a stream that takes this network."""
    return Recipe(
        stream=STREAMS["joint"],
        layout=layout,
        normalization=Normalization("none"),
        channels=found.channels,
        max_bodies=bodies,
        classes=[str(label) for label in range(found.classes)],
        model=found.model,
        train=read_params(Path("params.yaml")).train,
    )


@pytest.fixture(
    params=[(n, lay) for n in NAMES for lay in LAYOUTS if (n, lay) not in MISSING],
    ids="-".join,
)
def published(request, tmp_path):
    """Network, layout, reference arrays, and a checkpoint with the reference's weights."""
    name, layout = request.param
    arrays = np.load(shared(f"reference/backbones/{FILES.get(name, name)}_{layout}.npz"))
    state = {
        key.removeprefix("state/"): torch.from_numpy(arrays[key])
        for key in arrays.files
        if key.startswith("state/")
    }
    return name, LAYOUTS[layout], arrays, Path(saved(tmp_path / "j.pth", as_published(state)))


def test_a_published_network_is_recognised_and_gives_the_published_logits(published):
    name, layout, arrays, file = published
    clips = torch.from_numpy(arrays["input"])
    bodies, channels = clips.shape[1], clips.shape[-1]
    found = recognise(read_state(file), "j.pth")
    assert found.model == model_params(name, absent_bodies="pad")
    assert (found.joints, found.channels, found.classes) == (layout.num_joints, channels, 10)
    assert found.bodies == (bodies if name in PER_BODY else None)
    recipe = recipe_of(found, layout, bodies)
    trained = load_checkpoint(CheckpointParams(file=str(file), sha256=sha256(file)), recipe)
    present = torch.ones(clips.shape[:2], dtype=torch.bool)
    assert_agrees(trained.model(clips, present), arrays["logits_eval"])


@pytest.mark.parametrize(("layout", "bodies"), [(NTU25, 2), (NW_UCLA20, 1)])
def test_the_ctrgcn_of_its_authors_is_told_from_pyskls_and_gives_their_logits(
    tmp_path, layout, bodies
):
    shapes = network(layout, 7, bodies, "ctrgcn", base_channels=8).state_dict()
    state = authors_ctrgcn.random_state(shapes)
    clips = torch.randn(2, bodies, 16, layout.num_joints, 3)
    found = recognise(state, "j.pth")
    assert found.model == model_params(
        "ctrgcn", base_channels=8, absent_bodies="pad", settings={"temporal_relu": False}
    )
    assert (found.joints, found.channels) == (layout.num_joints, 3)
    assert (found.classes, found.bodies) == (7, bodies)
    check_network(state, found, "j.pth")
    file = Path(saved(tmp_path / "j.pth", state))
    recipe = recipe_of(found, layout, bodies)
    checkpoint = CheckpointParams(file=str(file), sha256=sha256(file))
    ours = load_checkpoint(checkpoint, recipe).model(clips, torch.ones(2, bodies, dtype=torch.bool))
    theirs = authors_ctrgcn.logits(state, clips)
    assert theirs.std() > 0.1
    assert_agrees(ours, theirs.numpy())
    rectified = found.model.model_copy(update={"settings": {}})
    pyskls = recipe.model_copy(update={"model": rectified})
    with pytest.raises(UserError, match=r"has model\.settings: {}, the checkpoint has {'temporal_"):
        load_checkpoint(checkpoint, pyskls)


def test_an_incomplete_state_of_the_authors_ctrgcn_is_named_in_our_names():
    state = authors_ctrgcn.random_state(network(name="ctrgcn").state_dict())
    del state["l4.gcn1.bn.bias"]
    with pytest.raises(UserError, match=r"backbone\.net\.3\.gcn1\.bn\.bias: must be .*is absent"):
        check_network(state, recognise(state, "j.pth"), "j.pth")


@pytest.mark.parametrize("name", KEYS)
def test_other_depths_are_recognised(name):
    description = model_params(name, blocks=[2, 1], absent_bodies="pad")
    state = build(description, NTU25, 2, 60, 2).state_dict()
    found = recognise(state, "j.pth")
    assert (found.model, found.channels, found.classes) == (description, 2, 60)
    check_network(state, found, "j.pth")


@pytest.mark.parametrize("old", [False, True], ids=["zip", "before torch 1.6"])
def test_metadata_of_old_and_new_numpy_is_ignored(tmp_path, old):
    state = network().state_dict()
    file = tmp_path / "j.pth"
    saved(file, as_published(state), _use_new_zipfile_serialization=not old)
    if old:
        file.write_bytes(file.read_bytes().replace(b"numpy._core", b"numpy.core"))
    read = read_state(file)
    assert read.keys() == state.keys()
    assert all(torch.equal(read[key], state[key]) for key in state)


def test_code_in_a_checkpoint_is_refused_and_does_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for content in (as_published(network().state_dict(), extra=Shell()), Shell()):
        file = Path(saved(tmp_path / "j.pth", content))
        with pytest.raises(UserError, match=r"j\.pth: refused: it asks for posix\.system; a check"):
            read_state(file)
    saved(tmp_path / "j.pth", as_published({}, extra=Path("a")))
    with pytest.raises(UserError, match=r"refused: it asks for pathlib\.PosixPath; "):
        read_state(tmp_path / "j.pth")
    with pytest.raises(UserError, match=r"refused: it asks for posix\.system"):
        (tmp_path / "j.pth").write_bytes(pickle.dumps(Shell(), protocol=2))
        read_state(tmp_path / "j.pth")
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize("left", [0, 10, 1000, -1, -1000])
def test_a_truncated_file_is_refused(tmp_path, left):
    file = tmp_path / "j.pth"
    saved(file, as_published(network().state_dict()))
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(UserError, match=r"j\.pth: not a complete checkpoint of torch\.save;"):
        read_state(file)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([1, 2], "holds no state dict; must be"),
        ({"state_dict": {}}, "holds no state dict; must be"),
        ({"epoch": 3}, "'epoch' is not a tensor; must be a state dict, or hold one"),
        ({"state_dict": {"a": np.float64(1)}}, "'a' is not a tensor"),
    ],
)
def test_a_file_without_a_state_dict_is_refused(tmp_path, content, complaint):
    with pytest.raises(UserError, match=complaint):
        read_state(Path(saved(tmp_path / "j.pth", content)))


def without(state: dict, *parts: str) -> dict:
    return {key: value for key, value in state.items() if not any(part in key for part in parts)}


BIAS = "backbone.gcn.0.gcn.bn.bias"
STRANGE = {
    "another network": (lambda state: {"conv1.weight": torch.ones(3)}, "not a network of PYSKL,"),
    "no head": (lambda state: without(state, "cls_head"), "has no cls_head.fc_cls.weight; must be"),
    "no number of classes": (
        lambda state: state | {"cls_head.fc_cls.weight": torch.tensor(1.0)},
        "cls_head.fc_cls.weight: has the shape (), which fits no network",
    ),
    "lacking a key": (
        lambda state: without(state, BIAS), f"{BIAS}: must be (6,), is absent"
    ),
    "lacking keys": (
        lambda state: without(state, "gcn.0.gcn.bn.bias", "gcn.9.gcn.bn.bias"),
        f"{BIAS}: must be (6,), is absent (and 1 more)",
    ),
    "a key too much": (
        lambda state: state | {"backbone.extra": torch.ones(2, 3)},
        "backbone.extra: must be absent, is (2, 3)",
    ),
    "another shape": (lambda state: state | {BIAS: torch.ones(5)}, "must be (6,), is (5,)"),
}  # fmt: skip


@pytest.mark.parametrize("case", STRANGE)
def test_an_incomplete_state_is_refused(case):
    change, complaint = STRANGE[case]
    state = change(network().state_dict())
    with pytest.raises(UserError) as caught:
        check_network(state, recognise(state, "j.pth"), "j.pth")
    message = str(caught.value)
    assert message.startswith("j.pth: ") and complaint in message and "\n" not in message


def test_a_width_that_params_cannot_describe_is_refused():
    state = {key: value[:4] for key, value in network().state_dict().items() if value.ndim}
    with pytest.raises(UserError, match=r"a stgcnpp with blocks of \[4, .*no `model` of params"):
        recognise(state, "j.pth")
