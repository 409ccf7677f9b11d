"""What stores have beside their rows: meta.json and index.npz, each held by another one.

meta.json has its own checksum and that of index.npz, which has a checksum for each block of rows.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from brl.support.checked import arrays_of
from brl.support.errors import Damaged
from brl.support.files import sha256
from brl.support.json_text import json_text

META, INDEX = "meta.json", "index.npz"


def read_described(folder: Path, of: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The content of a store's meta.json and index.npz; of: what is in the store, for messages.

    Raises UserError where one of them is damaged.
    """
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        whole = _checksum(meta) == meta["checksum"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(folder / META, f"not a whole description of {of}") from error
    if not whole:
        raise Damaged(folder / META, "it does not match its checksum")
    content = (folder / INDEX).read_bytes()
    if hashlib.sha256(content).hexdigest() != meta["index"]:
        raise Damaged(folder / INDEX, f"it does not match its checksum in {META}")
    return meta, arrays_of(content)


def write_meta(folder: Path, meta: dict[str, Any]) -> None:
    """Writes a store's meta.json, once its index.npz is there, with the checksums of both."""
    meta = meta | {"index": sha256(folder / INDEX)}
    text = json_text(meta | {"checksum": _checksum(meta)})
    (folder / META).write_text(text + "\n", encoding="utf-8")


def _checksum(meta: dict[str, Any]) -> str:
    """SHA-256 of all that meta.json says, but the checksum itself."""
    said = {key: value for key, value in meta.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
