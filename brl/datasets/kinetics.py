"""Kinetics-400 skeletons (2D): an index pickle, and kpfiles with the skeletons.

W. Kay et al., "The Kinetics human action video dataset", 2017; skeletons of PYSKL (HRNet).
Instead of `keypoint`, an annotation of the index has `raw_file`, its kpfile; `frame_inds`, the
frame of each of its S skeletons; and `box_score`, the detector's confidence in each. A kpfile is a
pickle {identifier: {"keypoint": (S, 17, 3)}}.
"""

from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from brl.clips.clip import Clip
from brl.clips.layouts import COCO17
from brl.clips.normalize import Normalization
from brl.datasets.annotations import (
    Annotation,
    check_annotations,
    image_size,
    label_of,
    name_of,
    numbers_of,
    read_annotations,
)
from brl.datasets.classes import class_names
from brl.datasets.pickles import load_plain, shown
from brl.datasets.source import Dataset, Source, always
from brl.fetching.fetch import fetch_file
from brl.support.errors import UserError
from brl.support.files import project_root

INDEX = "k400_hrnet.pkl"
KPFILES = "kpfiles"
ADDRESS = f"https://download.openmmlab.com/mmaction/pyskl/data/k400/{INDEX}"
BY_HAND = (
    ": the kpfiles must be fetched by hand, from where PYSKL's tools/data/README.md says; the "
    f"folder that params.yaml names as dataset.mirror must hold them in a folder {KPFILES}"
)
MIN_BOX_SCORE = 0.5
MAX_BODIES = 10


def fetch(folder: Path, mirror: str | None) -> None:
    """Fetches the index and every kpfile that it names into `folder`.

    The index comes from its published address if the mirror lacks it. Raises UserError, before
    anything is fetched, where the mirror has no folder of kpfiles.
    """
    local = mirror is not None and not mirror.startswith(("http://", "https://"))
    local_folder = project_root() / mirror if mirror is not None and local else None
    if mirror is None or (local_folder and not (local_folder / KPFILES).is_dir()):
        raise UserError(f"a folder {KPFILES} is missing{BY_HAND}")
    has_index = local_folder is None or (local_folder / INDEX).is_file()
    check = partial(check_annotations, INDEX)
    index = fetch_file(INDEX, ADDRESS, mirror if has_index else None, folder, check=check)
    names = list(_by_kpfile(read_annotations(index)[0]))
    missing = [
        name for name in names if local_folder and not (local_folder / KPFILES / name).is_file()
    ]
    if missing:
        raise UserError(
            f"{KPFILES}/{missing[0]} is missing ({len(missing)} of {len(names)} kpfiles){BY_HAND}"
        )
    for name in names:
        check = partial(_check_plain, name)
        fetch_file(name, None, f"{mirror.rstrip('/')}/{KPFILES}", folder / KPFILES, check=check)


def open_index(folder: Path) -> Dataset:
    """Opens all clips, kpfile by kpfile. Clips without a confident skeleton are left out."""
    annotations, splits = read_annotations(folder / INDEX)
    return Dataset(
        layout=COCO17,
        classes=class_names("kinetics400"),
        items=list(_by_kpfile(annotations).items()),
        read=partial(_read, folder / KPFILES),
        splits=splits,
        normalization=Normalization("image"),
        parallel=True,
    )


def bodies_of(keypoint: np.ndarray, frame_inds: np.ndarray, box_score: np.ndarray) -> np.ndarray:
    """Arranges the skeletons of a clip as bodies (M, T, V, 3) float32.

    keypoint: (S, V, 3), x, y and score of each joint. frame_inds: (S,), the frame of each skeleton.
    box_score: (S,), the detector's confidence.
    Skeletons with a box score below 0.5, and frames without any other, are dropped. The skeletons
    of a frame become bodies 0, 1, ... in their order. If any frame has more than 10, the skeletons
    of every frame are sorted by their summed joint scores and the first 10 kept. M and T are 0 if
    no skeleton remains.
    """
    confident = box_score >= MIN_BOX_SCORE
    skeletons = keypoint[confident].astype(np.float32)
    _, frame, sizes = np.unique(frame_inds[confident], return_inverse=True, return_counts=True)
    num_bodies = sizes.max(initial=0)
    crowded = num_bodies > MAX_BODIES
    weight = skeletons[..., 2].sum(axis=1) if crowded else np.zeros(len(frame))
    order = np.lexsort((-weight, frame))  # a stable sort
    body = np.arange(len(frame)) - np.repeat(sizes.cumsum() - sizes, sizes)
    joints = np.zeros((num_bodies, len(sizes), *skeletons.shape[1:]), dtype=np.float32)
    joints[body, frame[order]] = skeletons[order]
    return joints[:MAX_BODIES]


def _by_kpfile(annotations: list[Annotation]) -> dict[str, list[Annotation]]:
    """The annotations of each kpfile, by its bare name: a path in the index is never followed."""
    files: dict[str, list[Annotation]] = {}
    for annotation in annotations:
        raw = annotation.get("raw_file")
        name = PureWindowsPath(raw).name if isinstance(raw, str) else ""
        if not name.strip(".") or not name.isprintable():
            raise UserError(
                f"{INDEX}: {name_of(annotation)!r}: raw_file: {shown(repr(raw))[:60]}; must be the "
                "path of its kpfile"
            )
        files.setdefault(name, []).append(annotation)
    return files


def _check_plain(name: str, path: Path) -> None:
    load_plain(path, file_name=name)


def _read(folder: Path, item: tuple[str, list[Annotation]]) -> list[Clip]:
    """The clips of one kpfile."""
    name, annotations = item
    content = load_plain(folder / name)
    clips = []
    for annotation in annotations:
        joints = bodies_of(*_skeletons(name, content, annotation))
        if joints.size:
            size = image_size(INDEX, annotation)
            clips.append(Clip(name_of(annotation), label_of(INDEX, annotation), joints, size))
    return clips


def _skeletons(
    file: str, content: Any, annotation: Annotation
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Checked keypoint (S, V, 3), frame_inds (S,) and box_score (S,) of an annotation."""
    entry = content.get(name_of(annotation)) if isinstance(content, dict) else None
    keypoint = entry.get("keypoint") if isinstance(entry, dict) else None
    shape = ("S", COCO17.num_joints, COCO17.channels)
    keypoint = numbers_of(f"{KPFILES}/{file}", annotation, "keypoint", keypoint, shape)
    frame_inds, box_score = (
        numbers_of(INDEX, annotation, key, annotation.get(key), keypoint.shape[:1])
        for key in ("frame_inds", "box_score")
    )
    return keypoint, frame_inds, box_score


CONTENTS = always(COCO17, class_names("kinetics400"))
SOURCE = Source(("default",), fetch, open_index, CONTENTS)
