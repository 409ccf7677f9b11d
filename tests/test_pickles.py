"""Pickles of plain data are loaded; all others are refused by name, without running any code."""

import functools
import os
import pickle
import shutil
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from brl.datasets.pickles import load_plain
from brl.support.errors import UserError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
PLAIN = {
    "split": {"xsub_train": ["a", "b"], "xsub_val": ("c",)},
    "annotations": [
        {
            "frame_dir": "S001é",
            "label": 3,
            "keypoint": np.arange(2400, dtype=np.float16).reshape(1, 200, 4, 3),
            "keypoint_score": np.ones((1, 2, 4), dtype=np.float32),
            "total_frames": np.int64(2),
            "img_shape": (1080, 1920),
            "valid": {0.5: 2, 0.9: 0},
            "rest": [None, True, 2**80, -1.5, b"\x00\xff", b"", {1, 2}, set(), np.float32(0.1)],
        }
    ],
}


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "ntu60.pkl"


def refusal(file: Path, content: bytes) -> str:
    file.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_plain(file)
    message = str(caught.value)
    assert message.startswith("ntu60.pkl: ")
    assert message.isprintable() and len(message) < 400
    return message


def assert_equal(ours, theirs):
    if isinstance(theirs, np.ndarray):
        assert isinstance(ours, np.ndarray)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            assert_equal(ours[key], theirs[key])
    elif isinstance(theirs, list | tuple):
        assert type(ours) is type(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_equal(one, other)
    else:
        assert type(ours) is type(theirs)
        np.testing.assert_equal(ours, theirs)  # which treats NaNs as equal


# Plain data


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_data_loads_unchanged(file, protocol):
    file.write_bytes(pickle.dumps(PLAIN, protocol))
    assert_equal(load_plain(file), PLAIN)


DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    hnp.unicode_string_dtypes(endianness="?"),
    hnp.byte_string_dtypes(),
)


@given(
    hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, min_side=0)),
    st.sampled_from(PROTOCOLS),
    st.sampled_from([np.asarray, np.transpose, np.asfortranarray, lambda array: array[..., ::2]]),
)
def test_plain_arrays_and_numbers_load_as_with_pickle(tmp_path_factory, array, protocol, form):
    array = form(array) if array.ndim else array
    numbers = array.ravel()[:1] if array.dtype.kind in "biuf" else []
    content = pickle.dumps([array, *numbers], protocol)
    file = tmp_path_factory.mktemp("arrays") / "array.pkl"
    file.write_bytes(content)
    assert_equal(load_plain(file), pickle.loads(content))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_loaded_data_are_pickled_as_plain_arrays(file, protocol):
    file.write_bytes(pickle.dumps(PLAIN, protocol))
    loaded = load_plain(file)
    for again in PROTOCOLS:
        sent = pickle.loads(pickle.dumps(loaded, again))
        assert_equal(sent, PLAIN)
        assert type(sent["annotations"][0]["keypoint"]) is np.ndarray


def test_names_of_older_numpy_versions_are_known(file):
    new = pickle.dumps(PLAIN, 3)
    assert b"numpy._core.multiarray" in new
    file.write_bytes(new.replace(b"numpy._core.", b"numpy.core."))
    assert_equal(load_plain(file), PLAIN)


def test_an_ordered_dictionary_is_loaded(file):
    file.write_bytes(pickle.dumps(OrderedDict(b=1, a=2)))
    assert list(load_plain(file).items()) == [("b", 1), ("a", 2)]


# Code


