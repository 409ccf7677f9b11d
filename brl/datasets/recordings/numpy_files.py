"""Arrays written by `numpy.save`, `numpy.savez` and `numpy.savez_compressed`."""

import zipfile
from pathlib import Path

import numpy as np

from brl.clips.layout import Layout
from brl.datasets.archives import check_methods
from brl.datasets.arrays import as_joints
from brl.datasets.pickles import shown
from brl.datasets.recordings.landmarks import as_channels
from brl.datasets.recordings.recording import Format, Recording
from brl.support.errors import UserError, is_of_disk

MAGIC, ZIP = b"\x93NUMPY", b"PK\x03\x04"
LARGEST = 2**30  # bytes of an unpacked array: a small file could ask for all memory


def matches(recording: Recording) -> bool:
    """Whether it is a .npy file, or is named so and no zip."""
    named = recording.path.suffix == ".npy" and not recording.head.startswith(ZIP)
    return recording.head.startswith(MAGIC) or named


def read(recording: Recording, layout: Layout) -> np.ndarray:
    """The joints (M, T, V, K), mapped: nothing but the array's shape is read here."""
    return _joints(mapped(recording.path, recording.where), layout, recording.where)


def mapped(path: Path, where: str) -> np.ndarray:
    """The array of a .npy file, mapped. Raises UserError where the file is damaged."""
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged file may raise nearly any exception
        if is_of_disk(error):
            raise
        raise _damaged(where, error) from error


def matches_zipped(recording: Recording) -> bool:
    """Whether it is a zip of .npy files."""
    if not recording.head.startswith(ZIP):
        return recording.path.suffix == ".npz"
    try:
        with zipfile.ZipFile(recording.path) as archive:
            return all(name.endswith(".npy") for name in archive.namelist())
    except zipfile.BadZipFile:
        return recording.path.suffix == ".npz"


def read_zipped(recording: Recording, layout: Layout) -> np.ndarray:
    """The joints (M, T, V, K) of the only array, or of the only one that fits the layout."""
    where = recording.where
    try:
        with np.load(recording.path, allow_pickle=False) as held:
            check_methods(held.zip, where)
            size = sum(info.file_size for info in held.zip.infolist())
            arrays = {name: held[name] for name in held.files} if size <= LARGEST else {}
    except UserError:
        raise
    except Exception as error:  # a damaged file may raise nearly any exception
        if is_of_disk(error):
            raise
        raise _damaged(where, error) from error
    if size > LARGEST:
        raise UserError(f"{where}: arrays of {size} bytes; must be {LARGEST} or fewer")
    if len(arrays) == 1:
        return _joints(arrays.popitem()[1], layout, where)
    ends = {name: array.shape[-2:] for name, array in arrays.items()}
    fitting = [name for name, end in ends.items() if end == (layout.num_joints, layout.channels)]
    if len(fitting) != 1:
        shapes = ", ".join(f"{shown(name)} {array.shape}" for name, array in arrays.items())
        raise UserError(
            f"{where}: {len(arrays)} arrays ({shapes[:200]}); must be one of joints of the layout "
            f"{layout.name}"
        )
    return _joints(arrays[fitting[0]], layout, where)


def _joints(array: np.ndarray, layout: Layout, where: str) -> np.ndarray:
    return as_joints(as_channels(array, layout), layout, where)


def _damaged(where: str, error: Exception) -> UserError:
    # Of text, NumPy says that it is a pickle.
    if "Python objects" in str(error) or "Object arrays" in str(error):
        return UserError(
            f"{where}: holds Python objects, not numbers; must be one array of numbers, as "
            "numpy.save(file, numpy.array(joints, dtype='float32')) writes it"
        )
    return UserError(
        f"{where}: not a whole array file ({type(error).__name__}); must be an array of numbers "
        "written by numpy.save"
    )


FORMAT = Format("an array (.npy)", (".npy",), matches, read)
ZIPPED = Format("arrays (.npz)", (".npz",), matches_zipped, read_zipped)
