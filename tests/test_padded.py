"""Whole datasets in a few files: CTR-GCN's `.npz`, and 2s-AGCN's arrays with label pickles."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from brl.clips.clip import PARTS
from brl.clips.layouts import NTU25
from brl.clips.store import ClipStore
from brl.datasets import zipped_array
from brl.datasets.own import source as own
from brl.datasets.padded import is_padded
from brl.datasets.prepare import prepare
from brl.datasets.recordings.read import read_recording
from brl.datasets.zipped_array import ZippedArray
from brl.support.errors import UserError
from tests import padded_files
from tests.own_data import write_description
from tests.padded_files import padded, write_agcn

LABELS = {"train": [1, 0, 1, 2], "test": [2, 1, 0]}


def clips_of(part: str) -> list[np.ndarray]:
    """Joints (M, T, 25, 3) of different lengths; every other clip has two bodies."""
    draws = np.random.default_rng(len(part))
    return [
        draws.normal(size=(1 + number % 2, 3 + 2 * number, 25, 3)).astype(np.float32)
        for number in range(len(LABELS[part]))
    ]


WRITTEN = {part: (clips_of(part), LABELS[part]) for part in PARTS}


def ctrgcn_arrays() -> dict[str, np.ndarray]:
    return padded_files.ctrgcn_arrays(WRITTEN, num_classes=3)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "own").mkdir()
    described = {"classes": ["sit", "stand", "wave"], "layout": "ntu25", "normalize": "none"}
    write_description(tmp_path / "own", described)
    return tmp_path / "own"


def stored(folder) -> ClipStore:
    own.check(str(folder))
    own.fetch(folder.parent / "raw", str(folder))
    prepare("custom", own.open_own(folder.parent / "raw"), folder.parent / "store", 2)
    return ClipStore.open(folder.parent / "store")


def assert_holds_the_clips(store: ClipStore) -> None:
    assert store.labels.tolist() == LABELS["train"] + LABELS["test"]
    assert store.part("default", "train").tolist() == [0, 1, 2, 3]
    assert store.part("default", "test").tolist() == [4, 5, 6]
    for number, joints in enumerate(clips_of("train") + clips_of("test")):
        np.testing.assert_array_equal(store.joints(number), joints)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_of_ctrgcn_is_a_dataset(folder, save):
    save(folder / "NTU60_CS.npz", **ctrgcn_arrays())
    store = stored(folder)
    assert_holds_the_clips(store)
    assert store.names.tolist() == [f"train_{n}" for n in range(4)] + [
        f"test_{n}" for n in range(3)
    ]


def test_arrays_with_label_pickles_are_a_dataset(folder):
    write_agcn(folder, WRITTEN)
    store = stored(folder)
    assert_holds_the_clips(store)
    assert store.names[[0, 6]].tolist() == ["train0.skeleton", "val2.skeleton"]


def test_a_clip_without_a_body_is_left_out(folder):
    arrays = ctrgcn_arrays()
    arrays["x_train"][2] = 0
    np.savez(folder / "a.npz", **arrays)
    store = stored(folder)
    assert len(store.names) == 6 and "train_2" not in store.names
    assert store.part("default", "train").tolist() == [0, 1, 2]


def test_zero_frames_within_a_clip_are_no_padding(folder):
    arrays = ctrgcn_arrays()
    arrays["x_train"][3, 1] = 0
    np.savez(folder / "a.npz", **arrays)
    assert stored(folder).frames[3] == clips_of("train")[3].shape[1]


def test_rows_may_be_read_in_any_order(tmp_path):
    rows = np.random.default_rng(0).normal(size=(5, 2, 3))
    np.savez_compressed(tmp_path / "a.npz", x=rows)
    array = ZippedArray(tmp_path / "a.npz", "x")
    for number in (0, 1, 4, 2, 2, 3, 0):
        np.testing.assert_array_equal(array[number], rows[number])


def test_predict_names_the_way_for_a_whole_dataset(folder):
    np.savez(folder / "a.npz", **ctrgcn_arrays())
    write_agcn(folder, WRITTEN)
    for name in ("a.npz", "val_data_joint.npy"):
        assert is_padded(folder / name)
        with pytest.raises(UserError, match=r"a dataset of many clips, .* use it as own data"):
            read_recording(folder / name, NTU25, name)
    np.save(folder / "one.npy", padded(clips_of("train"))[0])
    assert not is_padded(folder / "one.npy") and not is_padded(folder / "val_label.pkl")


def changed(**arrays: np.ndarray):
    return lambda folder: np.savez(folder / "a.npz", **ctrgcn_arrays() | arrays)


def lacking(name: str):
    arrays = {key: value for key, value in ctrgcn_arrays().items() if key != name}
    return lambda folder: np.savez(folder / "a.npz", **arrays)


def cut(size: int):
    def write(folder):
        np.savez_compressed(folder / "a.npz", **ctrgcn_arrays())
        (folder / "a.npz").write_bytes((folder / "a.npz").read_bytes()[:size])

    return write


def flipped(folder):
    """A byte of the last row is another one: only the zip's checksum tells."""
    np.savez(folder / "a.npz", **ctrgcn_arrays())
    content = bytearray((folder / "a.npz").read_bytes())
    end = content.index(ctrgcn_arrays()["x_test"].tobytes()) + ctrgcn_arrays()["x_test"].nbytes
    content[end - 1] ^= 1
    (folder / "a.npz").write_bytes(content)


