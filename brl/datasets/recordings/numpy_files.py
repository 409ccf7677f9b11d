"""Arrays written by `numpy.save`."""

import numpy as np

from brl.clips.layout import Layout
from brl.datasets.arrays import as_joints
from brl.datasets.recordings.recording import Format, Recording
from brl.support.errors import UserError

MAGIC = b"\x93NUMPY"


def matches(recording: Recording) -> bool:
    """Whether it is a .npy file, or is named so."""
    return recording.head.startswith(MAGIC) or recording.path.suffix == ".npy"


def read(recording: Recording, layout: Layout) -> np.ndarray:
    """The joints (M, T, V, K), mapped: nothing but the array's shape is read here."""
    try:
        joints = np.load(recording.path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # a damaged file may raise nearly any exception
        if "Python objects" in str(error):
            raise UserError(
                f"{recording.where}: holds Python objects, not numbers; must be one array of "
                "numbers, as numpy.save(file, numpy.array(joints, dtype='float32')) writes it"
            ) from error
        raise UserError(
            f"{recording.where}: not a whole array file ({type(error).__name__}); must be an array "
            "of numbers written by numpy.save"
        ) from error
    return as_joints(joints, layout, recording.where)


FORMAT = Format("an array (.npy)", (".npy",), matches, read)
