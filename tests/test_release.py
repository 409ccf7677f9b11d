"""A release: the same probabilities without the project, and one line for any other file."""

import hashlib
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from brl.commands import record
from brl.config.params import read_params
from brl.datasets.table import SOURCES
from brl.scores.scores import Scores
from brl.serving.card import TERMS, accuracies, model_card, terms_of
from brl.serving.recognizer import DESCRIPTION, Recognizer
from brl.serving.release import fetched, open_release, pack
from brl.streams.weights import save_weights
from brl.support.errors import UserError
from tests.command import brl, refused
from tests.project import HERE
from tests.recognizers import PARAMS, untrained
from tests.web import Answer

DRAWS = np.random.default_rng(0)


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return untrained()


@pytest.fixture
def release(recognizer, tmp_path) -> Path:
    """The zip of a recognizer, alone in a folder."""
    recognizer.save(tmp_path / "files")
    (tmp_path / "files/README.md").write_text("a card\n")
    pack(tmp_path / "files", tmp_path / "alone/recognizer.zip")
    return tmp_path / "alone/recognizer.zip"


@pytest.fixture
def alone(release, monkeypatch) -> Path:
    """The current folder: the release and a recording, and nothing of a project."""
    monkeypatch.chdir(release.parent)
    monkeypatch.setenv("DVC_ROOT", str(release.parent))
    np.save("clip.npy", DRAWS.normal(size=(30, 20, 3)).astype(np.float32))
    return release.parent


def predicted(*arguments: str) -> Result:
    return brl("predict", "clip.npy", "--json", *arguments)


def test_the_probabilities_are_the_very_same(recognizer, release):
    recordings = [DRAWS.normal(size=(1, frames, 20, 3)) for frames in (5, 40)]
    found = open_release(release).probabilities(recordings)
    np.testing.assert_array_equal(found, recognizer.probabilities(recordings))


