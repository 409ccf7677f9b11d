"""The user's own data as a source: a folder of recordings, described by `dataset.yaml`.

The folder holds `dataset.yaml`, and either `clips.csv` with one recording per clip, or a whole
dataset in a few files. The page for users is docs/own_data.md.
"""

import shutil
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from brl.clips.clip import Clip
from brl.clips.layout import Layout
from brl.datasets.own.checked import remembered, state_of
from brl.datasets.own.clip_list import CLIPS_FILE, Row, label_of, read_rows, splits_of
from brl.datasets.own.description import DESCRIPTION_FILE, Description, read_description
from brl.datasets.own.films import check_films, film_of, films_in
from brl.datasets.own.whole_files import check_whole, open_whole, whole_files
from brl.datasets.recordings.read import read_recording
from brl.datasets.source import Contents, Dataset, Listed, Source
from brl.pictures.film import FilmOf, Films
from brl.pictures.form import Form
from brl.support.errors import UserError
from brl.support.files import project_root, written_whole
from brl.support.parallel import in_parallel
from brl.support.paths import OWN
from brl.support.progress import progress

# Own data are read in place from here. The stage `prepare` depends on a list of its files, so that
# changes are noticed. It is relative to the working folder, which DVC has checked, not to the
# project's root.
FOLDER = OWN
NOTE = "Nothing to fetch: the stage `prepare` reads the folder own.\n"


def check(mirror: str | None) -> None:
    """Checks description, list and all recordings, before any stage runs.

    Of arrays only the shapes are read; all cores share the reading of other recordings. Those that
    were right are not read again until they change. Raises UserError for the first mistake.
    """
    folder = _source(mirror)
    description, rows = _described(folder)
    if not rows:
        check_whole(folder, description)
    folder, layout = folder.absolute(), description.skeleton()
    check_row = partial(_check_recording, folder, layout)
    states = {row["file"]: state_of(folder / row["file"]) for row in rows}
    with remembered(folder, layout, states) as right:
        new = [row for row in rows if row["file"] not in right]
        arrays = [row for row in new if row["file"].endswith(".npy")]
        others = [row for row in new if not row["file"].endswith(".npy")]
        checked = chain(map(check_row, arrays), in_parallel(check_row, others))
        for file in progress(checked, "files", total=len(new)):
            right[file] = states[file]


def contents(mirror: str | None) -> Contents:
    """The layout and the classes of `dataset.yaml`. Raises UserError where it is wrong."""
    description = _description(_source(mirror))
    return Contents(description.skeleton(), tuple(description.classes))


def listed(mirror: str | None) -> Listed:
    """The splits and labels in `clips.csv`; nothing of a whole dataset, which is not read here."""
    description, rows = _described(_source(mirror))
    classes = tuple(description.classes)
    labels = {row["name"]: label_of(row, classes) for row in rows}
    return Listed(splits_of(rows, []) if rows else {}, labels.get)


def fetch(folder: Path, mirror: str | None) -> None:
    """Copies the description and the files that it needs from a mirror folder.

    Without a mirror only a note is written: `prepare` then reads the folder `own`. Raises UserError
    where description or list is wrong.
    """
    source = _source(mirror)
    _, rows = _described(source)
    if mirror is None:
        files = []
    elif rows:
        files = [CLIPS_FILE, *dict.fromkeys([row["file"] for row in rows] + films_in(source, rows))]
    else:
        files = [file.name for file in whole_files(source)]
    with written_whole(folder) as unfinished:
        unfinished.mkdir()
        if mirror is None:
            (unfinished / "own.txt").write_text(NOTE, encoding="utf-8")
        else:
            files.append(DESCRIPTION_FILE)
        for file in progress(files, "files"):
            (unfinished / file).parent.mkdir(parents=True, exist_ok=True)
            if (source / file).is_dir():
                shutil.copytree(source / file, unfinished / file, dirs_exist_ok=True)
            else:
                shutil.copyfile(source / file, unfinished / file)


