"""The user's own data: a folder of arrays or a pickle, described by `dataset.yaml`.

The page for users is docs/own_data.md. The folder holds `dataset.yaml` and either `clips.csv`
with an array file a clip, or one annotation pickle.
"""

import shutil
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from brl.clips.clip import Clip
from brl.clips.layout import Layout
from brl.clips.normalize import to_image_frame
from brl.datasets.annotations import open_annotations
from brl.datasets.arrays import read_array
from brl.datasets.own.clip_list import CLIPS_FILE, Row, label_of, read_rows, splits_of
from brl.datasets.own.description import Description, read_description
from brl.datasets.source import Dataset, Source
from brl.support.errors import UserError
from brl.support.files import project_root, written_whole
from brl.support.progress import progress

# Where own data are read in place: a dependency of `prepare`, so their changes are noticed. Of the
# working folder and not of the project's root: what DVC watched is what is read.
FOLDER = Path("own")
DESCRIPTION_FILE = "dataset.yaml"
NOTE = "Nothing to fetch: the stage `prepare` reads the folder own.\n"


def check(mirror: str | None) -> None:
    """All that can be said before any work: description, list, and each array's shape."""
    folder = _source(mirror)
    description, rows = _described(folder)
    layout = description.skeleton()
    for row in progress(rows, "files"):
        _load(folder, row, layout, mapped="r")


def fetch(folder: Path, mirror: str | None) -> None:
    """Copies what a mirror's description and list name; without one leaves a note."""
    source = _source(mirror)
    _, rows = _described(source)
    if mirror is None:
        files = []
    elif rows:
        files = [CLIPS_FILE, *dict.fromkeys(row["file"] for row in rows)]
    else:
        files = [_pickle(source).name]
    with written_whole(folder) as unfinished:
        unfinished.mkdir()
        if mirror is None:
            (unfinished / "own.txt").write_text(NOTE, encoding="utf-8")
        else:
            files.append(DESCRIPTION_FILE)
        for file in progress(files, "files"):
            (unfinished / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, unfinished / file)


def open_own(folder: Path) -> Dataset:
    """The copy of a mirror, or the project's own folder, as a dataset."""
    if not (folder / DESCRIPTION_FILE).exists():
        folder = FOLDER
    description, rows = _described(folder)
    normalization = description.normalization()
    in_pixels = normalization.kind == "image"
    layout, classes = description.skeleton(), tuple(description.classes)
    if not rows:
        return open_annotations(_pickle(folder), layout, classes, normalization)
    return Dataset(
        layout=layout,
        classes=classes,
        items=rows,
        read=partial(read_clip, folder.absolute(), layout, classes, in_pixels),
        splits=partial(splits_of, rows),
        normalization=normalization,
        parallel=True,
    )


def read_clip(
    folder: Path, layout: Layout, classes: tuple[str, ...], in_pixels: bool, row: Row
) -> list[Clip]:
    """The clip of a line, pixels brought into the image's frame; UserError where its file is no
    array of joints."""
    joints = _load(folder, row, layout)
    if in_pixels:
        joints = to_image_frame(joints, height=float(row["height"]), width=float(row["width"]))
    return [Clip(row["name"], label_of(row, classes), joints)]


def _load(folder: Path, row: Row, layout: Layout, mapped: Literal["r"] | None = None) -> np.ndarray:
    """A line's array, (M, T, V, K); mapped: only its shape is read."""
    return read_array(folder / row["file"], layout, f"clip {row['name']}: {row['file']}", mapped)


def _source(mirror: str | None) -> Path:
    if mirror is None:
        return FOLDER
    if mirror.startswith(("http://", "https://")):
        raise UserError(f"params.yaml: dataset.mirror: {mirror}: own data must be in a folder")
    return project_root() / mirror


def _described(folder: Path) -> tuple[Description, list[Row]]:
    """A folder's description, and the lines of its list: none where it holds a pickle instead."""
    if not (folder / DESCRIPTION_FILE).is_file():
        raise UserError(
            f"{folder}: holds no {DESCRIPTION_FILE}; own data need it beside {CLIPS_FILE} "
            "or a pickle (docs/own_data.md)"
        )
    description = read_description(folder / DESCRIPTION_FILE)
    if (folder / CLIPS_FILE).exists():
        return description, read_rows(folder, description)
    _pickle(folder)
    return description, []


def _pickle(folder: Path) -> Path:
    found = sorted(folder.glob("*.pkl"))
    if len(found) != 1:
        raise UserError(
            f"{folder}: holds no {CLIPS_FILE} and {len(found)} .pkl files; must be {CLIPS_FILE} "
            "or one pickle (docs/own_data.md)"
        )
    return found[0]


SOURCE = Source((), fetch, open_own, check)
