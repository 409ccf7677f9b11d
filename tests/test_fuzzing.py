"""Whatever a file holds, its reader returns data or raises UserError.

A few examples are tried in every run. `FUZZ=1000000 pytest tests/test_fuzzing.py` tries more, each
time others.
"""

import json
import os
import pickle
import zipfile

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
from tests.checkpoints import saved
from tests.test_pickles import PLAIN

MORE = int(os.environ.get("FUZZ", "0"))
fuzzed = settings(
    max_examples=MORE or 100,
    derandomize=not MORE,
    deadline=10_000,  # ms
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
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


@fuzzed
@given(mutated(PICKLED, INSTRUCTIONS))
def test_mutated_pickles(tmp_path, content):
    file = tmp_path / "a.pkl"
    file.write_bytes(content)
    try:
        repr(load_plain(file))
        read_annotations(file)
    except UserError as error:
        assert str(error).startswith("a.pkl: ")


@fuzzed
@given(st.lists(st.sampled_from(INSTRUCTIONS) | st.binary(max_size=2), max_size=60).map(b"".join))
def test_random_instructions(tmp_path, content):
    (tmp_path / "a.pkl").write_bytes(content + b".")
    try:
        repr(load_plain(tmp_path / "a.pkl"))
    except UserError as error:
        assert str(error).startswith("a.pkl: ")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> list[bytes]:
    """Small ones of both formats of torch.save."""
    import torch

    file = tmp_path_factory.mktemp("checkpoint") / "a.pth"
    contents = []
    for new in (True, False):
        saved(file, {"a.b": torch.ones(2, 3)}, _use_new_zipfile_serialization=new)
        contents.append(file.read_bytes())
    return contents


def test_mutated_checkpoints(tmp_path, checkpoints):
    @fuzzed
    @given(mutated(checkpoints, INSTRUCTIONS))
    def holds(content):
        (tmp_path / "a.pth").write_bytes(content)
        try:
            read_state(tmp_path / "a.pth")
        except UserError as error:
            assert "a.pth: " in str(error)

    holds()


YAML = [b"a: 1\nb: &b [1, 2.5, 1e-05]\nc:\n  <<: {d: 2020-01-01}\n  e: *b\nf: !!binary YQ==\n"]
WORDS = [*b"a: |*a|&a |!!int |!!set |!!timestamp |<<: |[|{|? |- |0x|1:|e400|\n|'|\"|#".split(b"|")]


@fuzzed
@given(mutated(YAML, WORDS))
def test_mutated_yaml(content):
    try:
        repr(load_yaml(content.decode("utf-8", errors="replace"), "a.yaml"))
    except UserError as error:
        assert str(error).startswith("a.yaml:")


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


@fuzzed
@given(mutated(RECORDINGS, VALUES))
def test_mutated_recordings(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    try:
        read_recording(tmp_path / "a.json", NTU25, "a.json")
    except UserError as error:
        assert str(error).startswith("a.json: ")


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> bytes:
    file = tmp_path_factory.mktemp("archive") / "a.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a/b.txt", b"text" * 100)
        made.writestr("c.txt", b"more")
    return file.read_bytes()


def test_mutated_archives(tmp_path, archive):
    path = tmp_path / "a.zip"

    @fuzzed
    @given(mutated([archive], [b"\0\0", b"\xff\xff\xff\xff", b"PK\1\2", b"../"]))
    def holds(content):
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        try:
            for name in members(path):
                member(path, name)
        except UserError as error:
            assert str(error).startswith("a.zip: ")

    holds()
