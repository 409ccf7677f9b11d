"""Files of arrays whose damage is found when they are read: .safetensors and .npz.

A safetensors file holds in its metadata, as `sha256`, the checksum of all its bytes, with zeros in
the place of the checksum itself. Files without one, published or from before, are read as they are.
An .npz file has a CRC-32 of each array; NumPy alone compares it only if the array's own header does
not claim a smaller array. Large arrays of such a file can be mapped instead of read.
"""

import hashlib
import json
import math
import zipfile
from io import SEEK_CUR, BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from brl.support.errors import Damaged
from brl.support.files import written_whole

NO_CHECKSUM = "0" * 64
MAPPED = 2**26  # bytes of an array from which on it is mapped
LOCAL_HEADER = 30  # bytes of a member's header in a zip file, before its name


def write_safetensors(path: Path, content: bytes) -> None:
    """Writes what `save` of safetensors returns, with its checksum."""
    header, tensors = _split(content)
    header["__metadata__"] = {"sha256": NO_CHECKSUM} | header.get("__metadata__", {})
    # Metadata come first: then the first 64 zeros are the place of the checksum.
    ordered = {"__metadata__": header.pop("__metadata__")} | header
    text = json.dumps(ordered, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the format aligns tensors
    whole = len(text).to_bytes(8, "little") + text + tensors
    checksum = hashlib.sha256(whole).hexdigest()
    with written_whole(path) as unfinished:
        unfinished.write_bytes(whole.replace(NO_CHECKSUM.encode(), checksum.encode(), 1))


def read_safetensors(path: Path) -> tuple[bytes, dict[str, str]]:
    """The bytes of a safetensors file, for `load` of safetensors, and its metadata.

    Raises Damaged where they do not match the checksum, and ValueError for a file of another kind.
    """
    content = path.read_bytes()
    metadata = _split(content)[0].get("__metadata__", {})
    if not isinstance(metadata, dict):
        raise ValueError("the metadata are no table")
    if "sha256" in metadata:
        checksum = str(metadata["sha256"])
        before, _, after = content.partition(checksum.encode())
        whole = hashlib.sha256(before)
        whole.update(NO_CHECKSUM.encode())
        whole.update(after)
        if whole.hexdigest() != checksum:
            raise Damaged(path, "it does not match its checksum")
    return content, metadata


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and tensors of a safetensors file; ValueError where it has no header."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    if not isinstance(header, dict):
        raise ValueError("the header is no table")
    return header, content[end:]


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name; raises Damaged where it is not whole."""
    content = path.read_bytes()
    _check_npz(path, BytesIO(content))
    return arrays_of(content)


def map_npz(path: Path) -> dict[str, np.ndarray]:
    """The same, but an uncompressed array of `MAPPED` bytes or more is a read-only memory map.

    It may not be aligned: NumPy copies what it computes with.
    """
    with path.open("rb") as file:
        members = _check_npz(path, file)
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            return {
                member.filename.removesuffix(".npy"): (
                    _mapped(path, file, member)
                    if member.compress_type == zipfile.ZIP_STORED and member.file_size >= MAPPED
                    else archive[member.filename]
                )
                for member in members
            }


def _check_npz(path: Path, file: BinaryIO) -> list[zipfile.ZipInfo]:
    """The arrays' files in an open .npz file; raises Damaged where they are not whole."""
    try:
        with zipfile.ZipFile(file) as archive:
            whole = archive.testzip() is None
    except Exception as error:  # a damaged file may raise nearly any exception
        raise Damaged(path, "not a whole .npz file") from error
    if not whole:
        raise Damaged(path, "it does not match its checksums")
    return archive.infolist()


def _mapped(path: Path, file: BinaryIO, member: zipfile.ZipInfo) -> np.ndarray:
    """An array of an open .npz file as a memory map; Damaged where its header does not fit it."""
    file.seek(member.header_offset + LOCAL_HEADER - 4)
    name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
    start = file.seek(name + extra, SEEK_CUR)
    version = np.lib.format.read_magic(file)
    first, second = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = (first if version == (1, 0) else second)(file)
    header = file.tell() - start
    if dtype.hasobject or header + math.prod(shape) * dtype.itemsize != member.file_size:
        raise Damaged(path, f"{member.filename}: its header does not fit its size")
    order: Literal["F", "C"] = "F" if by_columns else "C"
    place = start + header
    return np.asarray(np.memmap(path, dtype, mode="r", offset=place, shape=shape, order=order))


def arrays_of(content: bytes) -> dict[str, np.ndarray]:
    """The arrays in the bytes of an .npz file, whose checksums are not compared."""
    with np.load(BytesIO(content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