def agcn(**changes):
    return lambda folder: write_agcn(folder, WRITTEN, **changes)


def both(folder):
    write_agcn(folder, WRITTEN)
    (folder / "train_data_bone.npy").write_bytes((folder / "train_data_joint.npy").read_bytes())


def promising(shape):
    """x_train says this shape, and x_test and the labels are right."""

    def write(folder):
        np.savez(folder / "a.npz", **ctrgcn_arrays())
        replace_member(folder / "a.npz", "x_train.npy", header(shape) + b"\0" * 4096)

    return write


def header(shape):
    content = io.BytesIO()
    form = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(content, form)
    return content.getvalue()


def replace_member(path, name, content):
    with zipfile.ZipFile(path) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, old in members.items():
            archive.writestr(each, content if each == name else old)


WRONG = {
    "a row that is not there": (
        promising((4, 2**40, 150)),
        "a.npz: x_train: not a whole array: its shape (4, 1099511627776, 150) takes",
    ),
    "rows that are not there": (promising((2**60, 12, 150)), "but 4096 are there; must be written"),
    "less than there is": (promising((4, 1, 150)), "takes 2400 bytes, but 4096 are there"),
    "an array missing": (lacking("y_test"), "a.npz: y_test: missing; the file holds x_train.npy, "),
    "cut off": (cut(400), "a.npz: x_train: not a whole array"),
    "a flipped bit": (flipped, "a.npz: x_test: not a whole array (BadZipFile: Bad CRC-32"),
    "other joints": (
        changed(x_train=np.ones((4, 12, 51))),
        "a.npz: x_train: an array of shape (4, 12, 51); must be clips x frames x numbers, of which "
        "75 are a body: 25 joints x 3 channels",
    ),
    "other classes": (
        changed(y_train=np.eye(5)[LABELS["train"]]),
        "a.npz: y_train: an array of shape (4, 5); must be (4, 3), a row per clip with 1 at its",
    ),
    "no class": (changed(y_test=np.zeros((3, 3))), "a.npz: y_test: row 0 marks 0 classes; must be"),
    "text": (
        changed(x_train=np.array(["a"])),
        "a.npz: x_train: an array of <U1, (1,); must be num",
    ),
    "objects": (changed(x_train=np.array([{}])), "a.npz: x_train: an array of object, (1,); must"),
    "by columns": (
        changed(x_train=np.asfortranarray(ctrgcn_arrays()["x_train"])),
        "a.npz: x_train: an array of float32, (4, 12, 150); must be numbers in rows",
    ),
    "two arrays of a part": (
        both,
        "2 .npy files of the part train (train_data_bone.npy, train_data_joint.npy); must be one",
    ),
    "an array of other axes": (
        agcn(val_data=np.ones((3, 12, 25, 3))),
        "val_data_joint.npy: an array of float64, (3, 12, 25, 3); must be numbers, clips x 3 chan",
    ),
    "an array of objects": (
        agcn(val_data=np.array([{}])),
        "val_data_joint.npy: holds Python objects",
    ),
    "a name too few": (
        agcn(train_label=(["a"], [1])),
        "train_label.pkl: 1 names and 1 labels; must be 4 of each, as the array has clips",
    ),
    "labels only": (agcn(train_label=[1, 0, 1, 2]), "train_label.pkl: must hold two lists, the na"),
    "names that are numbers": (
        agcn(val_label=([1, 2, 3], [1, 2, 0])),
        "val_label.pkl: 1, 1: must be a name and a class number",
    ),
    "two numbers": (agcn(val_label=(1, 2)), "val_label.pkl: must hold two lists"),
    "a pickle that runs code": (agcn(val_label=print), "val_label.pkl: refused: it asks for buil"),
    "a label too high": (
        agcn(val_label=(["a", "b", "c"], [1, 2, 9])),
        "clip c: label 9; must be 0",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_gets_one_line(folder, case):
    write, complaint = WRONG[case]
    write(folder)
    with pytest.raises(UserError) as caught:
        stored(folder)
    message = str(caught.value)
    assert complaint in message and message.isprintable()


def test_a_small_file_of_a_huge_row_is_not_unpacked(folder, monkeypatch):
    """Zeros are packed a thousandfold."""
    monkeypatch.setattr(zipped_array, "LARGEST_ROW", 2**20)
    np.savez_compressed(folder / "a.npz", **ctrgcn_arrays() | {"x_train": np.zeros((4, 1000, 150))})
    tracemalloc.start()
    with pytest.raises(UserError, match="x_train: rows of 1200000 bytes; must be 1048576 or fewer"):
        stored(folder)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_pixels_need_the_size_of_their_images(folder):
    described = {"classes": ["sit", "stand", "wave"], "layout": "coco17", "normalize": "image"}
    write_description(folder, described)
    arrays = {f"x_{part}": np.ones((2, 4, 51)) for part in PARTS}
    np.savez(folder / "a.npz", **arrays, **{f"y_{part}": np.eye(3)[:2] for part in PARTS})
    with pytest.raises(UserError, match="normalize: image: these files do not tell the size"):
        own.check(str(folder))
