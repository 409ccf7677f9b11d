"""Handwritten pickle instructions that no pickler emits: none of them bypasses the refusal."""

import copyreg
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from brl.datasets.pickles import load_plain
from tests.test_pickles import refusal

RECONSTRUCT = b"cnumpy._core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR"
S4 = b"cnumpy\ndtype\n(VS4\ntR"
BYTES = b"C\x08abcdefgh"


def array(shape: bytes = b"I2\n", dtype: bytes = S4, content: bytes = BYTES) -> bytes:
    """The instructions for an array of two strings of four bytes."""
    return RECONSTRUCT + b"(I1\n(" + shape + b"t" + dtype + b"I0\n" + content + b"tb"


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "ntu60.pkl"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"cos\nsystem\n.", "it asks for os.system"),
        (b"(Vtouch canary\nios\nsystem\n.", "it asks for os.system"),  # INST
        (b"(cos\nsystem\nVtouch canary\no.", "it asks for os.system"),  # OBJ
        (b"\x80\x02cos\nsystem\n)\x81.", "it asks for os.system"),  # NEWOBJ
        (b"ccopyreg\n_reconstructor\n.", "it asks for copyreg._reconstructor"),
        (b"cnumpy\n_core.multiarray._reconstruct\n.", "numpy._core.multiarray._reconstruct;"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0cos.path.join\x93.", "it asks for numpy.os.path.join"),
        (b"\x80\x04\x8c\x04a\x1b[2\x8c\x03\nb\x07\x93.", r"it asks for a\x1b[2.\nb\x07"),
        (b"c__builtin__\nbytes\n(I9999999999999\ntR.", "not a whole pickle"),
        (b"c_codecs\nencode\n(Va\nVrot13\ntR.", "it asks for the encoding rot13"),
        (b"c_codecs\nencode\n}V__code__\nI1\nsb.", "it changes the functions that read it"),
        (b"cnumpy\ndtype\nN}V_function\nI1\ns\x86b.", "it changes the functions that read it"),
        (b"\x80\x02cnumpy\ndtype\n)\x81.", "not a whole pickle"),  # NEWOBJ: it is no class here
        (b"Pid\n.", "not a whole pickle"),  # PERSID
        (b"\x82\xf0.", "not a whole pickle"),  # EXT1 of a number nobody registered
        (b"\x80\x05\x97.", "not a whole pickle"),  # NEXT_BUFFER
        (array(shape=b"I3\n") + b".", "not a whole pickle"),
        (array(shape=b"I-1\nI-2\n") + b".", "not a whole pickle"),
        (array(dtype=b"VS4\n") + b".", "not made of plain bytes"),
        (array(dtype=b"cnumpy\ndtype\n(VO\ntR") + b".", "a NumPy object array"),
        (array(dtype=b"cnumpy\ndtype\n(VS4\\u000aO\ntR") + b".", r"a NumPy S4\nO array"),
        (array(dtype=b"cnumpy\ndtype\n(cnumpy\ndtype\ntR") + b".", "array"),
        (array(content=b"](I1\nI2\ne") + b".", "not made of plain bytes"),
        (array(content=array()) + b".", "not made of plain bytes"),
        (array(content=b"Vabcdefgh\n") + b".", "not made of plain bytes"),  # by Python 2
        (array() + b"(I1\n(I2\nt" + S4 + b"I0\n" + BYTES + b"tb.", "changes an array"),
        (
            b"\x80\x05cnumpy._core.numeric\n_frombuffer\n("
            + array()
            + b"\x98"
            + S4
            + b"I2\nVC\ntR.",
            "not made of plain bytes",  # READONLY_BUFFER
        ),
    ],
)
def test_no_instruction_bypasses_the_refusal(file, content, complaint):
    assert complaint in refusal(file, content)


def test_the_unchanged_instructions_give_an_array(file):
    file.write_bytes(array() + b".")
    np.testing.assert_array_equal(load_plain(file), [b"abcd", b"efgh"])


def test_a_function_registered_by_number_is_refused_by_name(file):
    copyreg.add_extension(os.system.__module__, "system", 240)
    try:
        assert f"it asks for {os.name}.system" in refusal(file, b"\x82\xf0.")
    finally:
        copyreg.remove_extension(os.system.__module__, "system", 240)


def test_a_dtype_cannot_be_resized_later(file):
    """NumPy's own dtype would accept it and read far beyond the array's memory."""
    state = b"(I3\nV|\nNNNI1000\nI1\nI0\ntb"
    content = b"(" + array(dtype=S4 + b"p7\n") + b"g7\n" + state + b"l."
    assert pickle.loads(content)[0].itemsize == 1000
    file.write_bytes(content)
    loaded, _ = load_plain(file)
    assert loaded.dtype == "S4" and loaded.tolist() == [b"abcd", b"efgh"]
