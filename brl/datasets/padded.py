"""Whole datasets in a few files: all clips of a part in one array, padded to one length.

CTR-GCN (arXiv 2107.12213) writes one `.npz`, such as `NTU60_CS.npz`: `x_train`, `y_train`,
`x_test`, `y_test`. x is (N, T, M*V*C), and y one-hot, (N, classes). ST-GCN (arXiv 1801.07455) and
2s-AGCN (arXiv 1805.07694) write for each part an array `.npy`, (N, C, T, V, M), and a pickle
(names, labels). Frames behind the end of a clip are zero in both.
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from brl.clips.clip import PARTS, Clip, Part, Splits
from brl.clips.layout import Layout
from brl.clips.normalize import Normalization
from brl.datasets.pickles import load_plain
from brl.datasets.recordings.numpy_files import mapped
from brl.datasets.source import Dataset
from brl.datasets.zipped_array import ZippedArray
from brl.support.errors import UserError

NPY_AXES = 5
Item = tuple[Part, int]


@dataclass(frozen=True)
class PaddedPart:
    """The clips of a part, in the order of their rows.

    names, labels  of each clip
    row            number -> joints (M, T, V, K), with the padding
    """

    names: list[str]
    labels: list[int]
    row: Callable[[int], np.ndarray]


def open_padded(
    parts: dict[Part, PaddedPart],
    layout: Layout,
    classes: tuple[str, ...],
    normalization: Normalization,
) -> Dataset:
    """The dataset of two parts, which form the split `default`.

    Clips are read one by one, those without a body are left out. Raises UserError for a
    normalisation of pixels: the files do not tell the size of the images.
    """
    if normalization.kind == "image":
        raise UserError(
            "dataset.yaml: normalize: image: these files do not tell the size of the images; must "
            "be center or none, or clips.csv with width and height"
        )

    def read(item: Item) -> list[Clip]:
        part, number = item
        joints = without_padding(parts[part].row(number))
        if not joints.size:
            return []
        return [Clip(parts[part].names[number], parts[part].labels[number], joints)]

    def splits(names: list[str]) -> Splits:
        usable = set(names)
        return {
            "default": {
                part: [name for name in of.names if name in usable] for part, of in parts.items()
            }
        }

    return Dataset(
        layout=layout,
        classes=classes,
        items=[(part, number) for part, of in parts.items() for number in range(len(of.names))],
        read=read,
        splits=splits,
        normalization=normalization,
    )


def without_padding(joints: np.ndarray) -> np.ndarray:
    """The joints (M, T, V, K) up to the last frame that is not zero."""
    shown = np.flatnonzero(joints.any(axis=(0, 2, 3)))
    return joints[:, : shown[-1] + 1 if len(shown) else 0]


def is_padded(path: Path) -> bool:
    """Whether a file holds many clips in one of these forms; a damaged one does not."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return "x_train.npy" in archive.namelist()
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            return len(np.lib.format.read_array_header_1_0(file)[0]) == NPY_AXES
    except Exception:  # a damaged or another file may raise nearly any exception
        return False


def parts_of_npz(path: Path, layout: Layout, num_classes: int) -> dict[Part, PaddedPart]:
    """Both parts of an `.npz` of CTR-GCN's form; clips are called `train_0`, as it calls them.

    Raises UserError where the file is damaged, has another form, or does not fit the layout.
    """
    return {part: _part_of_npz(path, part, layout, num_classes) for part in PARTS}


def _part_of_npz(path: Path, part: Part, layout: Layout, num_classes: int) -> PaddedPart:
    clips, targets = (ZippedArray(path, f"{array}_{part}") for array in "xy")
    of_body = layout.num_joints * layout.channels
    if len(clips.shape) != 3 or clips.shape[2] % of_body or 0 in clips.shape[1:]:
        raise UserError(
            f"{clips.where}: an array of shape {clips.shape}; must be clips x frames x numbers, of "
            f"which {of_body} are a body: {layout.num_joints} joints x {layout.channels} channels"
        )
    if targets.shape != (clips.shape[0], num_classes):
        raise UserError(
            f"{targets.where}: an array of shape {targets.shape}; must be "
            f"{(clips.shape[0], num_classes)}, a row per clip with 1 at its class"
        )

    def row(number: int) -> np.ndarray:
        bodies = clips[number].reshape(clips.shape[1], -1, layout.num_joints, layout.channels)
        return bodies.swapaxes(0, 1)

    labels = [_label(targets[number], number, targets.where) for number in range(clips.shape[0])]
    return PaddedPart([f"{part}_{number}" for number in range(len(labels))], labels, row)


def _label(target: np.ndarray, number: int, where: str) -> int:
    """The class of a one-hot row (classes,)."""
    marked = np.flatnonzero(target)
    if len(marked) != 1:
        raise UserError(f"{where}: row {number} marks {len(marked)} classes; must be one")
    return int(marked[0])


def part_of_array(array: Path, labels: Path, layout: Layout) -> PaddedPart:
    """A part from an array `.npy` and a pickle (names, labels), as 2s-AGCN writes them.

    The array is mapped, not read. Raises UserError where a file is damaged, has another form, or
    does not fit the layout.
    """
    clips = mapped(array, array.name)
    wanted = (layout.channels, layout.num_joints)
    if clips.dtype.kind not in "fiu" or clips.ndim != NPY_AXES or clips.shape[1:4:2] != wanted:
        raise UserError(
            f"{array.name}: an array of {clips.dtype}, {clips.shape}; must be numbers, clips x "
            f"{layout.channels} channels x frames x {layout.num_joints} joints x bodies"
        )
    names, numbers = _names_and_labels(load_plain(labels), labels.name, len(clips))
    return PaddedPart(names, numbers, lambda number: clips[number].transpose(3, 1, 2, 0))


def _names_and_labels(content: Any, file: str, count: int) -> tuple[list[str], list[int]]:
    """What a label pickle holds for `count` clips."""
    try:
        names, labels = map(list, content)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{file}: must hold two lists, the names and the labels of the clips"
        ) from error
    if not len(names) == len(labels) == count:
        raise UserError(
            f"{file}: {len(names)} names and {len(labels)} labels; must be {count} of each, as the "
            "array has clips"
        )
    for name, label in zip(names, labels, strict=True):
        if not isinstance(name, str) or not isinstance(label, Integral) or isinstance(label, bool):
            raise UserError(
                f"{file}: {name!r:.60}, {label!r:.60}: must be a name and a class number"
            )
    return names, [int(label) for label in labels]
