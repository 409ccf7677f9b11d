"""BVH, motion capture as a tree of joints and their rotations in each frame.

The format and its terms: M. Meredith and S. Maddock, "Motion capture file formats explained",
University of Sheffield, CS-01-11.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import scipy  # loads its modules where they are used

from brl.clips.layout import Layout
from brl.datasets.arrays import as_joints
from brl.datasets.pickles import shown
from brl.datasets.recordings.joint_names import places_of_joints
from brl.datasets.recordings.recording import Format, Recording
from brl.support.errors import UserError
from brl.support.packages import optional_package

Taken = TypeVar("Taken")


def matches(recording: Recording) -> bool:
    """Whether the file starts with HIERARCHY, or is named .bvh."""
    return recording.head.lstrip().startswith(b"HIERARCHY") or recording.path.suffix == ".bvh"


def read(recording: Recording, layout: Layout) -> np.ndarray:
    """The joints (1, T, V, 3) in the file's own unit, selected by the names of the layout."""
    names, positions = _from_file(recording, joint_positions)
    places = places_of_joints(names, layout, recording.where)
    return as_joints(positions[:, places], layout, recording.where)


def hierarchy(recording: Recording) -> tuple[list[str], list[int]]:
    """The names of all joints, and the number of each one's parent; the root is its own.

    Raises UserError where the file is damaged.
    """

    def names_and_parents(motion: Any) -> tuple[list[str], list[int]]:
        joints = motion.get_joints()
        parents = [joint if joint.parent not in joints else joint.parent for joint in joints]
        return list(map(_name, joints)), list(map(joints.index, parents))

    return _from_file(recording, names_and_parents)


def _from_file(recording: Recording, take: Callable[[Any], Taken]) -> Taken:
    """What a function takes from the file as the package reads it."""
    bvh = optional_package("bvh", recording.where)
    # The package takes no last line without its end.
    text = recording.path.read_text(encoding="utf-8", errors="replace") + "\n"
    try:
        return take(bvh.Bvh(text))
    except Exception as error:  # the package checks nothing: a damaged file may raise any exception
        raise UserError(
            f"{recording.where}: not a whole BVH file ({type(error).__name__}: "
            f"{shown(str(error))}); must be a HIERARCHY, then MOTION with as many frames as it says"
        ) from error


def joint_positions(motion: Any) -> tuple[list[str], np.ndarray]:
    """The names of all joints, and where they are in the world, (T, V, 3).

    motion: a `bvh.Bvh`. A joint turns by its own angles, and then with its parent.
    Raises an exception of any kind where the file is damaged.
    """
    values = np.array(motion.frames, dtype=np.float64)
    joints = motion.get_joints()
    columns = np.cumsum([0, *(len(_channels(joint)) for joint in joints)])
    if values.shape != (motion.nframes, columns[-1]):
        raise ValueError(
            f"numbers of shape {values.shape} for {motion.nframes} frames of {columns[-1]} channels"
        )
    placed: dict[Any, tuple[Any, np.ndarray]] = {}
    for joint, first, end in zip(joints, columns, columns[1:], strict=False):
        rotation, position = _in_parent(joint, values[:, first:end])
        if joint.parent in placed:
            of_parent, origin = placed[joint.parent]
            rotation, position = of_parent * rotation, origin + of_parent.apply(position)
        placed[joint] = rotation, position
    return list(map(_name, joints)), np.stack([position for _, position in placed.values()], axis=1)


def _in_parent(joint: Any, values: np.ndarray) -> tuple[Any, np.ndarray]:
    """Rotation and position (T, 3) of a joint in its parent's frame of reference.

    The first is a `Rotation` of SciPy. values: (T, channels) of this joint. Rotations follow the
    order of the channels, in degrees. A position channel replaces the offset, as in Blender and
    most other programs.
    """
    channels = _channels(joint)
    position = np.tile(np.array(joint["OFFSET"], dtype=np.float64), (len(values), 1))
    for place, axis in enumerate("XYZ"):
        if f"{axis}position" in channels:
            position[:, place] = values[:, channels.index(f"{axis}position")]
    turns = [number for number, name in enumerate(channels) if name.endswith("rotation")]
    if not turns:
        return scipy.spatial.transform.Rotation.identity(len(values)), position
    axes = "".join(channels[number][0] for number in turns)
    rotation = scipy.spatial.transform.Rotation.from_euler(axes, values[:, turns], degrees=True)
    return rotation, position


def _name(joint: Any) -> str:
    return " ".join(joint.value[1:])


def _channels(joint: Any) -> list[str]:
    count, *names = joint["CHANNELS"]
    if int(count) != len(names):
        raise ValueError(f"{count} channels, {len(names)} of them named")
    return names


FORMAT = Format("BVH (.bvh)", (".bvh",), matches, read)
