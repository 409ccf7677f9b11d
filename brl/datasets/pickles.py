"""Loads pickles of plain data without running any code in them.

A pickle is a program: it names functions, calls them, and sets the state of the objects that they
return. Here, every name leads to one of the functions below. They build plain arrays, and the
pickle never holds an object of NumPy's own whose state it could still change.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from brl.support.bounded_pickle import DICT, SET, Admitted, BoundedUnpickler, Refused
from brl.support.errors import UserError
from brl.support.text import shown as shown  # as other readers of files show it

PLAIN_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|[SU]\d+")


class _Dtype:
    """A dtype as the pickle describes it.

    It stands in for NumPy's own class, which accepts any size and flags from a pickle unchecked,
    even while arrays already use it.
    """

    __slots__ = ("_code", "_order")

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or not PLAIN_DTYPE.fullmatch(code):
            kind = "object" if str(code).startswith("O") else str(code)
            raise Refused(f"it holds a NumPy {kind} array")
        self._code = code
        self._order = "="

    def __setstate__(self, state: Any) -> None:
        self._order = {"<": "<", ">": ">", "|": "=", "=": "="}[state[1]]

    def numpy(self) -> np.dtype:
        return np.dtype(self._order + self._code)


class _Array(np.ndarray):
    """An array that accepts its state from a pickle only if shape, dtype and bytes agree."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        if self.size:
            raise Refused("it changes an array that it has made")
        _, shape, dtype, fortran, content = state
        checked = _from_bytes(content, dtype, shape, "F" if fortran else "C")
        plain: Any = (1, checked.shape, checked.dtype, bool(fortran), content)
        super().__setstate__(plain)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickles it as an ordinary array, for other processes."""
        return self.view(np.ndarray).__reduce_ex__(protocol)


def _from_bytes(
    content: Any, dtype: Any, shape: Any, order: str, axes: tuple[int, ...] | None = None
) -> np.ndarray:
    # Bytes only: no later instruction of the pickle can free their memory.
    if not isinstance(content, bytes | bytearray) or not isinstance(dtype, _Dtype):
        raise Refused("it holds a NumPy array that is not made of plain bytes")
    flat = np.frombuffer(content, dtype.numpy())
    array = flat.reshape(shape, order="F" if order == "F" else "C")
    return array if axes is None else array.transpose(axes)


def _array(*_: Any) -> np.ndarray:
    return _Array(0)


def _scalar(dtype: Any, content: Any) -> Any:
    return _from_bytes(content, dtype, (), "C")[()]


def _encode(text: Any, encoding: Any) -> bytes:
    if encoding != "latin1":
        raise Refused(f"it asks for the encoding {encoding}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


# The names that pickles of plain data use, over all protocols and versions of NumPy.
ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): "numpy.ndarray",  # only passed on to _reconstruct
    ("numpy", "dtype"): Admitted(_Dtype),
    ("_codecs", "encode"): Admitted(_encode),
    ("collections", "OrderedDict"): DICT,
}
for _core in ("numpy.core", "numpy._core"):
    ADMITTED[f"{_core}.multiarray", "_reconstruct"] = Admitted(_array)
    ADMITTED[f"{_core}.multiarray", "scalar"] = Admitted(_scalar)
    ADMITTED[f"{_core}.numeric", "_frombuffer"] = Admitted(_from_bytes)
for _builtins in ("builtins", "__builtin__"):
    ADMITTED[_builtins, "set"] = SET
    ADMITTED[_builtins, "bytes"] = Admitted(_no_bytes)


def load_plain(path: Path, file_name: str | None = None) -> Any:
    """Loads a pickle of lists, dictionaries, strings, numbers and NumPy arrays.

    Arrays hold numbers or text, never objects or records, and belong to a subclass of ndarray.
    file_name: the file's name in error messages, by default that of the path.
    Raises UserError where the file is damaged, takes far more memory than its size, or asks for
    anything else, which is then named and not executed.
    """
    name = file_name or path.name
    with path.open("rb") as file:
        try:
            return BoundedUnpickler(file, path.stat().st_size, ADMITTED).load()
        except Refused as error:
            raise UserError(
                f"{name}: refused: {shown(str(error))}; a dataset's pickle needs only lists, "
                "dictionaries, strings, numbers and NumPy arrays of these"
            ) from error
        except OSError:
            raise
        except MemoryError as error:
            raise UserError(
                f"{name}: asks for more memory than there is; is it damaged?"
            ) from error
        except Exception as error:  # a damaged pickle may raise nearly any exception
            raise UserError(
                f"{name}: not a whole pickle of Python 3 ({type(error).__name__}: "
                f"{shown(str(error))}); download the file again"
            ) from error
