"""Penn Action: 2,326 clips of 13 joints in videos, 15 actions, imbalanced by nature.

W. Zhang, M. Zhu, K. G. Derpanis, "From actemes to action: a strongly-supervised representation for
detailed action understanding", ICCV 2013. Research use. The joints were marked by people, one
person per video. A zip of MATLAB files, `labels/0001.mat`.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np

from brl.clips.clip import Clip, Splits
from brl.clips.layouts import PENN_ACTION13
from brl.clips.normalize import Normalization
from brl.datasets.archives import ClipArchive, member
from brl.datasets.matlab import MatlabFile
from brl.datasets.source import Dataset, Source, always
from brl.support.errors import UserError

FILES = ClipArchive(
    name="penn_action_labels.zip",
    clip_file=re.compile(r"(?:.*/)?(\d{4})\.mat"),
    num_clips=2326,
    address=None,
    by_hand="a zip of the folder labels in the archive Penn_Action of its authors "
    "(http://dreamdragon.github.io/PennAction/)",
)
# Label order is that of the alphabet. In the files, spaces are underscores.
CLASSES = (
    "baseball pitch",
    "baseball swing",
    "bench press",
    "bowl",
    "clean and jerk",
    "golf swing",
    "jump rope",
    "jumping jacks",
    "pullup",
    "pushup",
    "situp",
    "squat",
    "strum guitar",
    "tennis forehand",
    "tennis serve",
)
# A joint that nobody could place was marked in the corner of the image: at (1, 1) before the videos
# were scaled, at up to (1.53, 1.53) after.
CORNER = 2.0


def open_archive(folder: Path) -> Dataset:
    """Opens all clips, sorted by name, in pixels, y down."""
    files = FILES.clip_files(folder)
    return Dataset(
        layout=PENN_ACTION13,
        classes=CLASSES,
        items=files,
        read=partial(_read, folder / FILES.name),
        splits=partial(_splits, folder / FILES.name, files),
        normalization=Normalization("image"),
    )


def _splits(archive: Path, files: list[str], _names: list[str]) -> Splits:
    """The official split, which every file states for its own clip."""
    parts: Splits = {"default": {"train": [], "test": []}}
    for file in files:
        content = _content(archive, file, "train")
        trains = int(content.numbers("train", (1, 1)).item())
        if trains not in (1, -1):
            raise UserError(f"{content.where}: train: {trains}; must be 1 (training) or -1 (test)")
        parts["default"]["train" if trains == 1 else "test"].append(_name(file))
    return parts


def _read(archive: Path, file: str) -> list[Clip]:
    content = _content(archive, file, "action", "x", "y", "visibility", "dimensions")
    action = content.text("action").replace("_", " ")
    if action not in CLASSES:
        raise UserError(f"{content.where}: action: {action!r}; must be one of {', '.join(CLASSES)}")
    x = content.numbers("x", ("frames", 13))
    y, visible = (content.numbers(name, x.shape) for name in ("y", "visibility"))
    height, width, _ = map(float, content.numbers("dimensions", (1, 3))[0])
    if not (0 < height < np.inf and 0 < width < np.inf):
        raise UserError(
            f"{content.where}: dimensions: {height:g} x {width:g}; must be the height and width of "
            "the images in pixels"
        )
    placed = (visible != 0) | (x >= CORNER) | (y >= CORNER)
    joints = np.stack([x, y, visible != 0], axis=-1) * placed[..., None]
    return [Clip(_name(file), CLASSES.index(action), joints[None], (height, width))]


def _content(archive: Path, file: str, *variables: str) -> MatlabFile:
    return MatlabFile.read(member(archive, file), f"{archive.name}: {file}", variables)


def _name(file: str) -> str:
    match = FILES.clip_file.fullmatch(file)
    assert match
    return match[1]


SOURCE = Source(("default",), FILES.fetch, open_archive, always(PENN_ACTION13, CLASSES))
