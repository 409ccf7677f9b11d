"""Hostile files end in one line, within 1 GB of memory and ten seconds; none runs code."""

import io
import json
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from brl.clips.layouts import NTU25
from brl.datasets.archives import ClipArchive, member
from brl.datasets.pickles import load_plain
from brl.datasets.recordings.read import read_recording
from brl.published.checkpoint import read_state
from brl.published.identify import check_network, recognise
from brl.serving.recognizer import DESCRIPTION
from brl.serving.release import open_release, pack
from brl.streams.weights import load_weights, save_weights
from brl.support import bounded_pickle
from brl.support.errors import UserError
from brl.support.yaml_file import load_yaml
from tests.checkpoints import network, saved
from tests.hostile import PICKLES, case, watched
from tests.recognizers import untrained

LAYOUT = NTU25


def named(folder: Path, contents: dict[str, bytes]) -> list[Path]:
    """Files with these contents."""
    paths = [folder / f"{number}.pkl" for number, _ in enumerate(contents)]
    for path, content in zip(paths, contents.values(), strict=True):
        path.write_bytes(content)
    return paths


def refused(read, *arguments: object) -> str:
    """The one line with which a reader ends."""
    with pytest.raises(UserError) as caught:
        read(*arguments)
    message = str(caught.value)
    assert message.isprintable() and len(message) < 500
    return message


# Pickles


def test_pickles_keep_to_memory_and_time(tmp_path):
    told = watched("brl.datasets.pickles:load_plain", named(tmp_path, PICKLES))
    for name, message in zip(PICKLES, told, strict=True):
        harmless = name in ("a place far up in the table", "the same in words")
        assert (message == "read") if harmless else (": refused: " in message or "not a" in message)


def test_a_pickle_of_many_small_objects_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded_pickle, "SPARE", 2**20)
    (file,) = named(tmp_path, {"": b"(" + b"]" * 100_000 + b"l."})
    assert "it takes far more memory than its size" in refused(load_plain, file)


@pytest.mark.parametrize("name", ["pickle_memo_4GB.pkl", "pickle_hash_hang.pkl"])
def test_the_shared_pickles_keep_to_memory_and_time(name):
    (message,) = watched("brl.datasets.pickles:load_plain", [case(name)])
    assert message == "read" if "memo" in name else "a key in it is a tuple" in message


# Checkpoints


def identified(file: Path) -> None:
    state = read_state(file)
    check_network(state, recognise(state, str(file)), str(file))


def test_a_checkpoint_that_claims_5000_joints_is_refused():
    assert "a tensor of 54 numbers has 1 in the file" in refused(
        identified, case("pth_joints_5000.pth")
    )


A = "backbone.gcn.0.gcn.A"
TENSORS = {
    "a view of 10^12 numbers": (lambda: torch.ones(1).expand(10**6, 10**6), "has 1 in the file"),
    "a sparse tensor": (lambda: torch.ones(2, 2).to_sparse(), "_rebuild_sparse_tensor"),
    "a tensor without content": (lambda: torch.ones(2, device="meta"), "_rebuild_meta_tensor"),
    "a quantised tensor": (
        lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), "refused: it asks",
    ),
    "NaN": (lambda: torch.full((3, 25, 25), torch.nan), f"{A}: holds NaN or infinity"),
    "a graph that is no square": (lambda: torch.ones(1, 5000), "must end in joints x joints"),
    "a graph of 2000 joints": (lambda: torch.ones(1, 2000, 2000), "1000 or fewer"),
}  # fmt: skip


@pytest.mark.parametrize("tensor", TENSORS)
def test_a_checkpoint_of_lying_tensors_is_refused(tmp_path, tensor):
    make, complaint = TENSORS[tensor]
    file = Path(saved(tmp_path / "j.pth", network().state_dict() | {A: make()}))
    assert complaint in refused(identified, file)


def test_a_checkpoint_whose_pickle_lies_is_refused(tmp_path):
    file = Path(saved(tmp_path / "j.pth", {"a": torch.ones(200)}))
    lies = {
        "compressed": (b"", b"", zipfile.ZIP_DEFLATED, "it is compressed"),
        "a longer storage": (b"K\xc8t", b"K\xc9t", zipfile.ZIP_STORED, "a storage of 201 numbers"),
    }
    for old, new, method, complaint in lies.values():
        with zipfile.ZipFile(file) as good, zipfile.ZipFile(tmp_path / "l.pth", "w", method) as bad:
            for name in good.namelist():
                content = good.read(name)
                bad.writestr(name, content.replace(old, new) if old else content)
        assert complaint in refused(read_state, tmp_path / "l.pth")