def test_predict_says_the_same_as_in_the_project(recognizer, alone, tmp_path, monkeypatch):
    there = predicted("--from", "recognizer.zip")
    assert there.exit_code == 0, there.stderr
    assert sorted(path.name for path in alone.iterdir()) == ["clip.npy", "recognizer.zip"]
    for name, stream in recognizer.streams.items():
        save_weights(tmp_path / "classifiers" / f"{name}.safetensors", stream)
    shutil.copy(alone / "clip.npy", tmp_path)
    used = PARAMS.model_copy(
        update={
            "streams": dict.fromkeys(recognizer.streams, PARAMS.streams["joint"]),
            "ensemble": recognizer.ensemble,
            "predict": recognizer.predict,
        }
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("brl.serving.predict.read_params", lambda: used)
    assert predicted().stdout == there.stdout
    assert len(json.loads(there.stdout)[0]["classes"]) == 3


def test_equal_files_give_equal_bytes(release, tmp_path):
    (tmp_path / "files/README.md").touch()
    pack(tmp_path / "files", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == release.read_bytes()


# Files that are no release


def rewritten(release: Path, changes: dict[str, bytes | None]) -> None:
    """Replaces members of a release by others; None takes one out."""
    with zipfile.ZipFile(release) as archive:
        members = {name: archive.read(name) for name in archive.namelist()} | changes
    with zipfile.ZipFile(release, "w") as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)


def of_streams(*names: str) -> bytes:
    """The description of a recognizer of other streams."""
    content = {
        "streams": names,
        "ensemble": {"kind": "weighted", "weights": {"joint": 1}},
        "predict": PARAMS.predict.model_dump(),
    }
    return json.dumps(content).encode()


WEIGHTS = "joint.safetensors"
FOREIGN = {
    "no description": {DESCRIPTION: None},
    "another description": {DESCRIPTION: b"[]"},
    "a stream that is no stream": {DESCRIPTION: of_streams("../../joint")},
    "no stream": {DESCRIPTION: of_streams()},
    "a stream without weights": {DESCRIPTION: of_streams("bone")},
    "no weights": {WEIGHTS: None},
    "other weights": {WEIGHTS: b"x" * 100},
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_foreign_zip_is_one_line(alone, case):
    rewritten(alone / "recognizer.zip", FOREIGN[case])
    said = refused("predict", "clip.npy", "--from", "recognizer.zip")
    assert said.startswith("recognizer.zip: damaged, not of brl release, or of another version")


def test_weights_that_do_not_fit_their_recipe_are_one_line(recognizer, alone, tmp_path):
    joint = recognizer.streams["joint"]
    more = joint.recipe.model_copy(update={"classes": ["first", "second", "third", "fourth"]})
    save_weights(tmp_path / WEIGHTS, replace(joint, recipe=more))
    rewritten(alone / "recognizer.zip", {WEIGHTS: (tmp_path / WEIGHTS).read_bytes()})
    assert "damaged" in refused("predict", "clip.npy", "--from", "recognizer.zip")


@pytest.mark.parametrize("size", [0, 30, 2000, -1000, -1])
def test_a_part_of_a_release_is_one_line(alone, size):
    content = (alone / "recognizer.zip").read_bytes()
    (alone / "recognizer.zip").write_bytes(content[:size])
    assert "damaged" in refused("predict", "clip.npy", "--from", "recognizer.zip")


def test_a_changed_byte_of_the_weights_is_one_line(alone):
    content = bytearray((alone / "recognizer.zip").read_bytes())
    content[content.index(WEIGHTS.encode()) + 5000] ^= 1
    (alone / "recognizer.zip").write_bytes(content)
    assert "damaged" in refused("predict", "clip.npy", "--from", "recognizer.zip")


def test_no_file_is_one_line(alone):
    said = refused("predict", "clip.npy", "--from", "gone.zip")
    assert said == "gone.zip: no such file; brl release makes one"


def test_other_members_are_not_read(alone, tmp_path):
    rewritten(alone / "recognizer.zip", {"../evil.npy": b"x", "/tmp/evil.npy": b"x"})
    assert predicted("--from", "recognizer.zip").exit_code == 0
    assert not list(tmp_path.rglob("evil.npy")) and not Path("/tmp/evil.npy").exists()


# From a server


def test_a_url_is_downloaded_once_and_checked(alone, server):
    content = (alone / "recognizer.zip").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    server.play(Answer(content))
    address = f"{server.url}/recognizer.zip#sha256={digest}"
    local = predicted("--from", "recognizer.zip").stdout
    assert predicted("--from", address).stdout == local
    assert predicted("--from", address).stdout == local
    assert server.asked == ["/recognizer.zip"]
    fetched(address).write_bytes(b"damaged on the disk")
    assert predicted("--from", address).stdout == local


def test_another_file_at_the_url_is_one_line_and_not_kept(alone, server):
    server.play(Answer(b"another"))
    address = f"{server.url}/recognizer.zip#sha256={'0' * 64}"
    said = refused("predict", "clip.npy", "--from", address)
    assert said == f"{server.url}/recognizer.zip: another file than that of sha256 {'0' * 64}"
    assert not [path for path in (alone / ".checkpoints").rglob("*") if path.is_file()]


@pytest.mark.parametrize("end", ["", "#sha256=12", "#md5=0"])
def test_a_url_needs_its_checksum(alone, server, end):
    address = f"{server.url}/recognizer.zip{end}"
    said = refused("predict", "clip.npy", "--from", address)
    assert said == f"--from {address}: must end in #sha256= and the file's checksum"
    assert server.asked == []


def test_a_url_without_a_file_is_one_line(alone, server):
    server.play(Answer(status=404))
    said = refused("predict", "clip.npy", "--from", f"{server.url}/r.zip#sha256={'0' * 64}")
    assert said.startswith(f"{server.url}/r.zip: download failed (HTTPError: 404")


# Terms and the card


def of_dataset(name: str, **changes: object):
    dataset = PARAMS.dataset.model_copy(update={"name": name, "mirror": "/home/me"})
    return PARAMS.model_copy(update={"dataset": dataset, **changes})


@pytest.mark.parametrize("name", sorted({*SOURCES, "of somebody"} - {*TERMS}))
def test_weights_from_data_of_others_are_refused(name):
    with pytest.raises(UserError, match=rf"dataset\.name: {name}: its terms .*docs/licences\.md"):
        terms_of(of_dataset(name))


def test_checkpoints_of_others_are_refused():
    given = PARAMS.streams["bone"].model_copy(update={"weights": "b.pth"})
    with pytest.raises(UserError, match=r"streams\.bone\.weights: a checkpoint keeps the terms"):
        terms_of(of_dataset("synthetic", streams={**PARAMS.streams, "bone": given}))


def card_of(name: str, recognizer: Recognizer) -> str:
    counts = pd.DataFrame({"class": ["a|b", "second", "third"], "train_clips": [7, 150, 50]})
    predicted = np.eye(3, dtype=np.float32)[[0, 1, 1, 1]]
    fused = Scores(np.array(list("wxyz")), np.array([0, 0, 1, 1]), predicted)
    params = of_dataset(name)
    return model_card(
        params, recognizer, "| a table |", accuracies(counts, fused.predictions, params)
    )


def test_the_card_tells_the_figures_by_class_the_terms_and_the_versions(recognizer):
    card = card_of("synthetic", recognizer)
    rows = [
        line for line in card.splitlines() if line.startswith(("| second", "| third", "| a\\|b"))
    ]
    assert rows == [
        "| second | many | 150 | 2 | 100.0 |",
        "| third | medium | 50 | 0 | – |",
        "| a\\|b | few | 7 | 2 | 50.0 |",
    ]
    assert "least: a\\|b (50.0 %, 7 training clips), second (100.0 %, 150 training clips)." in card
    assert "| a table |" in card and "207 clips" in card and "4 test clips" in card
    assert "MIT licence" in card and "generated" in card and "fewer than 20" in card
    assert "| commit | " in card and "| torch | " in card
    assert "/home/me" not in card


def test_terms_of_own_data_are_the_users_to_state(recognizer):
    card = card_of("custom", recognizer)
    assert "who alone can state the terms" in card
    assert "MIT" not in card and "generated" not in card


# The command


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    shutil.copy(HERE / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_a_training_the_command_says_to_train(folder):
    assert refused("release") == "classifiers/joint.safetensors is missing; first: make repro"


def test_data_of_others_are_refused_before_anything_is_done(folder):
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("name: synthetic", "name: nw_ucla", 1))
    assert refused("release").startswith("params.yaml: dataset.name: nw_ucla: its terms are not")


def test_weights_and_figures_of_different_runs_are_refused(folder, recognizer, monkeypatch):
    for name in read_params().streams:
        save_weights(folder / "classifiers" / f"{name}.safetensors", recognizer.streams["joint"])
    status = {"evaluate": [{"changed deps": {"fused/scores.npz": "modified"}}]}
    monkeypatch.setattr(record, "pipeline_status", lambda: status)
    assert refused("release").startswith("the results are not those of params.yaml and the code")
    assert not (folder / "release").exists()
