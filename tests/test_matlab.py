"""MATLAB files: read as SciPy reads them, and a damaged file is one line."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.io import loadmat

from brl.datasets.matlab import MatlabFile
from brl.support.errors import UserError
from tests.reference import shared
from tests.worlds import matlab

CONTENT = matlab(joints=np.arange(24.0).reshape(2, 3, 4), action="jump rope", other=1)


def test_numbers_and_text_are_read():
    file = MatlabFile.read(CONTENT, "a.mat", ("joints", "action"))
    np.testing.assert_array_equal(
        file.numbers("joints", (2, 3, "frames")), np.arange(24).reshape(2, 3, 4)
    )
    assert file.text("action") == "jump rope"


def assert_as_scipy(content: bytes) -> None:
    theirs = loadmat(io.BytesIO(content))
    ours = MatlabFile.read(content, "a.mat", ()).variables
    assert ours.keys() == {name for name in theirs if not name.startswith("__")}
    for name, value in ours.items():
        if isinstance(value, str):
            assert [value] == theirs[name].tolist()
        elif value is not None:
            assert value.dtype == theirs[name].dtype
            np.testing.assert_array_equal(value, theirs[name])


@pytest.mark.parametrize("archive", ["utd_mhad_skeleton", "penn_action_labels"])
def test_real_files_are_read_as_scipy_reads_them(archive):
    """A hundred of each; the stream of 1833.mat lacks its end."""
    with zipfile.ZipFile(shared(f"data/{archive}.zip")) as opened:
        names = sorted(name for name in opened.namelist() if name.endswith(".mat"))
        for name in [*names[:: len(names) // 100], *(n for n in names if "1833" in n)]:
            assert_as_scipy(opened.read(name))


@given(
    st.sampled_from(["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"]),
    st.lists(st.integers(0, 4), min_size=2, max_size=4),
    st.booleans(),
)
def test_written_arrays_are_read_as_scipy_reads_them(kind, shape, compressed):
    array = np.random.default_rng(0).integers(0, 100, shape).astype(kind)
    assert_as_scipy(matlab(compressed, a=array, text="ö", name_of_many_letters=array.T))


def test_what_is_not_needed_is_passed_over():
    content = matlab(a={"b": 1}, c=np.ones(2) * 1j, d=np.empty((0, 0), object), e=3.0)
    file = MatlabFile.read(content, "a.mat", ("a", "c", "d", "e"))
    assert [file.variables[name] for name in "acd"] == [None] * 3
    assert file.numbers("e", (1, 1)) == 3
    with pytest.raises(UserError, match=r"a\.mat: c: neither numbers nor text; must be text"):
        file.text("c")


def test_a_last_axis_of_length_1_is_put_back():
    """MATLAB itself drops it."""
    file = MatlabFile.read(matlab(joints=np.ones((20, 3))), "a.mat", ("joints",))
    assert file.numbers("joints", (20, 3, "frames")).shape == (20, 3, 1)


@pytest.mark.parametrize(
    ("name", "shape", "complaint"),
    [
        (
            "joints",
            (2, 3, 5),
            r"a\.mat: joints: an array of 2 x 3 x 4; must be an array of numbers, 2",
        ),
        ("joints", (2, "frames"), "must be an array of numbers, 2 x frames"),
        ("action", ("frames",), r"a\.mat: action: text; must be an array of numbers"),
    ],
)
def test_another_shape_or_type_is_named(name, shape, complaint):
    with pytest.raises(UserError, match=complaint):
        MatlabFile.read(CONTENT, "a.mat", ("joints", "action")).numbers(name, shape)


@given(st.integers(0, len(CONTENT) - 1), st.binary(min_size=1, max_size=4))
@example(144, b"\x06\x08")  # complex: SciPy takes what follows for the imaginary part
@example(192, b"\xe9")  # an unknown type of the numbers
def test_a_damaged_file_is_one_line_or_still_numbers(place, damage):
    content = CONTENT[:place] + damage + CONTENT[place + len(damage) :]
    try:
        file = MatlabFile.read(content, "a.mat", ("joints", "action"))
        assert file.numbers("joints", (2, 3, "frames")).dtype.kind in "iuf"
        assert file.text("action")
    except UserError as error:
        assert str(error).startswith("a.mat: ") and str(error).isprintable()


@given(st.integers(0, len(CONTENT) - 1))
def test_a_file_cut_off_is_refused(length):
    with pytest.raises(UserError, match=r"^a\.mat: "):
        MatlabFile.read(CONTENT[:length], "a.mat", ("joints", "action", "other"))