def test_colliding_keys_in_a_checkpoint_are_refused(tmp_path):
    colliding = {number * (2**61 - 1): None for number in range(1, 200)}
    file = Path(saved(tmp_path / "j.pth", {"state_dict": colliding}))
    assert "is not a tensor" in refused(read_state, file)
    file.write_bytes(PICKLES["keys of one hash"])
    assert "it takes far more memory" in refused(read_state, file)


# Weights of this project, and releases


@pytest.mark.parametrize(
    "lies",
    [
        {"classes": ["one"]},
        {"channels": 10**9},
        {"max_bodies": 10**9},
        {"layout": {"parents": [0] * 5000}},
        {"model": {"base_channels": 1024}},
        {"model": {"blocks": [10**9]}},
        {"train": {"clip_len": 10**9}},
        {"part": "tail"},
    ],
    ids=lambda lies: next(iter(lies)),
)
def test_weights_whose_recipe_lies_are_refused(tmp_path, lies):
    trained = untrained().streams["joint"]
    recipe = json.loads(json.dumps(trained.recipe.model_dump()))
    for key, value in lies.items():
        recipe[key] = recipe[key] | value if isinstance(value, dict) else value
    file = tmp_path / "joint.safetensors"
    save_file(trained.model.state_dict(), file, {"recipe": json.dumps(recipe)})
    assert f"{file}: not a weights file of this project" in refused(load_weights, file)


def test_weights_that_are_not_numbers_are_refused(tmp_path):
    trained = untrained().streams["joint"]
    trained.model.state_dict()["backbone.data_bn.weight"].fill_(torch.nan)
    save_weights(tmp_path / "j.safetensors", trained)
    assert "backbone.data_bn.weight: holds NaN" in refused(load_weights, tmp_path / "j.safetensors")


def test_a_release_cannot_write_outside_its_folder(tmp_path):
    untrained().save(tmp_path / "packed")
    about = json.loads((tmp_path / "packed" / DESCRIPTION).read_text(encoding="utf-8"))
    outside = f"../{tmp_path.name}_outside"
    about["streams"] = [outside, *about["streams"][1:]]
    (tmp_path / "packed" / DESCRIPTION).write_text(json.dumps(about), encoding="utf-8")
    pack(tmp_path / "packed", tmp_path / "r.zip")
    with zipfile.ZipFile(tmp_path / "r.zip", "a") as archive:
        archive.writestr(f"{outside}.safetensors", b"")
    written: list[Path] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", lambda path, _: written.append(path))
        assert "damaged, not of brl release" in refused(open_release, tmp_path / "r.zip")
    assert written == []


# YAML

YAML = {
    "aliases of aliases": "a: &a [1,1]\n"
    + "".join(f"{n}: &{n} [{', '.join([f'*{chr(ord(n) - 1)}'] * 9)}]\n" for n in "bcdefgh"),
    "merged again and again": "a: &a {x: 1}\n"
    + "".join(f"{n}: &{n} {{<<: [{', '.join([f'*{chr(ord(n) - 1)}'] * 9)}]}}\n" for n in "bcdefgh"),
    "a list that holds itself": "a: &a [*a]",
    "depth": "[" * 1000,
    "a long number": "a: " + "9" * 10_000,
    "a long number of base 16": "a: 0x" + "f" * 10_000,
    "a long number of base 60": "a: 1" + ":59" * 10_000,
    "no number": "a: !!int ''",
    "no truth": "a: !!bool maybe",
    "no date": "a: 2020-13-45",
    "not even like a date": "a: !!timestamp x",
    "code": "a: !!python/object/apply:os.system [ls]",
    "no bytes": "a: !!binary x",
    "a key twice": "a: 1\na: 2",
    "a long file": "a: " + "x" * 300_000,
    "a null byte": "a: \0",
}


@pytest.mark.parametrize("name", YAML)
def test_yaml_of_ill_will_is_one_line(name):
    assert refused(load_yaml, YAML[name], "params.yaml").startswith("params.yaml:")


