"""Files of arrays whose damage is found when they are read: .safetensors and .npz.

A safetensors file holds in its metadata, as `sha256`, the checksum of all its bytes, with zeros in
the place of the checksum itself. Files without one, published or from before, are read as they are.
An .npz file has a CRC-32 of each array; NumPy alone compares it only if the array's own header does
not claim a smaller array.
"""

import hashlib
import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from brl.support.errors import Damaged
from brl.support.files import written_whole

NO_CHECKSUM = "0" * 64


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
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            whole = archive.testzip() is None
    except Exception as error:  # a damaged file may raise nearly any exception
        raise Damaged(path, "not a whole .npz file") from error
    if not whole:
        raise Damaged(path, "it does not match its checksums")
    return arrays_of(content)


def arrays_of(content: bytes) -> dict[str, np.ndarray]:
    """The arrays in the bytes of an .npz file, whose checksums are not compared."""
    with np.load(BytesIO(content), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
