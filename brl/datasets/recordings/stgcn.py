"""Skeletons of Kinetics as ST-GCN publishes them: a JSON file per clip.

{"data": [{"frame_index": 1, "skeleton": [{"pose": [x, y, ...], "score": [...]}]}], ...}
x and y go from 0 to 1, from edge to edge of the image.
S. Yan et al., "Spatial temporal graph convolutional networks", AAAI 2018.
"""

import numpy as np

from brl.clips.layout import Layout
from brl.datasets.recordings.people import (
    Skeleton,
    as_skeleton,
    bodies_of,
    numbers,
    whole_number,
)
from brl.datasets.recordings.recording import Format, Recording, begins_with, entries


def matches(recording: Recording) -> bool:
    """Whether a JSON file holds `data`, a list of frames with skeletons."""
    content = recording.json
    return isinstance(content, dict) and begins_with(content.get("data"), "skeleton")


def read(recording: Recording, layout: Layout) -> np.ndarray:
    """The joints (M, T, V, K), from 0 to 1; `frame_index` numbers the frames."""
    skeletons, frames = [], []
    content = entries(recording.json["data"], f"{recording.where}: data", "skeleton")
    for place, frame in enumerate(content):
        where = f"{recording.where}: data {place}"
        frames.append(whole_number(frame, "frame_index", place, where))
        for each in entries(frame["skeleton"], f"{where}: skeleton", "pose", "score"):
            pose = numbers(each["pose"], f"{where}: pose", 2)
            score = numbers(each["score"], f"{where}: score")
            skeletons.append(Skeleton(frames[-1], as_skeleton(pose, score, layout, where)))
    return bodies_of(skeletons, frames, recording.where)


FORMAT = Format("Kinetics of ST-GCN", (".json",), matches, read)
