"""A first description and list for a folder of recordings: what `brl data new` writes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path, PurePath

from brl.datasets.own.clip_list import check_file_name
from brl.datasets.own.whole_files import whole_files
from brl.datasets.padded import is_padded
from brl.datasets.recordings.read import find_recordings, format_of
from brl.datasets.recordings.recording import Recording
from brl.inspection.bodies import Bodies, bodies_in
from brl.inspection.names import Labels, in_order, is_class, labels_of, numbered_labels
from brl.inspection.parts import Parts, parts_of
from brl.inspection.told import told
from brl.support.errors import UserError
from brl.support.progress import progress

SAID = "what the files say"


@dataclass(frozen=True)
class Start:
    """What was found in a folder.

    files    paths of the recordings in it
    formats  how many of them each format has
    passed   files that look like recordings and are none
    names    those of the clips, unique
    classes  the different classes, in order
    sizes    width and height of each clip's image; empty texts where they are not told
    listed   whether clips.csv is there already
    """

    files: list[PurePath]
    formats: Counter[str]
    passed: list[Path]
    names: list[str]
    labels: Labels
    classes: list[str]
    parts: Parts
    sizes: list[tuple[str, str]]
    bodies: Bodies
    listed: bool = False


def look_into(folder: Path) -> Start:
    """Finds the recordings in a folder, and what files, names and joints tell.

    Raises UserError where there is none, or where they cannot be one set of own data.
    """
    _refuse_whole(folder)
    recordings, passed, formats, said = [], [], Counter[str](), []
    for path in progress(find_recordings([folder]), "files"):
        recording = Recording(path, str(path))
        if (taken_by := format_of(recording)) is None:
            passed.append(path)
            continue
        recordings.append(path)
        formats[taken_by.name] += 1
        said.append(told(recording))
    if len(recordings) < 2:
        raise UserError(
            f"{folder}: recordings in it: {len(recordings)}; own data need one for each clip"
        )
    files = [path.relative_to(folder) for path in recordings]
    places = _places(files, recordings)
    names = ["_".join(place.parts) for place in places]
    for name, count in Counter(names).items():
        if count > 1:
            same = [str(file) for file, each in zip(files, names, strict=True) if each == name]
            raise UserError(
                f"{folder}: {' and '.join(same[:2])} would both be the clip {name}; rename one"
            )
    labels = _said_labels(said) or labels_of(places)
    for path, name, label in zip(recordings, names, labels.values, strict=True):
        check_file_name(path, name, label)
    parts = _said_parts(said) or parts_of(names, labels.values)
    sizes = [(each.get("width", ""), each.get("height", "")) for each in said]
    bodies = bodies_in(recordings)
    if bodies.frame == "unit":
        sizes = [("1", "1")] * len(names)
    classes = in_order([label for label in labels.values if label])
    return Start(files, formats, passed, names, labels, classes, parts, sizes, bodies)


def _refuse_whole(folder: Path) -> None:
    """Raises UserError where the folder holds a whole dataset in a few files."""
    if not folder.is_dir():
        return
    try:
        files = whole_files(folder)
    except UserError:
        return
    if files[0].suffix == ".pkl" or is_padded(files[0]):
        raise UserError(
            f"{folder}: {files[0].name} holds many clips with their labels; only dataset.yaml must "
            "be written (docs/own_data.md, whole datasets)"
        )


def _places(files: Sequence[PurePath], recordings: Sequence[Path]) -> list[PurePath]:
    """The paths without suffixes and without the folders that all have in common."""
    common = commonpath([file.parent for file in files])
    return [
        (file if path.is_dir() else file.with_suffix("")).relative_to(common or ".")
        for file, path in zip(files, recordings, strict=True)
    ]


def _said_labels(said: Sequence[dict[str, str]]) -> Labels | None:
    """The classes that all files tell; None where they do not."""
    values = [each.get("label", "") for each in said]
    if not all(values) or not is_class(values):
        return None
    if all(value.isdecimal() for value in values):
        return numbered_labels("label", [*map(int, values)], SAID)
    return Labels(values, SAID)


def _said_parts(said: Sequence[dict[str, str]]) -> Parts | None:
    values = [each.get("split", "") for each in said]
    return Parts(values, SAID) if {*values} == {"train", "test"} else None
