"""Reads files of torch.save: a pickle with tensors, whose numbers lie behind it or beside it.

`torch.load(weights_only=True)` runs no code, but a small file can make it take all memory, or
tensors that claim more numbers than there are. Here, all sizes are compared with the file's.
"""

import io
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from brl.support.bounded_pickle import DICT, SET, Admitted, BoundedUnpickler, Refused

MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of files before PyTorch 1.6
DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class _Ignored:
    """Replaces what the notes beside the weights hold: they are not used."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _encode(text: str, encoding: str) -> bytes:
    return text.encode(encoding) if encoding == "latin1" else b""


def _tensor(numbers: Any, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    """A view of a storage (n,), for which nothing is computed or allocated."""
    if not isinstance(numbers, Tensor) or min((offset, *size, *stride)) < 0:
        raise ValueError("not a tensor of a storage")
    count, last = math.prod(size), sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if count > len(numbers) or (count and offset + last >= len(numbers)):
        raise Refused(f"a tensor of {count} numbers has {len(numbers)} in the file")
    return numbers.as_strided(size, stride, offset)


def _parameter(data: Any, *_: Any) -> Any:
    return data


ADMITTED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): DICT,
    ("collections", "Counter"): DICT,
    ("torch._utils", "_rebuild_tensor_v2"): Admitted(_tensor),
    ("torch._utils", "_rebuild_parameter"): Admitted(_parameter),
    ("torch", "Size"): Admitted(tuple),
    ("torch", "device"): Admitted(_Ignored),
    ("_codecs", "encode"): Admitted(_encode),
}
ADMITTED |= {("torch", name): dtype for name, dtype in DTYPES.items()}
ADMITTED |= {("torch", str(dtype).partition(".")[2]): dtype for dtype in DTYPES.values()}
ADMITTED |= {(builtins, "set"): SET for builtins in ("builtins", "__builtin__")}
# NumPy 2 renamed numpy.core to numpy._core.
ADMITTED |= {
    (module, name): Admitted(_Ignored)
    for core in ("numpy.core.multiarray", "numpy._core.multiarray")
    for module, name in (
        (core, "scalar"), (core, "_reconstruct"), ("numpy", "dtype"), ("numpy", "ndarray")
    )
}  # fmt: skip

# The numbers (n,) of a storage, by its key, dtype and n.
Storages = Callable[[str, torch.dtype, int], Tensor]


class _Unpickler(BoundedUnpickler):
    def __init__(self, file: IO[bytes], size: int, storages: Storages | None = None) -> None:
        super().__init__(file, size, ADMITTED)
        self._storages = storages

    def persistent_load(self, identity: Any) -> Tensor:
        """The storage to which the pickle refers."""
        kind, dtype, key, _place, count, *view = identity
        if kind != "storage" or not isinstance(dtype, torch.dtype) or self._storages is None:
            raise ValueError("not a storage")
        if not (isinstance(key, str) and isinstance(count, int) and count >= 0):
            raise ValueError("not a storage")
        numbers = self._storages(key, dtype, count)
        if view and view[0] is not None:  # of old versions: a part of another storage
            _, start, length = view[0]
            return _tensor(numbers, start, (length,), (1,))
        return numbers


def read_torch(path: Path) -> Any:
    """What torch.save wrote: tensors on the CPU, in dictionaries and lists with plain values.

    Raises Refused where the file asks for anything else, or claims more than it holds. A damaged
    file may raise nearly any exception.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        return _from_zip(file, size) if zipfile.is_zipfile(file) else _one_by_one(file, size)


def _from_zip(file: IO[bytes], size: int) -> Any:
    archive = zipfile.ZipFile(file)
    entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise Refused("it is compressed")
    if sum(entry.file_size for entry in entries) > size:
        raise Refused("the sizes of its entries are larger than the file")
    (pickled,) = (entry.filename for entry in entries if entry.filename.endswith("/data.pkl"))
    folder = pickled.removesuffix("/data.pkl")
    if f"{folder}/byteorder" in archive.NameToInfo:
        order = archive.read(f"{folder}/byteorder")
        if order != b"little":
            raise Refused(f"the order {order!r} of bytes")
    known: dict[str, Tensor] = {}

    def storage(key: str, dtype: torch.dtype, count: int) -> Tensor:
        if key not in known:
            known[key] = _numbers(bytearray(archive.read(f"{folder}/data/{key}")), dtype, count)
        return known[key]

    return _Unpickler(io.BytesIO(archive.read(pickled)), size, storage).load()


def _one_by_one(file: IO[bytes], size: int) -> Any:
    """The content of a file as PyTorch before 1.6 wrote it: five pickles, then the storages."""
    file.seek(0)
    if _Unpickler(file, size).load() != MAGIC:
        raise ValueError("not of torch.save")
    for _ in ("version", "machine"):
        _Unpickler(file, size).load()
    known: dict[str, Tensor] = {}

    def storage(key: str, dtype: torch.dtype, count: int) -> Tensor:
        if key not in known:
            if count * dtype.itemsize + sum(each.nbytes for each in known.values()) > size:
                raise Refused("its tensors claim more numbers than the file holds")
            known[key] = torch.empty(count, dtype=dtype)
        return known[key]

    content = _Unpickler(file, size, storage).load()
    for key in _Unpickler(file, size).load():
        count, numbers = int.from_bytes(file.read(8), "little"), known[key]
        if count != len(numbers):
            raise ValueError("a storage of another length")
        numbers.copy_(_numbers(bytearray(file.read(numbers.nbytes)), numbers.dtype, count))
    return content


def _numbers(content: bytearray, dtype: torch.dtype, count: int) -> Tensor:
    if len(content) != count * dtype.itemsize:
        raise Refused(f"a storage of {count} numbers has {len(content)} bytes")
    return torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
