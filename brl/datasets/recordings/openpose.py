"""OpenPose: a folder with a JSON file per frame, as `--write_json` writes it.

{"people": [{"pose_keypoints_2d": [x, y, score, ...], "hand_left_keypoints_2d": ..., ...}]}
Z. Cao et al., "OpenPose", arXiv 1812.08008; the format is that of its documentation (output.md).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from brl.clips.layout import Layout
from brl.datasets.recordings.people import (
    Skeleton,
    as_skeleton,
    bodies_of,
    frame_numbers,
    numbers,
    track_of,
)
from brl.datasets.recordings.recording import Format, Recording, entries
from brl.support.errors import UserError

FRAME = re.compile(rb'\s*\{(\s*"version"\s*:[^,]*,)?\s*"people"\s*:')
HAND = 21  # joints
HANDS = ("hand_left", "hand_right")
# What may be the joints of a layout, in this order.
WHOLES = (("pose",), ("pose", *HANDS), ("pose", "face", *HANDS))


def matches(recording: Recording) -> bool:
    """Whether it is a frame, or a folder whose first JSON file is one."""
    if not recording.path.is_dir():
        return bool(FRAME.match(recording.head))
    return any(FRAME.match(Recording(file, "").head) for file in _files(recording.path)[:1])


def read(recording: Recording, layout: Layout) -> np.ndarray:
    """The joints (M, T, V, K), in pixels; each file is a frame, numbered by its name.

    With a layout of 21 joints, hands are read: each of a person's hands is a body.
    """
    is_folder = recording.path.is_dir()
    files = _files(recording.path) if is_folder else [recording.path]
    number = frame_numbers([file.name for file in files], recording.where)
    skeletons = []
    for file in files:
        where = f"{recording.where}: {file.name}" if is_folder else recording.where
        content = Recording(file, where).json
        if not isinstance(content, dict) or "people" not in content:
            raise UserError(f"{where}: not a frame of OpenPose; must be JSON with `people`")
        for person in entries(content["people"], f"{where}: people"):
            who = track_of(person, "person_id")
            for kind, joints in _joints(person, layout, where):
                skeletons.append(Skeleton(number[file.name], joints, who, kind))
    return bodies_of(skeletons, number.values(), recording.where)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[!.]*.json"))


def _joints(person: dict[str, Any], layout: Layout, where: str) -> Iterator[tuple[str, np.ndarray]]:
    """The joints (V, K) of a person, or of each hand, which is then named."""
    # Without coordinates in 3D, a layout in 3D is refused for those in 2D.
    dimensions = layout.dimensions if person.get("pose_keypoints_3d") else 2

    def part(name: str) -> np.ndarray:
        values = person.get(f"{name}_keypoints_{dimensions}d") or []
        return numbers(values, f"{where}: {name}_keypoints_{dimensions}d", dimensions + 1)

    if layout.num_joints == HAND:
        wholes = [(hand, part(hand)) for hand in HANDS]
        found = [(hand, points) for hand, points in wholes if len(points)]
    else:
        choices = [np.concatenate([part(name) for name in names]) for names in WHOLES]
        fitting = [points for points in choices if len(points) == layout.num_joints]
        found = [("", fitting[0] if fitting else choices[0])]
    for kind, points in found:
        yield kind, as_skeleton(points[:, :-1], points[:, -1], layout, where)


FORMAT = Format("OpenPose (a folder of frames)", (".json",), matches, read)
