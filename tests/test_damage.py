"""A flipped bit or a missing end is found when a file is read, in one line, or changes nothing.

The bits are a seeded sample of all, and one of each of the first and last bytes.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from brl.clips.blocks import Crcs, first_damaged, some_blocks
from brl.clips.store import ClipStore
from brl.scores.fusion import load_fitted, save_fitted
from brl.scores.scores import Scores, load_scores, save_scores
from brl.streams.weights import load_encoder, load_weights, save_encoder, save_weights
from brl.support import checked
from brl.support.errors import UserError
from brl.training.checkpoint_file import before, kept, read_checkpoint, write_checkpoint
from brl.training.loop import train_stream
from tests.recognizers import untrained
from tests.tiny import Interrupted, interrupting, job, stored, swinging_arms

FLIPS, EDGE = 200, 100
SHORT = {"epochs": 3, "passes": 1, "blocks": [1, 1]}


def damaged(content: bytes) -> Iterator[bytes]:
    """The content with single bits flipped, and truncated."""
    draws = np.random.default_rng(0)
    edges = [*range(min(EDGE, len(content))), *range(max(0, len(content) - EDGE), len(content))]
    for place in [*edges, *draws.integers(len(content), size=FLIPS).tolist()]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << draws.integers(8)
        yield bytes(flipped)
    for length in {0, 1, 8, len(content) - 1, *draws.integers(len(content), size=50).tolist()}:
        yield content[:length]


def same(one: Any, other: Any) -> bool:
    """Whether two contents are equal to the bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, torch.Tensor):
        one, other = one.numpy(), other.numpy()
    if isinstance(one, np.ndarray):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    return one == other


def check_every_damage(path: Path, read: Callable[[], Any]) -> int:
    """Damages a file in many ways; returns how often reading it gave what it gave before.

    Otherwise there must be a UserError of one line that names the file.
    """
    content, whole, unchanged = path.read_bytes(), read(), 0
    for damage in damaged(content):
        path.write_bytes(damage)
        try:
            again = read()
        except UserError as error:
            assert str(error).startswith(str(path)) and str(error).isprintable()
            assert "brl check --deep" in str(error) or "not a file of scores" in str(error)
        else:
            assert same(again, whole)
            unchanged += 1
    path.write_bytes(content)
    assert same(read(), whole)
    return unchanged


def weights_at(path: Path) -> Any:
    trained = load_weights(path)
    return {"recipe": trained.recipe.model_dump_json(), "state": dict(trained.model.state_dict())}


def test_damaged_weights_are_found(tmp_path):
    trained = untrained().streams["joint"]
    file = tmp_path / "joint.safetensors"
    save_weights(file, trained)
    # Only the key of the checksum may change: the file then counts as one from before.
    assert check_every_damage(file, lambda: weights_at(file)) < 10
    save_encoder(file, trained)
    assert check_every_damage(file, lambda: load_encoder(file)) < 10


def test_a_damaged_learned_fusion_is_found(tmp_path):
    file = tmp_path / "fusion.safetensors"
    for fitted in ({}, {"a": np.arange(6.0).reshape(2, 3)}):
        save_fitted(file, fitted)
        assert same(dict(load_fitted(file)), fitted)
        check_every_damage(file, lambda: load_fitted(file))


@pytest.mark.parametrize("mapped", [0, 2**26], ids=["mapped", "read"])
def test_damaged_scores_are_found(tmp_path, monkeypatch, mapped):
    monkeypatch.setattr(checked, "MAPPED", mapped)
    file, draws = tmp_path / "joint.npz", np.random.default_rng(1)
    names = np.array([f"clip{number}" for number in range(20)])
    save_scores(file, Scores(names, np.arange(20), draws.random((20, 3), np.float32), "a" * 64))
    check_every_damage(file, lambda: vars(load_scores(file)))


@pytest.mark.parametrize("name", ["rows.f32", "index.npz", "meta.json"])
def test_a_damaged_store_is_found(tmp_path, name):
    folder = stored(tmp_path / "store", swinging_arms()).folder

    def content() -> dict[str, Any]:
        store = ClipStore.open(folder)
        parts = {"/".join(key): value for key, value in store.parts.items()}
        columns = {key: getattr(store, key) for key in ("names", "labels", "starts", "frames")}
        return {"meta": store.meta, "rows": np.array(store.rows), **columns, **parts}

    unchanged = check_every_damage(folder / name, content)
    assert name == "meta.json" or unchanged == 0


