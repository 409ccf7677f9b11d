"""Tables of landmarks (CSV), as people write what MediaPipe returns.

A line is a frame, with columns for the axes of each joint: nose_x, NOSE_X, x0, x_0, landmark_0_x.
Or a line is a joint of a frame, with the columns frame, landmark, x, y, z, visibility. Or there is
no header, and a line is the flattened array of a frame.
"""

import io
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from brl.clips.layout import Layout
from brl.datasets.arrays import as_joints
from brl.datasets.pickles import shown
from brl.datasets.recordings.joint_names import names_of
from brl.datasets.recordings.people import Skeleton, as_skeleton, bodies_of, frame_numbers
from brl.datasets.recordings.recording import Format, Recording
from brl.support.errors import UserError

SCORES = ("visibility", "vis", "v", "score", "confidence", "conf", "c")
AXES = "|".join(("x", "y", "z", *SCORES))
# The axis is behind the joint or before it, and a digit or a separator is between them.
COLUMN = re.compile(
    rf"(?P<joint>.*\d|.+[ _./:-])(?P<axis>{AXES})|(?P<axis_>{AXES})(?P<joint_>\d+|[ _./:-].+)",
    re.IGNORECASE,
)
FRAMES = ("frame", "frameid", "frameindex", "frameidx", "framenumber", "framenum", "image")
JOINTS = ("landmark", "landmarkid", "landmarkindex", "landmarkname", "joint", "jointid", "keypoint")
PEOPLE = ("person", "personid", "track", "trackid", "body", "bodyid", "hand", "handedness")
THUMB = {"cmc": "1", "mcp": "2", "ip": "3", "tip": "4"}
FINGER = {"mcp": "1", "pip": "2", "dip": "3", "tip": "4"}
MOST_JOINTS = 1000
MEDIAPIPE = (33, 21)  # joints of a body, of a hand


def matches(recording: Recording) -> bool:
    """Whether the first line names columns of joints, or has numbers only in a .csv file."""
    names = _first_line(recording)
    if _are_numbers(names):
        return recording.path.suffix == ".csv"
    return len(_columns(names)) > 1 or {"x", "y"} <= {*map(_plain, names)}


def read(recording: Recording, layout: Layout) -> np.ndarray:
    """The joints (M, T, V, K), in the coordinates of the table; an empty value is not seen.

    Joints are told by the layout's names, or by their numbers, or by their order. Lines are frames
    if there is no column for it; the same frame several times shows several people.
    """
    text = recording.path.read_text(encoding="utf-8-sig", errors="replace")
    names = _first_line(recording)
    header = None if _are_numbers(names) else 0
    try:
        table = pd.read_csv(io.StringIO(text), sep=_separator(text), header=header)
    except ValueError as error:  # so are all errors of pandas' parser
        raise UserError(f"{recording.where}: not valid CSV ({shown(str(error))})") from error
    if header is None:
        return as_joints(as_channels(_numbers(table), layout), layout, recording.where)
    table.columns = names
    if len(_columns(names)) < 2:
        table = _in_columns(table, recording.where)
    values, frames = _values(table, layout, recording.where), _frames(table, recording.where)
    skeletons = [
        Skeleton(frame, as_skeleton(each[:, :-1], each[:, -1], layout, recording.where), who)
        for each, frame, who in zip(values, frames, _people(table), strict=True)
    ]
    return bodies_of(skeletons, {*frames}, recording.where)


def as_channels(joints: np.ndarray, layout: Layout) -> np.ndarray:
    """An array of MediaPipe's joints in the channels of a layout; others as they are.

    joints: (T, V, C) or (M, T, V, C) with x y z, visibility and presence, or flat, (T, V C). The
    last two may be missing; without visibility, the score is 1.
    """
    count = layout.num_joints
    if count not in MEDIAPIPE or joints.dtype.kind not in "fiu":
        return joints
    if joints.ndim == 2 and joints.shape[1] in (3 * count, 4 * count, 5 * count):
        joints = joints.reshape(len(joints), count, -1)
    channels = joints.shape[-1] if joints.ndim in (3, 4) else 0
    if channels == 3 and layout.channels == 4:
        return np.concatenate([joints, np.ones_like(joints[..., :1])], axis=-1)
    if channels in (4, 5) and channels > layout.channels:
        return joints[..., [*range(layout.dimensions), *[3] * layout.scored]]
    return joints


