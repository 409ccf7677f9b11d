"""What a file says of its clip beside the joints: class, part, size of the image."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from brl.datasets.matlab import MatlabFile
from brl.datasets.recordings import matlab_file
from brl.datasets.recordings.recording import Recording

LABELS = ("label", "action", "class", "activity", "category")
PARTS = {"1": "train", "0": "test", "-1": "test", "train": "train", "test": "test", "val": "test"}


def told(recording: Recording) -> dict[str, str]:
    """Those of label, split, width and height that a JSON or MATLAB file says, as text.

    The class is under `label`, `action`, ...; the part under `train` (1, 0 or -1) or `split`; the
    size of the image under `width` and `height`, or, height first, under `img_shape` in JSON and
    `dimensions` in MATLAB files.
    """
    content = _content(recording)
    words = {
        "label": next((content[key] for key in LABELS if _is_word(content.get(key))), None),
        "split": PARTS.get(str(content.get("train", content.get("split")))),
    }
    size = content.get("img_shape")
    if isinstance(size, list) and len(size) >= 2:
        words["height"], words["width"] = size[:2]
    elif {"width", "height"} <= content.keys():
        words |= {key: content[key] for key in ("width", "height")}
    return {
        key: str(value).strip().removesuffix(".0")
        for key, value in words.items()
        if _is_word(value)
    }


def _content(recording: Recording) -> Mapping[str, Any]:
    """What is in a file, by name: numbers and text as Python has them."""
    if matlab_file.matches(recording):
        content = recording.path.read_bytes()
        variables = MatlabFile.read(content, recording.where, ()).variables
        plain = {name: _plain(value) for name, value in variables.items()}
        return plain | {"img_shape": plain.get("dimensions")}
    content = recording.json
    return content if isinstance(content, dict) else {}


def _plain(value: np.ndarray | str | None) -> Any:
    """A number, a list, or text; of larger arrays nothing."""
    if not isinstance(value, np.ndarray):
        return value
    if value.size == 1:
        return value.item()
    return value.ravel().tolist() if value.size <= 4 else None


def _is_word(value: object) -> bool:
    return isinstance(value, int | float | str) and value != ""