def open_own(folder: Path) -> Dataset:
    """Opens the copy of a mirror, or else the folder `own`, as a dataset."""
    folder = _opened(folder)
    description, rows = _described(folder)
    if not rows:
        return open_whole(folder, description)
    normalization = description.normalization()
    in_pixels = normalization.kind == "image"
    layout, classes = description.skeleton(), tuple(description.classes)
    return Dataset(
        layout=layout,
        classes=classes,
        items=rows,
        read=partial(read_clip, folder.absolute(), layout, classes, in_pixels),
        splits=partial(splits_of, rows),
        normalization=normalization,
        parallel=True,
    )


def films(folder: Path, name: str) -> FilmOf:
    """The films of an input, which `clips.csv` names. Raises UserError where it names none."""
    folder = _opened(folder).absolute()
    description, rows = _with_list(folder, name)
    in_pixels = description.normalize == "image"
    return film_of(folder, rows, name, description.skeleton() if in_pixels else None)


def check_pictures(mirror: str | None, name: str, form: Form) -> None:
    """Raises UserError where `clips.csv` names no film for an input, or one that is not there.

    Also where pictures are to be cropped around bodies, and the joints are not in an image.
    """
    folder = _source(mirror)
    description, rows = _with_list(folder, name)
    check_films(folder, rows, name)
    if form.crop == "bodies" and description.normalize != "image":
        raise UserError(
            f"params.yaml: pictures.{name}.crop: bodies needs joints in the image, with normalize: "
            f"image; {DESCRIPTION_FILE} has {description.normalize}: must be none"
        )


def read_clip(
    folder: Path, layout: Layout, classes: tuple[str, ...], in_pixels: bool, row: Row
) -> list[Clip]:
    """Reads the clip of one row of the list; in_pixels: the row has the size of the image.

    Raises UserError where the file holds no joints of this layout.
    """
    joints = _load(folder, row, layout)
    size = (float(row["height"]), float(row["width"])) if in_pixels else None
    return [Clip(row["name"], label_of(row, classes), joints, size)]


def _load(folder: Path, row: Row, layout: Layout) -> np.ndarray:
    """The joints (M, T, V, K) of a row."""
    return read_recording(folder / row["file"], layout, f"clip {row['name']}: {row['file']}")


def _check_recording(folder: Path, layout: Layout, row: Row) -> str:
    """Reads the recording of a row; returns its file."""
    _load(folder, row, layout)
    return row["file"]


def _source(mirror: str | None) -> Path:
    """The folder of the user's data. Raises UserError where the mirror is a URL."""
    if mirror is None:
        return FOLDER
    if mirror.startswith(("http://", "https://")):
        raise UserError(f"params.yaml: dataset.mirror: {mirror}: own data must be in a folder")
    return project_root() / mirror


def _opened(folder: Path) -> Path:
    """The copy of a mirror, or else the folder `own`."""
    return folder if (folder / DESCRIPTION_FILE).exists() else FOLDER


def _with_list(folder: Path, name: str) -> tuple[Description, list[Row]]:
    """The description and the list of a folder. Raises UserError where it has no list."""
    description, rows = _described(folder)
    if not rows:
        raise UserError(
            f"params.yaml: pictures.{name}: {folder} holds no {CLIPS_FILE}, which names the films "
            "of clips (docs/pictures.md)"
        )
    return description, rows


def _described(folder: Path) -> tuple[Description, list[Row]]:
    """The description and the list of a folder; the list is empty if it has whole files instead.

    Raises UserError where either is missing or wrong.
    """
    description = _description(folder)
    if (folder / CLIPS_FILE).exists():
        return description, read_rows(folder, description)
    whole_files(folder)
    return description, []


def _description(folder: Path) -> Description:
    if not (folder / DESCRIPTION_FILE).is_file():
        raise UserError(
            f"{folder}: holds no {DESCRIPTION_FILE}; own data need it beside {CLIPS_FILE} "
            "or a whole dataset (docs/own_data.md)"
        )
    return read_description(folder / DESCRIPTION_FILE)


SOURCE = Source((), fetch, open_own, contents, listed, check)
FILMS = Films(films, check_pictures)
