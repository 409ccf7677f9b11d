"""Annotation pickles: the format in which PYSKL publishes skeleton datasets.

{"split": {name: [identifiers]}, "annotations": [{"frame_dir" or "filename": identifier, "label",
"keypoint": (M, T, V, C), and in 2D "keypoint_score": (M, T, V), "img_shape": (height, width)}]}
`total_frames`, where given, is T.
"""

from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from brl.clips.clip import Clip, Splits
from brl.clips.layout import Layout
from brl.clips.normalize import Normalization
from brl.datasets.pickles import load_plain, shown
from brl.datasets.ranges import SIZE_RULE, is_size
from brl.datasets.source import Dataset
from brl.support.errors import UserError

Annotation = dict[str, Any]


def open_annotations(
    path: Path,
    layout: Layout,
    classes: tuple[str, ...],
    normalization: Normalization,
) -> Dataset:
    """Opens an annotation pickle as a dataset.

    Raises UserError that names file and clip where the content does not follow the format.
    """
    annotations, splits = read_annotations(path)
    return Dataset(
        layout=layout,
        classes=classes,
        items=annotations,
        read=partial(_read, path.name, layout, normalization.kind == "image"),
        splits=splits,
        normalization=normalization,
    )


def read_annotations(
    path: Path, file_name: str | None = None
) -> tuple[list[Annotation], Callable[[list[str]], Splits]]:
    """All annotations of a pickle, and the function for `Dataset.splits`.

    file_name: the file's name in error messages, by default that of the path.
    Raises UserError where the content does not follow the format.
    """
    file = file_name or path.name
    content = load_plain(path, file_name)
    annotations = _entry(file, content, "annotations", list)
    for number, annotation in enumerate(annotations):
        if not isinstance(annotation, dict) or not isinstance(name_of(annotation), str):
            raise UserError(
                f"{file}: annotation {number}: must be a dictionary with its clip's name, a "
                "string, as frame_dir or filename"
            )
    splits = _paired(file, _entry(file, content, "split", dict))
    return annotations, partial(_usable, {name_of(each) for each in annotations}, splits)


def check_annotations(file_name: str, path: Path) -> None:
    """Raises UserError, naming `file_name`, where the file is not an annotation pickle."""
    read_annotations(path, file_name)


def name_of(annotation: Annotation) -> str:
    """The name of an annotation's clip."""
    name: Any = annotation.get("frame_dir", annotation.get("filename"))
    return name


def label_of(file: str, annotation: Annotation) -> int:
    """The class index, from 0. Raises UserError where it is not an integer."""
    label = annotation.get("label")
    if not isinstance(label, Integral) or isinstance(label, bool):
        raise _wrong(file, annotation, "label", label, "a whole number")
    return int(label)


def image_size(file: str, annotation: Annotation) -> tuple[float, float]:
    """Height and width of the clip's images, in pixels. Raises UserError where they are missing."""
    size: Any = annotation.get("img_shape")
    try:
        height, width = map(float, size)
        possible = is_size(height) and is_size(width)
    except (TypeError, ValueError, OverflowError):
        possible = False
    if not possible:
        raise _wrong(file, annotation, "img_shape", size, f"(height, width) in pixels, {SIZE_RULE}")
    return height, width


def numbers_of(
    file: str, annotation: Annotation, key: str, value: Any, shape: tuple[int | str, ...]
) -> np.ndarray:
    """Returns `value`, the entry `key`, after checking that it is a numeric array of this shape.

    shape: the length of each axis; a letter stands for any length. Raises UserError otherwise.
    """
    fits = (
        isinstance(value, np.ndarray)
        and value.dtype.kind in "iuf"
        and value.ndim == len(shape)
        and all(
            isinstance(wanted, str) or length == wanted
            for length, wanted in zip(value.shape, shape, strict=True)
        )
    )
    if not fits:
        lengths = ", ".join(map(str, shape))
        raise _wrong(file, annotation, key, value, f"an array of numbers, ({lengths})")
    return value


def _read(file: str, layout: Layout, in_pixels: bool, annotation: Annotation) -> list[Clip]:
    """The clip of an annotation, joints (M, T, V, K) float32; none if it has no body or frame."""
    shape = ("M", "T", layout.num_joints, layout.dimensions)
    keypoint = annotation.get("keypoint")
    joints = numbers_of(file, annotation, "keypoint", keypoint, shape).astype(np.float32)
    if not joints.size:
        return []
    _check_frames(file, annotation, joints)
    if layout.scored:
        score = annotation.get("keypoint_score")
        score = numbers_of(file, annotation, "keypoint_score", score, joints.shape[:3])
        joints = np.concatenate([joints, score[..., None]], axis=-1)
    size = image_size(file, annotation) if in_pixels else None
    return [Clip(name_of(annotation), label_of(file, annotation), joints, size)]


def _check_frames(file: str, annotation: Annotation, joints: np.ndarray) -> None:
    """Raises UserError where `total_frames` is given and is not the T of joints (M, T, V, K)."""
    total = annotation.get("total_frames")
    bodies, frames = joints.shape[:2]
    if total is not None and not (isinstance(total, Real) and total == frames):
        wanted = f"{frames}, as keypoint has {bodies} bodies x {frames} frames x joints x channels"
        raise _wrong(file, annotation, "total_frames", total, wanted)


def _wrong(file: str, annotation: Annotation, key: str, value: Any, wanted: str) -> UserError:
    """The error for a wrong entry of an annotation."""
    if value is None:
        actual = "missing"
    elif isinstance(value, np.ndarray):
        actual = f"an array of {value.dtype}, {value.shape}"
    else:
        actual = shown(repr(value))[:60]
    return UserError(f"{file}: {name_of(annotation)!r}: {key}: {actual}; must be {wanted}")


def _entry(file: str, content: Any, key: str, kind: type) -> Any:
    if not isinstance(content, dict) or not isinstance(content.get(key), kind):
        raise UserError(
            f"{file}: not an annotation pickle: must be a dictionary with `annotations`, a list, "
            f"and `split`, a dictionary; {key} is missing or of another type"
        )
    return content[key]


def _paired(file: str, lists: dict[Any, Any]) -> Splits:
    """Pairs the lists of training and test clips into splits.

    `xsub_train` and `xsub_val` form the split `xsub`, `train1` and `test1` form `split1`, `train`
    and `test` form `default`. Where both `test` and `val` exist, `test` is used.
    """
    splits: Splits = {}
    for key, names in lists.items():
        listed = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
        if not isinstance(key, str) or not listed:
            raise UserError(
                f"{file}: split: {shown(repr(key))[:60]}: must be a list of clips' names"
            )
    for key in lists:
        if "train" not in key:
            continue
        partners = [key.replace("train", word) for word in ("test", "val")]
        partner = next((each for each in partners if each in lists), None)
        if partner is None:
            continue
        rest = key.replace("train", "").strip("_")
        name = f"split{rest}" if rest.isdigit() else rest or "default"
        splits[name] = {"train": list(lists[key]), "test": list(lists[partner])}
    if not splits:
        raise UserError(
            f"{file}: split: {list(lists)!r:.60}: needs pairs such as 'train' and 'test'"
        )
    return splits


def _usable(annotated: set[str], splits: Splits, read: list[str]) -> Splits:
    """The splits without the clips that were annotated but gave no clip.

    A name without an annotation stays: it is a mistake, which the store reports.
    """
    unusable = annotated.difference(read)
    return {
        split: {
            part: [name for name in names if name not in unusable] for part, names in parts.items()
        }
        for split, parts in splits.items()
    }
