"""Annotation pickles: the form in which most skeleton datasets are published.

{"split": {name: [identifiers]}, "annotations": [{"frame_dir" or "filename": identifier, "label",
"keypoint": (M, T, V, C), and in 2D "keypoint_score": (M, T, V), "img_shape": (height, width)}]}
"""

from collections.abc import Callable
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from brl.clips.clip import Clip, Splits
from brl.clips.layout import Layout
from brl.clips.normalize import Normalization, to_image_frame
from brl.datasets.pickles import load_plain, shown
from brl.datasets.source import Dataset
from brl.support.errors import UserError

Annotation = dict[str, Any]


def open_annotations(
    path: Path,
    layout: Layout,
    classes: tuple[str, ...],
    normalization: Normalization,
) -> Dataset:
    """The dataset of one annotation pickle; pixels are brought into the image's frame.

    Raises UserError, naming file and clip, for what is not in the format.
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
    path: Path, called: str | None = None
) -> tuple[list[Annotation], Callable[[list[str]], Splits]]:
    """All annotations of a pickle, and its splits as `Dataset.splits` gives them.

    called: what errors call the file, where that is not its name.
    """
    file = called or path.name
    content = load_plain(path, called)
    annotations = _entry(file, content, "annotations", list)
    for number, annotation in enumerate(annotations):
        if not isinstance(annotation, dict) or not isinstance(name_of(annotation), str):
            raise UserError(
                f"{file}: annotation {number}: must be a dictionary with its clip's name, a "
                "string, as frame_dir or filename"
            )
    splits = _paired(file, _entry(file, content, "split", dict))
    return annotations, partial(_usable, {name_of(each) for each in annotations}, splits)


def check_annotations(called: str, path: Path) -> None:
    """UserError where the file at `path`, that errors call `called`, is no annotation pickle."""
    read_annotations(path, called)


def name_of(annotation: Annotation) -> str:
    """The identifier of an annotation's clip."""
    name: Any = annotation.get("frame_dir", annotation.get("filename"))
    return name


def label_of(file: str, annotation: Annotation) -> int:
    """Class index, from 0; UserError where it is no whole number."""
    label = annotation.get("label")
    if not isinstance(label, Integral) or isinstance(label, bool):
        raise _wrong(file, annotation, "label", label, "a whole number")
    return int(label)


def image_size(file: str, annotation: Annotation) -> tuple[float, float]:
    """Height and width of the clip's images, in pixels."""
    size: Any = annotation.get("img_shape")
    try:
        height, width = map(float, size)
        possible = 0 < height < np.inf and 0 < width < np.inf
    except (TypeError, ValueError):
        possible = False
    if not possible:
        raise _wrong(file, annotation, "img_shape", size, "(height, width) in pixels")
    return height, width


def numbers_of(
    file: str, annotation: Annotation, key: str, value: Any, shape: tuple[int | str, ...]
) -> np.ndarray:
    """`value`, found at `key`, as an array of numbers of this shape; a letter is any length.

    UserError where it is anything else.
    """
    fits = (
        isinstance(value, np.ndarray)
        and value.dtype.kind in "iuf"
        and value.ndim == len(shape)
        and all(
            isinstance(need, str) or length == need
            for length, need in zip(value.shape, shape, strict=True)
        )
    )
    if not fits:
        wanted = ", ".join(map(str, shape))
        raise _wrong(file, annotation, key, value, f"an array of numbers, ({wanted})")
    return value


def _read(file: str, layout: Layout, in_pixels: bool, annotation: Annotation) -> list[Clip]:
    """The clip of an annotation: (M, T, V, K) float32."""
    shape = ("M", "T", layout.num_joints, layout.dimensions)
    keypoint = annotation.get("keypoint")
    joints = numbers_of(file, annotation, "keypoint", keypoint, shape).astype(np.float32)
    if not joints.size:  # no body, or no frame
        return []
    if layout.scored:
        score = annotation.get("keypoint_score")
        score = numbers_of(file, annotation, "keypoint_score", score, joints.shape[:3])
        joints = np.concatenate([joints, score[..., None]], axis=-1)
    if in_pixels:
        joints = to_image_frame(joints, *image_size(file, annotation))
    return [Clip(name_of(annotation), label_of(file, annotation), joints)]


def _wrong(file: str, annotation: Annotation, key: str, value: Any, wanted: str) -> UserError:
    if value is None:
        found = "missing"
    elif isinstance(value, np.ndarray):
        found = f"an array of {value.dtype}, {value.shape}"
    else:
        found = shown(repr(value))[:60]
    return UserError(f"{file}: {name_of(annotation)!r}: {key}: {found}; must be {wanted}")


def _entry(file: str, content: Any, key: str, kind: type) -> Any:
    if not isinstance(content, dict) or not isinstance(content.get(key), kind):
        raise UserError(
            f"{file}: no annotation pickle: must be a dictionary with `annotations`, a list, and "
            f"`split`, a dictionary; {key} is not there or not such a thing"
        )
    return content[key]


def _paired(file: str, lists: dict[Any, Any]) -> Splits:
    """The splits by name: `xsub_train` and `xsub_val` make `xsub`, `train1` and `test1` `split1`,
    `train` and `test` `default`. Where there are both `test` and `val`, `test` is taken."""
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
    """The splits without the clips that could not be used.

    A name that was never annotated stays: it is a mistake, and the store will say so.
    """
    unusable = annotated.difference(read)
    return {
        split: {
            part: [name for name in names if name not in unusable] for part, names in parts.items()
        }
        for split, parts in splits.items()
    }
