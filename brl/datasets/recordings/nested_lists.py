"""JSON files with nested lists of joints, at the top level or under `skeletons` (NW-UCLA)."""

import math
from typing import Any

import numpy as np

from brl.clips.layout import Layout
from brl.datasets.arrays import as_joints, check_shape
from brl.datasets.recordings.recording import Format, Recording
from brl.support.errors import UserError

MOST_NUMBERS = 2**26


def matches(recording: Recording) -> bool:
    """Whether a JSON file holds lists of lists, or `skeletons`."""
    content = recording.json
    if isinstance(content, dict):
        return "skeletons" in content
    return isinstance(content, list) and all(isinstance(each, list | None) for each in content)


def read(recording: Recording, layout: Layout) -> np.ndarray:
    """The joints (M, T, V, K); NaN where `null` stands for a number, a joint or a frame."""
    content = recording.json
    nested = content["skeletons"] if isinstance(content, dict) else content
    try:
        shape = _shape(nested)
        check_shape(shape, layout, recording.where)
        if math.prod(shape) > MOST_NUMBERS:  # each null could stand for a frame
            raise UserError(
                f"{recording.where}: an array of shape {shape}; must hold {MOST_NUMBERS} or fewer"
            )
        joints = np.array(_without_null(nested, shape), dtype=np.float64)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise UserError(
            f"{recording.where}: not a recording ({type(error).__name__}: {error}); must be nested "
            "lists of numbers, equally long on each level"
        ) from error
    return as_joints(joints, layout, recording.where)


def _shape(nested: Any) -> tuple[int, ...]:
    """The lengths on each level, as the first lists that are not null have them."""
    if not isinstance(nested, list):
        return ()
    return (len(nested), *max(map(_shape, nested), key=len, default=()))


def _without_null(nested: Any, shape: tuple[int, ...]) -> Any:
    """The lists with NaN in place of each null that is a number, a joint or a frame."""
    if nested is None and len(shape) <= 2:  # a small file of larger ones could fill the memory
        return np.full(shape, np.nan)
    if not isinstance(nested, list):
        return nested
    return [_without_null(each, shape[1:]) for each in nested]


FORMAT = Format("nested lists (.json)", (".json",), matches, read)
