"""NTU RGB+D from raw `.skeleton` files: reading one, and all of them from zips or folders."""

import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brl.datasets.ntu import names as ntu
from brl.datasets.ntu.names import label_of
from brl.datasets.ntu.raw import ARCHIVES, NTU60_RAW, NTU120_RAW, UNUSABLE
from brl.datasets.ntu.skeleton_file import read_skeleton
from brl.support.errors import UserError
from tests.ntu_files import (
    FIRST_ID,
    Scene,
    people,
    scene_of,
    skeleton_text,
    write_files,
    write_zip,
)

NAMES_60 = ["S001C001P001R001A001", "S002C002P003R001A060", "S017C003P002R002A013"]
NAMES_120 = [*NAMES_60, "S018C001P041R001A061", "S032C002P045R002A120"]
SOURCES = {60: (NTU60_RAW, NAMES_60), 120: (NTU120_RAW, NAMES_120)}


@given(
    st.lists(st.dictionaries(st.integers(0, 5), st.integers(0, 2**32 - 1), max_size=3), max_size=6)
)
def test_a_written_file_reads_back(seeds):
    scene: Scene = [
        {number: people(1, seed)[0] for number, seed in frame.items()} for frame in seeds
    ]
    bodies = read_skeleton(skeleton_text(scene), "clip")
    order = list(dict.fromkeys(number for frame in scene for number in frame))
    assert len(bodies) == len(order)
    for number, body in zip(order, bodies, strict=True):
        assert body.frames.tolist() == [i for i, frame in enumerate(scene) if number in frame]
        assert body.joints.dtype == np.float32
        assert (body.joints == [frame[number] for frame in scene if number in frame]).all()


def test_other_line_ends_and_empty_lines_at_the_end_are_read():
    text = skeleton_text(scene_of(2, (range(2), people(2, 0))))
    (body,) = read_skeleton(text.replace("\n", "\r\n") + "\n \n", "clip")
    assert body.joints.shape == (2, 25, 3)


VALID = skeleton_text(scene_of(3, (range(3), people(3, 0)))).splitlines()


def changed(number: int, line: str | None) -> str:
    """The valid file with another line, or without it. Lines count from 1: 1 is the number of
    frames, 2 the first frame's number of bodies, 3 the id, 4 the number of joints."""
    lines = list(VALID)
    lines[number - 1 : number] = [] if line is None else [line]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "complaint"),
    {
        "": "is empty; must be a whole",
        " \n\n": "is empty; must be a whole",
        "3\n": "ends after line 1,",
        "\n".join(VALID[:60]): "ends after line 60,",
        "\n".join(VALID[:-1]): f"ends after line {len(VALID) - 1},",
        changed(1, "4"): f"ends after line {len(VALID)}, .*as many as its first line says",
        changed(1, "2"): "line 58: '1' after the last frame; must have 2 frames",
        changed(1, "-1"): "line 1: '-1'; must be the number of frames",
        changed(1, "three"): "line 1: 'three'; must be the number of frames",
        changed(2, "one"): "line 2: 'one'; must be the number of bodies",
        changed(2, "2"): "line 31: .*; must be 25, the number of joints",
        changed(3, ""): "line 3: ''; must be a line that starts with a body's id",
        changed(3, "x 0"): "line 3: 'x 0'; must be a line that starts with a body's id",
        changed(4, "24"): "line 4: '24'; must be 25, the number of joints",
        changed(4, None): "line 4: .*; must be 25, the number of joints",
        changed(17, None): "line 29: '1'; must be a joint's line",
        changed(17, "0.1 0.2"): "line 17: '0.1 0.2'; must be a joint's line, .* x y z",
        changed(17, "0.1 up 0.2 0"): "line 17: '0.1 up 0.2 0'; must be a joint's line",
        "\x00\x01binary": "line 1: .*; must be the number of frames",
        "<html>" + "x" * 9999: "line 1: '<html>x{34}'; must be the number of frames",
    }.items(),
)
@pytest.mark.filterwarnings("error")
def test_a_malformed_file_is_named_in_one_line(text, complaint):
    with pytest.raises(UserError, match=f"^zip: S1.skeleton: ({complaint})") as caught:
        read_skeleton(text, "zip: S1.skeleton")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("coordinate", ["nan", "-inf", "1e99"])
