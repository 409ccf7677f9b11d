"""Whatever a file holds, its reader returns data or raises UserError.

A few examples are tried in every run. `FUZZ=1000000 pytest tests/test_fuzzing.py` tries more, each
time others; `make fuzz` tries those that reach new code of the readers (tests/fuzz.py).
"""

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brl.clips.layouts import NTU25
from brl.datasets.annotations import read_annotations
from brl.datasets.archives import member, members
from brl.datasets.pickles import load_plain
from brl.datasets.recordings.read import read_recording
from brl.published.checkpoint import read_state
from brl.support.errors import UserError
from brl.support.yaml_file import load_yaml
from tests.test_pickles import PLAIN

MORE = int(os.environ.get("FUZZ", "0"))
fuzzed = settings(
    max_examples=MORE or 100,
    derandomize=not MORE,
    deadline=10_000,  # ms
    suppress_health_check=[HealthCheck.too_slow],
)
INSTRUCTIONS = [bytes([each]) for each in pickle._Unpickler.dispatch]


@st.composite
def mutated(draw, wholes: list[bytes], pieces: list[bytes]) -> bytes:
    """A file in which some bytes are others, missing, or there again."""
    content = draw(st.sampled_from(wholes))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(content)))
        end = start + draw(st.sampled_from([0, 0, 1, 1, 2, 8, 100]))
        other = draw(
            st.sampled_from(pieces) | st.binary(max_size=8) | st.just(content[start:end] * 3)
        )
        content = content[:start] + other + content[end:]
    return content


PICKLED = [pickle.dumps(PLAIN, protocol) for protocol in (0, 2, 4, 5)]


def read_pickle(file: Path) -> None:
    repr(load_plain(file))
    read_annotations(file)


@cache
def checkpoints() -> list[bytes]:
    """Small ones of both formats of torch.save."""
    import torch

    contents = []
    for new in (True, False):
        file = io.BytesIO()
        state = {"state_dict": {"a.b": torch.ones(2, 3)}}
        torch.save(state, file, _use_new_zipfile_serialization=new)
        contents.append(file.getvalue())
    return contents


YAML = [b"a: 1\nb: &b [1, 2.5, 1e-05]\nc:\n  <<: {d: 2020-01-01}\n  e: *b\nf: !!binary YQ==\n"]
WORDS = [*b"a: |*a|&a |!!int |!!set |!!timestamp |<<: |[|{|? |- |0x|1:|e400|\n|'|\"|#".split(b"|")]


def read_yaml(file: Path) -> None:
    repr(load_yaml(file.read_bytes().decode("utf-8", errors="replace"), str(file)))


JOINTS = np.ones((2, 25, 3)).tolist()
RECORDINGS = [
    json.dumps(content).encode()
    for content in (
        JOINTS,
        {"skeletons": JOINTS, "label": 1},
        [{"image_id": "1.jpg", "keypoints": [1.0] * 75, "score": 1, "idx": 1}],
        {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": [1.0] * 75}]},
        [{"frame_id": 1, "instances": [{"keypoints": JOINTS[0], "keypoint_scores": [1] * 25}]}],
        {"data": [{"frame_index": 1, "skeleton": [{"pose": [1] * 50, "score": [1] * 25}]}]},
    )
]
VALUES = [b"null", b"1e400", b"-1", b"9" * 5000, b"[]", b"{}", b'"a"', b"true", b",", b"[", b"NaN"]
HEADER = [
    b"|O",
    b"<f4",
    b"<M8",
    b"True",
    b"(2,)",
    b"9" * 30,
    b"-1",
    b"{",
    b"\xff\xff",
    b"NUMPY",
    b"\1",
]


def read_joints(file: Path) -> None:
    read_recording(file, NTU25, str(file))


@cache
def array(compressed: bool | None) -> bytes:
    """A recording as .npy, or if it is said whether it is compressed as .npz."""
    file, joints = io.BytesIO(), np.ones((2, 25, 3), dtype=np.float32)
    if compressed is None:
        np.save(file, joints)
    else:
        (np.savez_compressed if compressed else np.savez)(file, keypoint=joints)
    return file.getvalue()


@cache
def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a/b.txt", b"text" * 100)
        made.writestr("c.txt", b"more")
    return file.getvalue()


ZIPPED = [b"\0\0", b"\xff\xff\xff\xff", b"PK\1\2", b"../"]


def read_archive(file: Path) -> None:
    for name in members(file):
        member(file, name)


@dataclass(frozen=True)
class Reader:
    """A reader of files of this name, and the files that it is given."""

    name: str
    read: Callable[[Path], object]
    files: Callable[[], st.SearchStrategy[bytes]]

    def holds(self, content: bytes) -> None:
        """Reads a file in the present folder; fails unless that gives data or a UserError."""
        file = Path(self.name)
        file.unlink(missing_ok=True)
        file.write_bytes(content)
        try:
            self.read(file)
        except UserError as error:
            assert str(error).startswith(f"{file}:")


PARTS = st.sampled_from(INSTRUCTIONS) | st.binary(max_size=2)
INSTRUCTED = st.lists(PARTS, max_size=60).map(lambda parts: b"".join(parts) + b".")
READERS = {
    "pickles": Reader("a.pkl", read_pickle, lambda: mutated(PICKLED, INSTRUCTIONS)),
    "instructions": Reader("a.pkl", read_pickle, lambda: INSTRUCTED),
    "checkpoints": Reader("a.pth", read_state, lambda: mutated(checkpoints(), INSTRUCTIONS)),
    "yaml": Reader("a.yaml", read_yaml, lambda: mutated(YAML, WORDS)),
    "recordings": Reader("a.json", read_joints, lambda: mutated(RECORDINGS, VALUES)),
    "npy": Reader("a.npy", read_joints, lambda: mutated([array(None)], HEADER)),
    "npz": Reader("a.npz", read_joints, lambda: mutated([array(True), array(False)], HEADER)),
    "archives": Reader("a.zip", read_archive, lambda: mutated([archive()], ZIPPED)),
}


@pytest.mark.parametrize("name", READERS)
def test_damaged_files(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    reader = READERS[name]
    fuzzed(given(reader.files())(lambda content: reader.holds(content)))()