class Calls:
    """Its pickle asks for a call of `function`."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


@pytest.fixture
def canary(tmp_path) -> Path:
    """A file that exists once an attack has run."""
    return tmp_path / "canary"


def touching(canary: Path) -> str:
    return f"__import__('pathlib').Path({str(canary)!r}).touch()"


def of_objects(canary: Path) -> str:
    """An array file that runs code when NumPy loads it with pickles allowed."""
    np.save(f"{canary}.npy", np.array([Calls(eval, touching(canary))], dtype=object))
    return f"{canary}.npy"


RUNS = {
    f"{os.name}.system": lambda canary: Calls(os.system, f"touch {canary}"),
    "builtins.eval": lambda canary: Calls(eval, touching(canary)),
    "builtins.exec": lambda canary: Calls(exec, touching(canary)),
    "shutil.copyfile": lambda canary: Calls(shutil.copyfile, __file__, str(canary)),
    "functools.partial": lambda canary: Calls(functools.partial(eval, touching(canary))),
    "numpy.load": lambda canary: Calls(np.load, of_objects(canary), None, True),
    "numpy.memmap": lambda canary: Calls(np.memmap, str(canary), "u1", "w+", 0, (1,)),
    "numpy.testing._private.utils.runstring": lambda canary: Calls(
        np.testing._private.utils.runstring, touching(canary), {}
    ),
}


def assert_refused_and_real(file: Path, canary: Path, content: bytes, asks: str) -> None:
    """The content is refused by name and does not run, whereas pickle itself would run it."""
    message = refusal(file, content).replace("__builtin__", "builtins")
    assert message.startswith(f"ntu60.pkl: refused: it {asks}; a dataset's pickle needs only lists")
    assert not canary.exists()
    pickle.loads(content)
    assert canary.exists()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", RUNS)
def test_code_is_refused_by_name_and_does_not_run(file, canary, name, protocol):
    content = pickle.dumps(RUNS[name](canary), protocol)
    assert_refused_and_real(file, canary, content, f"asks for {name}")


HIDDEN = {
    "in a clip": lambda call: {"annotations": [{"frame_dir": "a", "keypoint": call}]},
    "in a key": lambda call: {(1, (call,)): 1},
    "deep down": lambda call: functools.reduce(lambda inner, _: [inner], range(50), call),
    "after good data": lambda call: [PLAIN, call],
    "as an argument": lambda call: Calls(OrderedDict, [(call, 1)]),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_code_is_refused_anywhere_in_the_data(file, canary, case):
    content = pickle.dumps(HIDDEN[case](RUNS["builtins.exec"](canary)))
    assert_refused_and_real(file, canary, content, "asks for builtins.exec")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_object_array_is_refused(file, canary, protocol):
    array = np.array([1, [RUNS["builtins.exec"](canary)]], dtype=object)
    content = pickle.dumps({"keypoint": array}, protocol)
    assert_refused_and_real(file, canary, content, "holds a NumPy object array")
    empty = pickle.dumps(np.array([None], dtype=object), protocol)
    assert "it holds a NumPy object array" in refusal(file, empty)


def test_an_object_scalar_is_refused(file, canary):
    scalar = Calls(np._core.multiarray.scalar, np.dtype("O"), RUNS["builtins.exec"](canary))
    assert "it holds a NumPy object array" in refusal(file, pickle.dumps(scalar))
    assert not canary.exists()


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.zeros(2, dtype=[("x", "f4"), ("y", "O")]), "V12"),
        (np.zeros(2, dtype="V3"), "V3"),
        (np.zeros(2, dtype="M8[s]"), "M8"),
        (np.zeros(2, dtype="c8"), "c8"),
        (np.zeros(2, dtype=np.longdouble), np.dtype(np.longdouble).str[1:]),
    ],
)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays_of_other_types_are_refused(file, array, kind, protocol):
    assert f"it holds a NumPy {kind} array" in refusal(file, pickle.dumps(array, protocol))


# Damaged files


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<!DOCTYPE html>",
        b"PK\x03\x04",
        b"version https://git-lfs.github.com/spec/v1\n",
        bytes(range(256)),
        b"S'\xe9'\n.",  # a string of Python 2
        pickle.dumps("a")[:-1] + b"R.",
        b"\x80\x09.",
    ],
)
def test_a_file_that_is_no_pickle_is_named(file, content):
    assert "not a whole pickle of Python 3" in refusal(file, content)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickle_cut_off_anywhere_is_named(file, protocol):
    whole = pickle.dumps(PLAIN, protocol)
    for length in range(0, len(whole), 1 + len(whole) // 40):
        assert "not a whole pickle of Python 3" in refusal(file, whole[:length])


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_plain(tmp_path / "ntu60.pkl")