def _in_columns(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """A table with a line per joint, as one with a line per frame and person.

    Its columns are x, y, ... of each joint, such as x_12. Raises UserError where it has no columns
    for frame and joint.
    """
    table = table.rename(columns={name: _plain(name) for name in table.columns})
    keys = [name for name in (*FRAMES, *PEOPLE) if name in table]
    joint = next((name for name in JOINTS if name in table), None)
    if joint is None or not {*keys} & {*FRAMES}:
        raise UserError(f"{where}: x and y of one joint; must have the columns frame and landmark")
    if table[joint].nunique() > MOST_JOINTS:  # a small table could become a large one
        raise UserError(f"{where}: {table[joint].nunique()} joints; must be {MOST_JOINTS} or fewer")
    axes = [name for name in table if name in AXES.split("|")]
    wide = table.pivot_table(index=keys, columns=joint, values=axes, dropna=False, aggfunc="first")
    wide = wide[[(axis, label) for label in table[joint].dropna().unique() for axis in axes]]
    wide.columns = [f"{axis}_{label}" for axis, label in wide.columns]
    return wide.reset_index()


def _values(table: pd.DataFrame, layout: Layout, where: str) -> np.ndarray:
    """Coordinates and score of the layout's joints, (lines, V, D + 1)."""
    columns = _columns(table.columns)
    labels = [*columns]
    values = []
    for place in _arranged(labels, layout, where):
        axes = ["x", "y", "z"][: layout.dimensions]
        of_joint = columns[labels[place]]
        for axis in axes:
            if axis not in of_joint:
                raise UserError(f"{where}: no column {axis} of the joint {shown(labels[place])}")
        joint = [_numbers(table[of_joint[axis]]) for axis in axes]
        score = _numbers(table[of_joint["score"]]) if "score" in of_joint else np.ones(len(table))
        values.append(np.stack([*joint, score], axis=-1))
    return np.stack(values, axis=1)


def _arranged(labels: Sequence[str], layout: Layout, where: str) -> list[int]:
    """For each joint of the layout, which of the table's joints it is.

    Raises UserError where they are others.
    """
    words = [_words(label) for label in labels]
    names = names_of(layout)
    wanted = [_words(name) for name in names]
    if wanted and {*wanted} <= {*words}:
        return [words.index(name) for name in wanted]
    numbers = [re.search(r"\d+$", label) for label in labels]
    numbered = [int(each[0]) for each in numbers if each]
    if len(labels) == layout.num_joints and len({*numbered}) == len(labels):
        return np.argsort(numbered).tolist()
    if len(labels) == layout.num_joints and not wanted:
        return list(range(len(labels)))
    lacking = [name for name, each in zip(names, wanted, strict=True) if each not in words]
    raise UserError(
        f"{where}: columns of {len(labels)} joints, such as {shown(labels[0])!r}; must be "
        f"{layout.num_joints} that are numbered" + f", or named as {lacking[0]!r}" * bool(lacking)
    )


def _frames(table: pd.DataFrame, where: str) -> list[int]:
    """The frame number of each line."""
    name = next((each for each in table if _plain(each) in FRAMES), None)
    if name is None:
        return list(range(len(table)))
    texts = [re.sub(r"\.0+$", "", str(value)) for value in table[name]]
    number = frame_numbers({*texts}, where)
    return [number[text] for text in texts]


def _people(table: pd.DataFrame) -> list[str | None]:
    """Who each line shows; None where no column tells."""
    name = next((each for each in table if _plain(each) in PEOPLE), None)
    return [None] * len(table) if name is None else [str(value) for value in table[name]]


def _columns(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """The columns of joints: for each joint that has x and y, the column of each axis."""
    columns: dict[str, dict[str, str]] = {}
    for name in names:
        if match := COLUMN.fullmatch(name):
            joint, axis = match["joint"] or match["joint_"], match["axis"] or match["axis_"]
            axis = "score" if axis.lower() in SCORES else axis.lower()
            columns.setdefault(joint.strip(" _./:-"), {})[axis] = name
    return {joint: axes for joint, axes in columns.items() if {"x", "y"} <= axes.keys()}


def _first_line(recording: Recording) -> list[str]:
    """The values of the first line of a text file; none of a binary file."""
    if b"\0" in recording.head:
        return []
    text = recording.head.decode("utf-8-sig", errors="replace")
    line = text.partition("\n")[0]
    return [value.strip().strip('"') for value in line.split(_separator(line))]


def _separator(text: str) -> str:
    line = text.partition("\n")[0]
    return max(",;\t", key=line.count)


def _are_numbers(values: Sequence[str]) -> bool:
    try:
        return len([float(value) for value in values]) > 2
    except ValueError:
        return False


def _numbers(values: pd.DataFrame | pd.Series) -> np.ndarray:
    """The numbers of columns, float64; NaN where there is none."""
    columns = values if isinstance(values, pd.Series) else values.stack(future_stack=True)
    return pd.to_numeric(columns, errors="coerce").to_numpy(np.float64).reshape(values.shape)


def _words(joint: str) -> tuple[str, ...]:
    """The words of a joint's name, sorted: LEFT_EYE_INNER is the left inner eye.

    Of a finger's joints, MediaPipe's names are numbered from the palm.
    """
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", joint)]
    finger = THUMB if "thumb" in words else FINGER
    return tuple(sorted(finger.get(word, word) for word in words if word != "finger"))


def _plain(name: str) -> str:
    """A column's name without what differs between spellings: Frame_ID is frameid."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


FORMAT = Format("landmarks of MediaPipe (.csv)", (".csv",), matches, read)
