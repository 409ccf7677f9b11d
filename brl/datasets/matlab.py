"""Reads numbers and text from MATLAB files of version 5 to 7.

`scipy.io.loadmat` (1.17) trusts the types and sizes that a file states: a damaged one can end the
process with a segmentation fault. Here it is an error. Format: MathWorks, "MAT-File Format",
level 5; sparse and complex numbers, structures and cells are not needed.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from brl.support.errors import UserError

HEADER = 128
BYTE_ORDER = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}  # the end of the header: version and mark
# Types of elements, and classes of matrices.
MATRIX, COMPRESSED = 14, 15
NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
ENCODINGS = {2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
TEXT_CLASS, NUMERIC_CLASSES, COMPLEX = 4, range(6, 16), 0x800


@dataclass(frozen=True)
class MatlabFile:
    """Variables of a MATLAB file.

    where      the file, for error messages
    variables  by name; None stands for one that is neither numbers nor text
    """

    where: str
    variables: dict[str, np.ndarray | str | None]

    @classmethod
    def read(cls, content: bytes, where: str, names: tuple[str, ...]) -> "MatlabFile":
        """Reads the variables of these names.

        Raises UserError where the file is damaged or lacks one of them.
        """
        try:
            variables = dict(_variables(content))
        except Exception as error:  # a damaged file may raise nearly any exception
            raise UserError(
                f"{where}: not a whole MATLAB file of version 5 to 7 ({type(error).__name__})"
            ) from error
        for name in names:
            if name not in variables:
                raise UserError(f"{where}: has no variable {name}; needs {', '.join(names)}")
        return cls(where, variables)

    def numbers(self, name: str, shape: tuple[int | str, ...]) -> np.ndarray:
        """The array of numbers of this shape, in the type in which it is stored.

        shape: the length of each axis; a word stands for any length but 0. MATLAB drops a last
        axis of length 1, which is put back. Raises UserError where the variable is something else.
        """
        value = self.variables[name]
        if isinstance(value, np.ndarray):
            lengths = value.shape + (1,) * (len(shape) - value.ndim)
            fits = len(lengths) == len(shape) and all(
                length > 0 if isinstance(wanted, str) else length == wanted
                for length, wanted in zip(lengths, shape, strict=True)
            )
            if fits:
                return value.reshape(lengths)
        raise self._wrong(name, f"an array of numbers, {_product(shape)}")

    def text(self, name: str) -> str:
        """The text. Raises UserError where the variable is something else."""
        value = self.variables[name]
        if isinstance(value, str):
            return value
        raise self._wrong(name, "text")

    def _wrong(self, name: str, wanted: str) -> UserError:
        value = self.variables[name]
        if isinstance(value, np.ndarray):
            actual = f"an array of {_product(value.shape)}"
        else:
            actual = "neither numbers nor text" if value is None else "text"
        return UserError(f"{self.where}: {name}: {actual}; must be {wanted}")


def _product(shape: tuple[int | str, ...]) -> str:
    return " x ".join(map(str, shape))


def _variables(content: bytes) -> Iterator[tuple[str, np.ndarray | str | None]]:
    """Name and value of each variable. A damaged file raises some exception."""
    order = BYTE_ORDER[content[HEADER - 4 : HEADER]]
    for kind, element in _elements(content[HEADER:], order):
        if kind == COMPRESSED:
            # Some of MATLAB's streams lack their end; what they hold is whole.
            inflated = zlib.decompressobj().decompress(element)
            ((kind, element),) = _elements(inflated, order)
        if kind != MATRIX:
            raise ValueError(f"type {kind}")
        yield _variable(element, order)


def _variable(matrix: bytes, order: str) -> tuple[str, np.ndarray | str | None]:
    parts = list(islice(_elements(matrix, order), 4))
    (_, flags), (_, lengths), (_, name) = parts[:3]
    flag = struct.unpack(f"{order}2I", flags)[0]
    matrix_class, is_complex = flag & 0xFF, flag & COMPLEX
    value: np.ndarray | str | None = None
    if matrix_class == TEXT_CLASS:
        kind, data = parts[3]
        endian = {"<": "-le", ">": "-be"}[order] if ENCODINGS[kind][-2:] in ("16", "32") else ""
        value = data.decode(ENCODINGS[kind] + endian)
    elif matrix_class in NUMERIC_CLASSES and not is_complex:
        kind, data = parts[3]
        shape = np.frombuffer(lengths, f"{order}i4")
        value = np.frombuffer(data, order + NUMBERS[kind]).reshape(shape, order="F")
    return name.decode("ascii"), value


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and content of elements that lie end to end, in the byte order `<` or `>`."""
    at = 0
    while at < len(content):
        kind, size = struct.unpack_from(f"{order}2I", content, at)
        if kind >> 16:  # a small element: type and size in four bytes, content in the next four
            yield kind & 0xFFFF, content[at + 4 : at + 4 + (kind >> 16)]
            at += 8
            continue
        element = content[at + 8 : at + 8 + size]
        if len(element) < size:
            raise ValueError("cut off")
        yield kind, element
        at += 8 + size + (0 if kind == COMPRESSED else -size % 8)