def test_of_a_long_file_a_few_blocks_are_compared_and_on_request_all():
    rows = np.random.default_rng(0).integers(256, size=5_500_000, dtype=np.uint8)
    crcs = Crcs()
    for piece in np.split(rows, [1, 2**20 - 1, 2**20, 3_000_001, 3_000_002]):
        crcs.update(piece)
    of_blocks = crcs.of_blocks()
    assert len(of_blocks) == 6 and first_damaged(rows, of_blocks, range(6)) is None
    rows[2**20] ^= 1
    assert first_damaged(rows, of_blocks, [0, 2, 3, 4, 5]) is None
    assert first_damaged(rows, of_blocks, range(6)) == 1
    seen = [some_blocks(1000) for _ in range(20)]
    assert all(blocks[0] == 0 and blocks[-1] == 999 and len(blocks) < 10 for blocks in seen)
    assert len({block for blocks in seen for block in blocks}) > 20
    assert some_blocks(1) == [0]


def test_damaged_rows_are_found_by_the_full_check_where_opening_does_not_look(
    tmp_path, monkeypatch
):
    store = stored(tmp_path / "store", swinging_arms())
    monkeypatch.setattr("brl.clips.store.some_blocks", lambda number: [])
    store.check()
    content = bytearray((store.folder / "rows.f32").read_bytes())
    content[1000] ^= 1
    (store.folder / "rows.f32").write_bytes(content)
    with pytest.raises(UserError, match=r"rows\.f32: damaged: block 1 of 1 does not match"):
        ClipStore.open(store.folder).check()


@pytest.fixture
def interrupted(store, subset, tmp_path) -> Path:
    """The checkpoint of a training that was interrupted after two epochs of three."""
    checkpoint = tmp_path / "c.pt"
    with pytest.raises(Interrupted):
        train_stream(job(**SHORT), store, subset, checkpoint, interrupting(2))
    assert [read_checkpoint(file)["epoch"] for file in kept(checkpoint)] == [2, 1]
    return checkpoint


def test_damaged_checkpoints_are_found(interrupted):
    content = interrupted.read_bytes()
    for damage in damaged(content):
        interrupted.write_bytes(damage)
        with pytest.raises(ValueError, match="it does not match its checksum"):
            read_checkpoint(interrupted)


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


def of_other_code(file: Path) -> None:
    """Replaces a checkpoint by one that is whole, but not of this network."""
    write_checkpoint(file, read_checkpoint(file) | {"model": {"other": torch.zeros(1)}})
    before(file).unlink()


def without_checksum(file: Path) -> None:
    """As checkpoints were written before."""
    torch.save(read_checkpoint(file), file)


@pytest.mark.parametrize("damage", [flip, without_checksum, lambda file: file.write_bytes(b"")])
def test_a_training_resumes_from_the_checkpoint_before_a_damaged_one(
    store, subset, interrupted, tmp_path, capsys, damage
):
    whole, curve = train_stream(job(**SHORT), store, subset, tmp_path / "whole.pt")
    damage(interrupted)
    told: list[dict[str, float]] = []
    resumed, curve_again = train_stream(job(**SHORT), store, subset, interrupted, told.append)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "c.pt" in line]
    assert line.endswith("c.pt: no training can resume from it: it does not match its checksum; "
                         "now c.pt.damaged")  # fmt: skip
    assert (tmp_path / "c.pt.damaged").exists()
    assert curve_again == curve == told
    assert same(dict(resumed.model.state_dict()), dict(whole.model.state_dict()))


def test_without_a_whole_checkpoint_a_training_begins_and_says_so(
    store, subset, interrupted, tmp_path, capsys
):
    whole, curve = train_stream(job(**SHORT), store, subset, tmp_path / "whole.pt")
    for file in kept(interrupted):
        flip(file)
    again, curve_again = train_stream(job(**SHORT), store, subset, interrupted)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and "joint: no checkpoint is left; starts afresh" in lines[-1]
    assert curve_again == curve
    assert same(dict(again.model.state_dict()), dict(whole.model.state_dict()))


def test_a_whole_checkpoint_that_does_not_fit_is_set_aside(store, subset, interrupted, capsys):
    of_other_code(interrupted)
    _, curve = train_stream(job(**SHORT), store, subset, interrupted)
    lines = capsys.readouterr().err.splitlines()
    assert len(curve) == 3
    assert "c.pt: no training can resume from it: Error(s) in loading" in lines[0]
    assert len(lines) == 2


def test_a_power_cut_between_two_checkpoints_leaves_the_one_before(store, subset, interrupted):
    interrupted.unlink()
    _, curve = train_stream(job(**SHORT), store, subset, interrupted)
    assert [row["epoch"] for row in curve] == [1, 2, 3]


def test_files_without_a_checksum_are_read_as_they_are(tmp_path):
    trained = untrained().streams["joint"]
    metadata = {"recipe": json.dumps(trained.recipe.model_dump())}
    save_file(trained.model.state_dict(), tmp_path / "old.safetensors", metadata)
    save_weights(tmp_path / "new.safetensors", trained)
    old, new = (weights_at(tmp_path / f"{name}.safetensors") for name in ("old", "new"))
    assert same(old, new)
