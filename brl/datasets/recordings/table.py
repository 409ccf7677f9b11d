"""The formats of recordings."""

from brl.datasets.recordings import nested_lists, ntu_skeleton, numpy_files
from brl.datasets.recordings.recording import Format

# The first that matches reads a recording.
FORMATS: tuple[Format, ...] = (
    numpy_files.FORMAT,
    ntu_skeleton.FORMAT,
    nested_lists.FORMAT,
)
SUFFIXES = tuple(dict.fromkeys(suffix for each in FORMATS for suffix in each.suffixes))