@pytest.mark.filterwarnings("error")
def test_a_joint_that_is_not_finite_counts_as_not_seen(coordinate):
    (body,) = read_skeleton(changed(46, f"0.1 {coordinate} 0.2 0"), "clip")
    frame, joint = 1, 46 - 33
    assert (body.joints[frame, joint] == 0).all()
    assert (body.joints != 0).all(axis=2).sum() == 3 * 25 - 1


def test_a_body_twice_in_a_frame_is_refused():
    text = skeleton_text(scene_of(2, (range(2), people(2, 0)), (range(2), people(2, 1))))
    with pytest.raises(UserError, match=rf"clip: line 30: body {FIRST_ID} occurs twice in frame 1"):
        read_skeleton(text.replace(str(FIRST_ID + 1), str(FIRST_ID)), "clip")


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """A project for the test: fetched raw files are recorded at its root."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


@pytest.fixture
def texts(root) -> dict[str, str]:
    """The `.skeleton` files of all names, by name."""
    write_files(root / "texts", NAMES_120)
    return {path.stem: path.read_text() for path in (root / "texts").iterdir()}


@pytest.fixture
def zips(root, texts) -> str:
    """A mirror folder of both zips, with the folders inside that the official ones have."""
    mirror = root / "zips"
    first = {f"nturgb+d_skeletons/{name}.skeleton": texts[name] for name in NAMES_60[::-1]}
    write_zip(mirror / ARCHIVES[0], first | {"nturgb+d_skeletons/": "", "readme.txt": "hello"})
    write_zip(mirror / ARCHIVES[1], {f"{name}.skeleton": texts[name] for name in NAMES_120[3:]})
    return str(mirror)


def opened(root, edition: int, mirror: str):
    source, _ = SOURCES[edition]
    source.fetch(root / "raw", mirror)
    return source.open(root / "raw")


@pytest.mark.parametrize("edition", [60, 120])
@pytest.mark.parametrize("form", ["zips", "files"])
def test_clips_come_in_name_order_from_zips_or_from_files(root, texts, zips, edition, form):
    source, names = SOURCES[edition]
    for number, name in enumerate(NAMES_120):
        folder = root / "files" / ("nested" if number % 2 else "")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.skeleton").write_text(texts[name])
    dataset = opened(root, edition, zips if form == "zips" else "files")
    assert dataset.parallel
    read, items = pickle.loads(pickle.dumps((dataset.read, dataset.items)))
    clips = [clip for item in items for clip in read(item)]
    assert [clip.name for clip in clips] == names
    for clip in clips:
        assert dataset.classes[clip.label] == ntu.CLASSES_120[int(clip.name[-3:]) - 1]
        (body,) = read_skeleton(texts[clip.name], "")
        assert (clip.joints == body.joints[None]).all()
        normal = dataset.normalization(clip.joints)
        np.testing.assert_allclose(normal[0, 0, 1], 0, atol=1e-6)
    splits = pickle.loads(pickle.dumps(dataset.splits))(names)
    assert tuple(splits) == source.splits == ("xsub", "xview" if edition == 60 else "xset")


def test_a_recording_without_a_body_gives_no_clip(root):
    write_files(root / "files", NAMES_60)
    (root / "files" / f"{NAMES_60[1]}.skeleton").write_text("2\n0\n0\n")
    dataset = opened(root, 60, "files")
    assert [len(dataset.read(item)) for item in dataset.items] == [1, 0, 1]


@pytest.mark.parametrize(("edition", "count"), [(60, 302), (120, 535)])
def test_recordings_that_the_field_leaves_out_are_left_out_whatever_they_hold(root, edition, count):
    unusable = UNUSABLE.read_text().split()
    assert len(set(unusable)) == 535
    assert all(1 <= label_of(name) + 1 <= 120 for name in unusable)
    write_files(root / "files", [*unusable, NAMES_60[0]], frames=1)
    dataset = opened(root, edition, "files")
    assert [file.name for file in dataset.items] == [NAMES_60[0]]
    assert dataset.left_out == count


@pytest.mark.parametrize("mirror", [None, "nowhere", "."])
def test_without_the_files_the_message_says_where_to_request_them(root, mirror):
    with pytest.raises(UserError, match=r"s001_to_s017\.zip .*https://rose1\.ntu\.edu\.sg/"):
        NTU60_RAW.fetch(root / "raw", mirror)


def test_the_files_that_macos_adds_to_a_zip_are_skipped(root, zips):
    with zipfile.ZipFile(root / "zips" / ARCHIVES[0], "a") as archive:
        archive.writestr("__MACOSX/._S001C001P001R001A001.skeleton", b"\0")
    assert len(opened(root, 60, zips).items) == 3


def test_ntu_120_needs_both_zips(root, zips):
    (root / "zips" / ARCHIVES[1]).unlink()
    with pytest.raises(UserError, match=r"holds no nturgbd_skeletons_s018_to_s032\.zip") as caught:
        NTU120_RAW.fetch(root / "raw", zips)
    assert f"(needed: {' and '.join(ARCHIVES)}, or all .skeleton files" in str(caught.value)
    assert len(opened(root, 60, zips).items) == 3


def test_a_zip_that_is_cut_off_is_named_and_not_kept(root, zips):
    path = root / "zips" / ARCHIVES[0]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=f"^{ARCHIVES[0]}: not a whole zip file"):
        NTU60_RAW.fetch(root / "raw", zips)
    assert not list((root / "raw").glob("*"))


def test_a_damaged_file_in_a_zip_is_named(root, zips):
    path = root / "zips" / ARCHIVES[0]
    content = bytearray(path.read_bytes())
    start = content.index(NAMES_60[2].encode()) + 1000
    content[start : start + 9] = bytes(9)
    path.write_bytes(content)
    dataset = opened(root, 60, zips)
    with pytest.raises(UserError, match=f"{ARCHIVES[0]}: .*{NAMES_60[2]}.skeleton: cannot be read"):
        for item in dataset.items:
            dataset.read(item)


@pytest.mark.parametrize(
    ("files", "complaint"),
    {
        ("../S001C001P001R001A001.skeleton",): "unsafe path '../S001",
        ("/S001C001P001R001A001.skeleton",): "unsafe path '/S001",
        ("S001C001P001A001.skeleton",): r"S001C001P001A001\.skeleton: not the name .*must be like",
        ("a/S001C001P001R001A001.skeleton", "b/S001C001P001R001A001.skeleton"):
            "the same clip; must occur once",
    }.items(),
)  # fmt: skip
def test_invalid_names_in_a_zip_are_refused(root, files, complaint):
    write_zip(root / "zips" / ARCHIVES[0], dict.fromkeys(files, "1\n0\n"))
    with pytest.raises(UserError, match=f"{ARCHIVES[0]}: .*{complaint}"):
        opened(root, 60, "zips")


@pytest.mark.parametrize("name", ["b/S001C001P001R001A001", "clip1"])
def test_duplicate_and_invalid_names_are_refused_before_any_file_is_copied(root, name):
    write_files(root / "files" / "a", ["S001C001P001R001A001"])
    (root / "files" / "b").mkdir()
    (root / "files" / f"{name}.skeleton").write_text("1\n0\n")
    with pytest.raises(UserError, match=r"the same clip|clip1\.skeleton: not the name"):
        NTU60_RAW.fetch(root / "raw", "files")
    assert not (root / "raw").exists()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"1\n1\n7\n24\n"])
def test_a_malformed_file_is_named_when_it_is_read(root, content):
    write_files(root / "files", NAMES_60)
    (root / "files" / f"{NAMES_60[0]}.skeleton").write_bytes(content)
    dataset = opened(root, 60, "files")
    with pytest.raises(UserError, match=rf"^{NAMES_60[0]}\.skeleton: "):
        dataset.read(dataset.items[0])
