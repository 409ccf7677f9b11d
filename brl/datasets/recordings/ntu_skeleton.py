"""Raw `.skeleton` files of NTU RGB+D."""

import re

import numpy as np

from brl.clips.layout import Layout
from brl.datasets.arrays import as_joints
from brl.datasets.ntu.bodies import choose_bodies
from brl.datasets.ntu.skeleton_file import read_skeleton
from brl.datasets.recordings.recording import Format, Recording
from brl.support.errors import UserError

# The numbers of frames and of the first frame's bodies; then a body, or another frame.
START = re.compile(rb"\s*\d+\s*\n\s*\d+\s*\n\s*\d+[ \d.e+-]*\s*\n")


def matches(recording: Recording) -> bool:
    """Whether the file starts with two counts, or is named .skeleton."""
    return bool(START.match(recording.head)) or recording.path.suffix == ".skeleton"


def read(recording: Recording, layout: Layout) -> np.ndarray:
    """The joints (M, T, 25, 3) in metres; its bodies are chosen as for training."""
    text = recording.path.read_text(errors="replace")
    joints = choose_bodies(read_skeleton(text, recording.where))
    if joints is None:
        raise UserError(f"{recording.where}: no frame shows a body")
    return as_joints(joints, layout, recording.where)


FORMAT = Format("NTU RGB+D (.skeleton)", (".skeleton",), matches, read)
