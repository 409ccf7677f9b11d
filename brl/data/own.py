"""The user's own data: a folder of arrays or a pickle, described by `dataset.yaml`.

The page for users is docs/own_data.md. The folder holds `dataset.yaml` and either `clips.csv`
with an array file a clip, or one annotation pickle.
"""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from brl.data.annotations import open_annotations
from brl.data.clip import PARTS, Clip, Splits
from brl.data.normalize import center_first_frame, normalize_ntu, to_image_frame, unchanged
from brl.data.own_layout import Description, read_description
from brl.data.source import Dataset, Source
from brl.errors import UserError
from brl.files import project_root, written_whole
from brl.progress import progress

FOLDER = Path("own")
DESCRIPTION_FILE = "dataset.yaml"
CLIPS_FILE = "clips.csv"
Row = dict[str, str]


def fetch(folder: Path, mirror: str | None) -> None:
    """Copies what the description and the list of clips name; checks both first.

    From the project's folder `own`, whose changes DVC notices, or from another one, the mirror.
    """
    if mirror is not None and mirror.startswith(("http://", "https://")):
        raise UserError(f"params.yaml: dataset.mirror: {mirror}: own data must be in a folder")
    source = project_root() / (FOLDER if mirror is None else mirror)
    description = _described(source)
    if (source / CLIPS_FILE).exists():
        rows = read_rows(source / CLIPS_FILE, description)
        files = [CLIPS_FILE, *dict.fromkeys(row["file"] for row in rows)]
    else:
        files = [_pickle(source).name]
    with written_whole(folder) as unfinished:
        for file in progress([DESCRIPTION_FILE, *files], "files", total=len(files) + 1):
            if not (source / file).is_file():
                raise UserError(f"{CLIPS_FILE}: there is no file {file} in {source}")
            (unfinished / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / file, unfinished / file)


def open_own(folder: Path) -> Dataset:
    """The fetched folder as a dataset."""
    description = _described(folder)
    normalize = _normalization(description)
    in_pixels = description.normalize == "image"
    layout, classes = description.skeleton(), tuple(description.classes)
    if not (folder / CLIPS_FILE).exists():
        return open_annotations(_pickle(folder), layout, classes, normalize, in_pixels)
    rows = read_rows(folder / CLIPS_FILE, description)
    return Dataset(
        layout=layout,
        classes=classes,
        items=rows,
        read=partial(read_clip, folder, classes, in_pixels),
        splits=partial(_splits, rows),
        normalize=normalize,
        parallel=True,
    )


def read_rows(path: Path, description: Description) -> list[Row]:
    """The lines of `clips.csv`: name, label, file, width and height where given, and a column
    `split` or `split_NAME` for each split. Raises UserError that names the line."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name}: not a UTF-8 text file") from error
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise UserError(f"{path.name}: not a table ({str(error).strip()})") from error
    needed = ["name", "label"] + ["width", "height"] * (description.normalize == "image")
    missing = [column for column in needed if column not in table]
    splits = [column for column in table if column == "split" or column.startswith("split_")]
    if missing or not splits:
        raise UserError(
            f"{path.name}: no column {(missing or ['split'])[0]!r}; needed: "
            f"{', '.join([*needed, 'split'])}"
        )
    if table.empty:
        raise UserError(f"{path.name}: has no line below its header; must have one a clip")
    if "file" not in table:
        table["file"] = table["name"] + ".npy"
    rows = table.to_dict("records")
    for line, row in enumerate(rows, start=2):
        _check_row(row, splits, f"{path.name}: line {line}", description)
    return rows


def read_clip(folder: Path, classes: tuple[str, ...], in_pixels: bool, row: Row) -> list[Clip]:
    """The clip of a line, pixels brought into the image's frame; UserError where its file is no
    array of joints."""
    name, file = row["name"], row["file"]
    try:
        joints = np.load(folder / file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"clip {name}: {file}: not a whole array file ({error}); must be written by numpy.save"
        ) from error
    if not isinstance(joints, np.ndarray) or joints.dtype.kind not in "fiu":
        raise UserError(f"clip {name}: {file}: must hold one array of numbers")
    if joints.ndim == 3:
        joints = joints[None]
    if joints.ndim != 4:
        raise UserError(
            f"clip {name}: {file}: an array of shape {joints.shape}; must be frames x joints x "
            "channels, or bodies x frames x joints x channels"
        )
    if in_pixels:
        joints = to_image_frame(joints, height=int(row["height"]), width=int(row["width"]))
    return [Clip(name, _label(row["label"], classes), joints)]


def _described(folder: Path) -> Description:
    if not (folder / DESCRIPTION_FILE).is_file():
        raise UserError(
            f"{folder}: holds no {DESCRIPTION_FILE}; own data need it beside {CLIPS_FILE} "
            "or a pickle (docs/own_data.md)"
        )
    return read_description(folder / DESCRIPTION_FILE)


def _pickle(folder: Path) -> Path:
    found = sorted(folder.glob("*.pkl"))
    if len(found) != 1:
        raise UserError(
            f"{folder}: holds no {CLIPS_FILE} and {len(found)} .pkl files; must be {CLIPS_FILE} "
            "or one pickle (docs/own_data.md)"
        )
    return found[0]


def _normalization(description: Description) -> Callable[[np.ndarray], np.ndarray]:
    if description.normalize == "ntu":
        return normalize_ntu
    if description.normalize == "center":
        layout = description.skeleton()
        return partial(_center, layout.dimensions, description.center_joint)
    return unchanged


def _center(dimensions: int, centre: int, joints: np.ndarray) -> np.ndarray:
    """Centres the coordinates; a score stays."""
    centred = center_first_frame(joints[..., :dimensions], centre)
    return np.concatenate([centred, joints[..., dimensions:]], axis=-1)


def _label(text: str, classes: tuple[str, ...]) -> int:
    """A label is a class's name or its number."""
    return classes.index(text) if text in classes else int(text)


def _check_row(row: Row, splits: list[str], where: str, description: Description) -> None:
    if not row["name"]:
        raise UserError(f"{where}: the name is empty")
    classes = description.classes
    if row["label"] not in classes and row["label"] not in map(str, range(len(classes))):
        raise UserError(
            f"{where}: label {row['label']!r}; must be a class of {DESCRIPTION_FILE} or its "
            f"number, 0 to {len(classes) - 1}"
        )
    for split in splits:
        if row[split] not in ("", *PARTS):
            raise UserError(f"{where}: {split} {row[split]!r}; must be train, test or empty")
    way = PurePosixPath(row["file"])
    if way.is_absolute() or ".." in way.parts:
        raise UserError(f"{where}: file {row['file']!r} leads out of the folder")
    if description.normalize == "image":
        for size in ("width", "height"):
            if not row[size].isdecimal() or int(row[size]) == 0:
                raise UserError(f"{where}: {size} {row[size]!r}; must be a number of pixels")


def _splits(rows: list[Row], names: list[str]) -> Splits:
    """Column `split` is the split `default`, `split_NAME` the split NAME; in the lines' order."""
    columns = [column for column in rows[0] if column == "split" or column.startswith("split_")]
    return {
        column.removeprefix("split").removeprefix("_") or "default": {
            part: [row["name"] for row in rows if row[column] == part] for part in PARTS
        }
        for column in columns
    }


SOURCE = Source((), fetch, open_own)