@pytest.mark.parametrize("name", ["params_aliasbomb_inline_seed.yaml", "params_date_bad.yaml"])
def test_the_shared_yaml_is_refused(name):
    assert "not valid YAML" in refused(load_yaml, case(name).read_text(encoding="utf-8"), "p.yaml")


# Archives


def zipped(path: Path, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("clip.txt", content)
    return path


def patched(path: Path, size: int) -> Path:
    """The zip with another size of its file, in both of its headers."""
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        true = archive.getinfo("clip.txt").file_size.to_bytes(4, "little")
    path.write_bytes(content.replace(true, size.to_bytes(4, "little")))
    return path


def test_no_more_is_unpacked_than_a_zip_declares(tmp_path):
    zeros = bytes(2**20 + 77)
    bomb = patched(zipped(tmp_path / "lies.zip", zeros), 10)
    assert "clip.txt: cannot be read" in refused(member, bomb, "clip.txt")
    huge = patched(zipped(tmp_path / "huge.zip", zeros), 2**31)
    assert "2147483648 bytes; must be" in refused(member, huge, "clip.txt")
    longer = patched(zipped(tmp_path / "longer.zip", zeros), 2**21)
    assert "cannot be read" in refused(member, longer, "clip.txt")
    lzma = zipped(tmp_path / "lzma.zip", zeros, zipfile.ZIP_LZMA)
    assert "another method than deflate" in refused(member, lzma, "clip.txt")
    damaged = zipped(tmp_path / "damaged.zip", np.random.default_rng(0).bytes(5000))
    content = bytearray(damaged.read_bytes())
    content[1000:1100] = bytes(100)
    damaged.write_bytes(content)
    assert "cannot be read" in refused(member, damaged, "clip.txt")
    assert member(zipped(tmp_path / "good.zip", zeros), "clip.txt") == zeros


def test_a_fetched_archive_is_not_unpacked_where_it_is_a_bomb(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "mirror").mkdir()
    patched(zipped(tmp_path / "mirror/clips.zip", bytes(2**20 + 77)), 2**31)
    archive = ClipArchive("clips.zip", re.compile(r".*"), 1, None)
    assert "2147483648 bytes unpacked" in refused(archive.fetch, tmp_path, "mirror")
    assert not (tmp_path / "checksums.json").exists()


# Recordings

PERSON = '{"image_id": "1.jpg", "keypoints": %s, "score": 1}'
RECORDINGS = {
    "depth": "[" * 100_000 + "]" * 100_000,
    "depth that JSON still reads": "[" * 900 + "]" * 900,
    "depth in a person": f"[{PERSON % ('[' * 900 + ']' * 900)}]",
    "numbers that are infinite": "[[" + ", ".join(["[1e400, 1, 1]"] * 25) + "]]",
    "a number of many digits": f"[[[{'9' * 5000}]]]",
    "words for numbers": f"[{PERSON % json.dumps(['x'] * 75)}]",
    "a name for a number": '{"data": [{"frame_index": "x", "skeleton": []}]}',
    "an infinite frame": '{"data": [{"frame_index": 1e400, "skeleton": []}]}',
    "millions of people": '{"people": [' + "{}," * 6_000_000 + "{}]}",
    "frames of null": "[[" + ", ".join(["[1, 1, 1]"] * 25) + "]" + ", null" * 1_000_000 + "]",
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_json_that_lies_gives_joints_or_one_line(tmp_path, name):
    file = tmp_path / "clip.json"
    file.write_text(RECORDINGS[name], encoding="utf-8")
    if name == "numbers that are infinite":
        assert read_recording(file, LAYOUT, "clip").shape == (1, 1, 25, 3)
    else:
        assert refused(read_recording, file, LAYOUT, "clip").startswith("clip:")


def test_an_npz_packed_by_another_method_is_refused(tmp_path):
    array = io.BytesIO()
    np.save(array, np.zeros((4, 25, 3)))
    with zipfile.ZipFile(tmp_path / "clip.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("joints.npy", array.getvalue())
    assert "another method" in refused(read_recording, tmp_path / "clip.npz", LAYOUT, "clip")


def test_arrays_whose_pickled_shape_lies_are_refused(tmp_path):
    honest = pickle.dumps(np.zeros((3, 5)), 4)
    lying = honest.replace(b"K\x03K\x05\x86", b"K\x03K\xff\x86")
    assert lying != honest
    (tmp_path / "a.pkl").write_bytes(lying)
    assert "not a whole pickle" in refused(load_plain, tmp_path / "a.pkl")
