"""OpenPose: a folder with a JSON file per frame, as `--write_json` writes it.

{"people": [{"pose_keypoints_2d": [x, y, score, ...], "hand_left_keypoints_2d": ..., ...}]}
Z. Cao et al., "OpenPose", arXiv 1812.08008; the format is that of its documentation (output.md).

AlphaPose writes such frames with `--format open`: one by one into its folder `sep-json`, and all of
them into one file, {"0.jpg": frame, ...}. With `--format cmu` a frame is {"bodies": [{"joints": [x,
y, score, ...]}]} (its pPose_nms.py, write_json).
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

FRAME = re.compile(rb'\s*\{(\s*"version"\s*:[^,]*,)?\s*"(people|bodies)"\s*:')
FRAMES = re.compile(rb'\s*\{\s*"[^"]*"\s*:' + FRAME.pattern)
HAND = 21  # joints
HANDS = ("hand_left", "hand_right")
# What may be the joints of a layout, in this order.
WHOLES = (("pose",), ("pose", *HANDS), ("pose", "face", *HANDS))


def matches(recording: Recording) -> bool:
    """Whether it is a frame, frames by name, or a folder whose first JSON file is a frame."""
    if not recording.path.is_dir():
        return bool(FRAME.match(recording.head) or FRAMES.match(recording.head))
    return any(FRAME.match(Recording(file, "").head) for file in _files(recording.path)[:1])


def read(recording: Recording, layout: Layout) -> np.ndarray:
    """The joints (M, T, V, K), in pixels; frames are numbered by the names of files or images.

    With a layout of 21 joints, hands are read: each of a person's hands is a body.
    """
    frames = _frames(recording)
    number = frame_numbers(frames.keys(), recording.where)
    skeletons = []
    for name, frame in frames.items():
        where = recording.where if name == recording.path.name else f"{recording.where}: {name}"
        for person in _people(frame, where):
            who = track_of(person, "person_id")
            for kind, joints in _joints(person, layout, where):
                skeletons.append(Skeleton(number[name], joints, who, kind))
    return bodies_of(skeletons, number.values(), recording.where)


def _frames(recording: Recording) -> dict[str, Any]:
    """The frames by the names of their files, or by those of images in one file."""
    if not recording.path.is_dir():
        is_frame = FRAME.match(recording.head)
        return {recording.path.name: recording.json} if is_frame else recording.json
    files = _files(recording.path)
    return {file.name: Recording(file, f"{recording.where}: {file.name}").json for file in files}


def _people(frame: Any, where: str) -> list[dict[str, Any]]:
    """The people of a frame, with the keys of OpenPose."""
    if isinstance(frame, dict) and "people" in frame:
        return entries(frame["people"], f"{where}: people")
    if isinstance(frame, dict) and "bodies" in frame:
        bodies = entries(frame["bodies"], f"{where}: bodies", "joints")
        return [{"pose_keypoints_2d": body["joints"]} for body in bodies]
    raise UserError(f"{where}: not a frame of OpenPose; must be JSON with `people`")


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


FORMAT = Format("OpenPose (frames)", (".json",), matches, read)
