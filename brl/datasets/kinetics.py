"""Kinetics-400 skeletons (2D): an index pickle, and kpfiles that hold the skeletons.

W. Kay et al., "The Kinetics human action video dataset", 2017; skeletons of PYSKL (HRNet).
An annotation of the index has, in the place of `keypoint`: `raw_file`, its kpfile; `frame_inds`,
the frame of each of its S skeletons; `box_score`, how sure the detector was of each. A kpfile is a
pickle {identifier: {"keypoint": (S, 17, 3)}}.
"""

from functools import partial
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from brl.clips.clip import Clip
from brl.clips.layout import COCO17
from brl.clips.normalize import Normalization, to_image_frame
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
from brl.datasets.source import Dataset, Source
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
SURE = 0.5
MOST_BODIES = 10


def fetch(folder: Path, mirror: str | None) -> None:
    """Puts the index, from its address where the mirror has none, and every kpfile it names into
    `folder`. UserError, before anything is fetched, where there is no folder of kpfiles."""
    local = mirror is not None and not mirror.startswith(("http://", "https://"))
    place = project_root() / mirror if mirror is not None and local else None
    if mirror is None or (place and not (place / KPFILES).is_dir()):
        raise UserError(f"a folder {KPFILES} is missing{BY_HAND}")
    index_here = place is None or (place / INDEX).is_file()
    check = partial(check_annotations, INDEX)
    index = fetch_file(INDEX, ADDRESS, mirror if index_here else None, folder, check=check)
    names = list(_by_kpfile(read_annotations(index)[0]))
    missing = [name for name in names if place and not (place / KPFILES / name).is_file()]
    if missing:
        raise UserError(
            f"{KPFILES}/{missing[0]} is missing ({len(missing)} of {len(names)} kpfiles){BY_HAND}"
        )
    for name in names:
        check = partial(_check_plain, name)
        fetch_file(name, None, f"{mirror.rstrip('/')}/{KPFILES}", folder / KPFILES, check=check)


def open_index(folder: Path) -> Dataset:
    """All clips, kpfile by kpfile; those without a sure skeleton are left out."""
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
    """Skeletons (S, V, 3: x, y, score), each in a frame, as bodies (M, T, V, 3) float32.

    Only skeletons of a box score of 0.5 and more count, and frames with any. A frame's skeletons
    become bodies 0, 1, … in their order; where a frame has more than 10, in all frames in the
    order of their summed scores, and the first 10 are kept. T and M are 0 where none counts.
    frame_inds, box_score (S,).
    """
    sure = box_score >= SURE
    skeletons = keypoint[sure].astype(np.float32)
    _, frame, sizes = np.unique(frame_inds[sure], return_inverse=True, return_counts=True)
    most = sizes.max(initial=0)
    crowded = most > MOST_BODIES
    weight = skeletons[..., 2].sum(axis=1) if crowded else np.zeros(len(frame))
    order = np.lexsort((-weight, frame))  # keeps the order of equals
    body = np.arange(len(frame)) - np.repeat(sizes.cumsum() - sizes, sizes)
    joints = np.zeros((most, len(sizes), *skeletons.shape[1:]), dtype=np.float32)
    joints[body, frame[order]] = skeletons[order]
    return joints[:MOST_BODIES]


def _by_kpfile(annotations: list[Annotation]) -> dict[str, list[Annotation]]:
    """The annotations of each kpfile, by its bare name: no path in a file leads anywhere else."""
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
    load_plain(path, called=name)


def _read(folder: Path, item: tuple[str, list[Annotation]]) -> list[Clip]:
    """The clips of one kpfile."""
    name, annotations = item
    content = load_plain(folder / name)
    clips = []
    for annotation in annotations:
        joints = bodies_of(*_skeletons(name, content, annotation))
        if joints.size:
            joints = to_image_frame(joints, *image_size(INDEX, annotation))
            clips.append(Clip(name_of(annotation), label_of(INDEX, annotation), joints))
    return clips


def _skeletons(
    file: str, content: Any, annotation: Annotation
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """keypoint (S, V, 3), frame_inds (S,), box_score (S,), all of one length."""
    found = content.get(name_of(annotation)) if isinstance(content, dict) else None
    keypoint = found.get("keypoint") if isinstance(found, dict) else None
    shape = ("S", COCO17.num_joints, COCO17.channels)
    keypoint = numbers_of(f"{KPFILES}/{file}", annotation, "keypoint", keypoint, shape)
    frame_inds, box_score = (
        numbers_of(INDEX, annotation, key, annotation.get(key), keypoint.shape[:1])
        for key in ("frame_inds", "box_score")
    )
    return keypoint, frame_inds, box_score


SOURCE = Source(("default",), fetch, open_index)
