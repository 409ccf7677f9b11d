"""The formats of recordings."""

from brl.datasets.recordings import (
    bvh_file,
    c3d_file,
    coco,
    landmarks,
    matlab_file,
    mmpose,
    nested_lists,
    ntu_skeleton,
    numpy_files,
    openpose,
    stgcn,
)
from brl.datasets.recordings.recording import Format

# The first that matches reads a recording.
FORMATS: tuple[Format, ...] = (
    numpy_files.FORMAT,
    numpy_files.ZIPPED,
    ntu_skeleton.FORMAT,
    bvh_file.FORMAT,
    c3d_file.FORMAT,
    matlab_file.FORMAT,
    openpose.FORMAT,
    coco.FORMAT,
    mmpose.FORMAT,
    stgcn.FORMAT,
    nested_lists.FORMAT,
    landmarks.FORMAT,
)
SUFFIXES = tuple(dict.fromkeys(suffix for each in FORMATS for suffix in each.suffixes))
