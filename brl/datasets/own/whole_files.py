"""Own data in the files of another project: a whole dataset in a few of them, without a list.

Either one annotation pickle, one `.npz` of CTR-GCN's form, or 2s-AGCN's array and label pickle for
each part.
"""

from pathlib import Path

from brl.clips.clip import PARTS, Part
from brl.clips.layout import Layout
from brl.datasets.annotations import open_annotations
from brl.datasets.own.description import Description
from brl.datasets.padded import PaddedPart, open_padded, part_of_array, parts_of_npz
from brl.datasets.source import Dataset
from brl.support.errors import UserError

# Words in the names of a part's files.
PART_WORDS: dict[Part, tuple[str, ...]] = {"train": ("train",), "test": ("test", "val")}


def whole_files(folder: Path) -> list[Path]:
    """The files of a folder that hold its clips.

    One `.pkl`; one `.npz`; or for each part, train first, a `.npy` and a `.pkl`. Raises UserError
    where there are others, or none.
    """
    zipped, arrays, pickles = (
        sorted(folder.glob(f"*{suffix}")) for suffix in (".npz", ".npy", ".pkl")
    )
    if arrays and len(pickles) > 1:
        return [_of_part(part, files, folder) for part in PARTS for files in (arrays, pickles)]
    if len(zipped) + len(pickles) != 1:
        raise UserError(
            f"{folder}: holds no clips.csv, {len(zipped)} .npz, {len(arrays)} .npy and "
            f"{len(pickles)} .pkl files; must be clips.csv, one .pkl, one .npz, or a .npy and a "
            ".pkl for each part (docs/own_data.md)"
        )
    return [*zipped, *pickles]


def _of_part(part: Part, files: list[Path], folder: Path) -> Path:
    """The only file whose name has a word of the part."""
    words = PART_WORDS[part]
    found = [file for file in files if any(word in file.name for word in words)]
    if len(found) != 1:
        raise UserError(
            f"{folder}: {len(found)} {files[0].suffix} files of the part {part} "
            f"({', '.join(file.name for file in found or files)}); must be one, named by "
            f"{' or '.join(words)}"
        )
    return found[0]


def open_whole(folder: Path, description: Description) -> Dataset:
    """The dataset in the files of a folder. Raises UserError where they are wrong."""
    files = whole_files(folder)
    layout, classes = description.skeleton(), tuple(description.classes)
    normalization = description.normalization()
    if files[0].suffix == ".pkl":
        return open_annotations(files[0], layout, classes, normalization)
    parts = _padded_parts(files, layout, len(classes))
    return open_padded(parts, layout, classes, normalization)


def check_whole(folder: Path, description: Description) -> None:
    """Raises UserError where the files of a folder are wrong; a pickle is not read for that."""
    if whole_files(folder)[0].suffix != ".pkl":
        open_whole(folder, description)


def _padded_parts(files: list[Path], layout: Layout, num_classes: int) -> dict[Part, PaddedPart]:
    if len(files) == 1:
        return parts_of_npz(files[0], layout, num_classes)
    pairs = zip(files[::2], files[1::2], strict=True)
    return {
        part: part_of_array(array, labels, layout)
        for part, (array, labels) in zip(PARTS, pairs, strict=True)
    }
