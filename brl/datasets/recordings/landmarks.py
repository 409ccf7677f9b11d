"""Tables of landmarks (CSV), as people write what MediaPipe returns.

A line is a frame, with columns for the axes of each joint: nose_x, NOSE_X, x0, x_0, landmark_0_x.
Or a line is a joint of a frame, with the columns frame, landmark, x, y, z, visibility. Or there is
no header, and a line is the flattened array of a frame. A line may show both hands of a person:
left_hand_0_x, right_hand_0_x.
"""

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from brl.clips.layout import Layout
from brl.datasets.arrays import as_joints
from brl.datasets.pickles import shown
from brl.datasets.recordings.hands import JOINTS as JOINTS_OF_HAND
from brl.datasets.recordings.hands import hands_among
from brl.datasets.recordings.joint_names import names_of
from brl.datasets.recordings.people import Skeleton, as_skeleton, bodies_of, frame_numbers
from brl.datasets.recordings.recording import Format, Recording
from brl.support.errors import UserError

if TYPE_CHECKING:  # it takes half a second, and few recordings are tables
    import pandas as pd

SCORES = ("visibility", "vis", "v", "score", "confidence", "conf", "c")
AXES = "|".join(("x", "y", "z", *SCORES))
# The axis is behind the joint or before it, and a digit or a separator is between them.
COLUMN = re.compile(
    rf"(?P<joint>.*\d|.+[ _./:-])(?P<axis>{AXES})|(?P<axis_>{AXES})(?P<joint_>\d+|[ _./:-].+)",
    re.IGNORECASE,
)
FRAMES = ("frame", "frameid", "frameindex", "frameidx", "framenumber", "framenum", "image")
JOINTS = ("landmark", "landmarkid", "landmarkindex", "landmarkname", "joint", "jointid", "keypoint")
PEOPLE = ("person", "personid", "track", "trackid", "body", "bodyid")
HANDS = ("handedness", "hand", "handid", "handindex")  # a side tells more than a number
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
    if there is no column for it; the same frame several times shows several people. With a layout
    of 21 joints, each hand in a line is a body.
    """
    import pandas as pd

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
    frames, people = _frames(table, recording.where), _people(table)
    skeletons = [
        Skeleton(frame, as_skeleton(each[:, :-1], each[:, -1], layout, recording.where), who, hand)
        for hand, values in _values(table, layout, recording.where).items()
        for each, frame, who in zip(values, frames, people, strict=True)
    ]
    return bodies_of(skeletons, {*frames}, recording.where)


def as_channels(joints: np.ndarray, layout: Layout) -> np.ndarray:
    """An array of MediaPipe's joints in the channels of a layout; others as they are.

    joints: (T, V, C) or (M, T, V, C) with x y z, visibility and presence, or flat, (T, V C). The
    last two may be missing; without visibility, the score is 1. Twice the joints of a hand are two
    hands.
    """
    count = layout.num_joints
    if count not in MEDIAPIPE or joints.dtype.kind not in "fiu" or not joints.size:
        return joints
    bodies = 2 if count == JOINTS_OF_HAND and _joints_in(joints) == 2 * count else 1
    if _joints_in(joints) == bodies * count:
        joints = joints.reshape(len(joints), bodies, count, -1).swapaxes(0, 1)
    channels = joints.shape[-1] if joints.ndim in (3, 4) else 0
    if channels == 3 and layout.channels == 4:
        return np.concatenate([joints, np.ones_like(joints[..., :1])], axis=-1)
    if channels in (4, 5) and channels > layout.channels:
        return joints[..., [*range(layout.dimensions), *[3] * layout.scored]]
    return joints


def _joints_in(joints: np.ndarray) -> int:
    """V of an array (T, V, C), or of a flat one, (T, V C), where C is 3, 4 or 5."""
    if joints.ndim == 2:
        counts = (*MEDIAPIPE, 2 * JOINTS_OF_HAND)
        return next((n for n in counts if joints.shape[1] in (3 * n, 4 * n, 5 * n)), 0)
    return joints.shape[1] if joints.ndim == 3 else 0


def _in_columns(table: "pd.DataFrame", where: str) -> "pd.DataFrame":
    """A table with a line per joint, as one with a line per frame and person.

    Its columns are x, y, ... of each joint, such as x_12. Raises UserError where it has no columns
    for frame and joint.
    """
    table = table.rename(columns={name: _plain(name) for name in table.columns})
    keys = [name for name in (*FRAMES, *PEOPLE, *HANDS) if name in table]
    joint = next((name for name in JOINTS if name in table), None)
    if joint is None or not {*keys} & {*FRAMES}:
        raise UserError(f"{where}: x and y of one joint; must have the columns frame and landmark")
    if table[joint].nunique() > MOST_JOINTS:  # a small table could become a large one
        raise UserError(f"{where}: {table[joint].nunique()} joints; must be {MOST_JOINTS} or fewer")
    twice = table[table.duplicated([*keys, joint])]
    if len(twice):
        which = ", ".join(f"{name} {shown(str(twice[name].iloc[0]))}" for name in [*keys, joint])
        raise UserError(
            f"{where}: more than one line for {which}; must have a column such as person or hand "
            "that tells whose joint it is"
        )
    axes = [name for name in table if name in AXES.split("|")]
    wide = table.pivot_table(index=keys, columns=joint, values=axes, dropna=False, aggfunc="first")
    wide = wide[[(axis, label) for label in table[joint].dropna().unique() for axis in axes]]
    wide.columns = [f"{axis}_{label}" for axis, label in wide.columns]
    return wide.reset_index()


def _values(table: "pd.DataFrame", layout: Layout, where: str) -> dict[str, np.ndarray]:
    """Coordinates and scores of the layout's joints, (lines, V, D + 1); those of hands by hand."""
    columns = _columns(table.columns)
    axes = ["x", "y", "z"][: layout.dimensions]

    def joint(label: str) -> np.ndarray:
        for axis in axes:
            if axis not in columns[label]:
                raise UserError(f"{where}: no column {axis} of the joint {shown(label)}")
        names = [columns[label][axis] for axis in (*axes, "score") if axis in columns[label]]
        numbers = [_numbers(table[name]) for name in names]
        return np.stack([*numbers, *[np.ones(len(table))] * (len(axes) + 1 - len(names))], axis=-1)

    return {
        hand: np.stack([joint(label) for label in labels], axis=1)
        for hand, labels in _joints([*columns], layout, where).items()
    }


def _joints(labels: Sequence[str], layout: Layout, where: str) -> dict[str, list[str]]:
    """The table's joints in the order of the layout's; where it shows hands, those of each hand.

    Raises UserError where they are others.
    """
    places = _arranged(labels, layout)
    if places is not None:
        return {"": [labels[place] for place in places]}
    joints = {}
    hands = hands_among([*map(_split, labels)]) if layout.num_joints == JOINTS_OF_HAND else {}
    for hand, words in hands.items():
        of_hand = [labels[place] for place in words]
        places = _arranged([" ".join(each) for each in words.values()], layout)
        if places is None:
            raise _other_joints(of_hand, layout, where)
        joints[hand] = [of_hand[place] for place in places]
    if not joints:
        raise _other_joints(labels, layout, where)
    return joints


def _arranged(labels: Sequence[str], layout: Layout) -> list[int] | None:
    """For each joint of the layout, which of the table's joints it is; None if they are others."""
    words = [_words(label) for label in labels]
    wanted = [_words(name) for name in names_of(layout)]
    if wanted and {*wanted} <= {*words}:
        return [words.index(name) for name in wanted]
    numbers = [re.search(r"\d+$", label) for label in labels]
    numbered = [int(each[0]) for each in numbers if each]
    if len(labels) == layout.num_joints and len({*numbered}) == len(labels):
        return np.argsort(numbered).tolist()
    if len(labels) == layout.num_joints and not wanted:
        return list(range(len(labels)))
    return None


def _other_joints(labels: Sequence[str], layout: Layout, where: str) -> UserError:
    """The error for a table that has other joints than the layout."""
    words = {_words(label) for label in labels}
    lacking = [name for name in names_of(layout) if _words(name) not in words]
    return UserError(
        f"{where}: columns of {len(labels)} joints, such as {shown(labels[0])!r}; must be "
        f"{layout.num_joints} that are numbered"
        + f", or named as {lacking[0]!r}" * bool(lacking)
        + ", for each hand as left_hand_0 and right_hand_0"
        * (layout.num_joints == JOINTS_OF_HAND and len(labels) == 2 * JOINTS_OF_HAND)
    )


def _frames(table: "pd.DataFrame", where: str) -> list[int]:
    """The frame number of each line."""
    name = next((each for each in table if _plain(each) in FRAMES), None)
    if name is None:
        return list(range(len(table)))
    texts = [re.sub(r"\.0+$", "", str(value)) for value in table[name]]
    number = frame_numbers({*texts}, where)
    return [number[text] for text in texts]


def _people(table: "pd.DataFrame") -> list[tuple[str, ...]]:
    """Who each line shows, and which hand; two lines of a frame that say the same are followed."""
    names = {_plain(name): name for name in table}
    told = [next((names[key] for key in keys if key in names), None) for keys in (PEOPLE, HANDS)]
    columns = [table[name].astype(str) for name in told if name is not None]
    return [*zip(*columns, strict=True)] if columns else [()] * len(table)


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


def _numbers(values: "pd.DataFrame | pd.Series") -> np.ndarray:
    """The numbers of columns, float64; NaN where there is none."""
    import pandas as pd

    columns = values if isinstance(values, pd.Series) else values.stack(future_stack=True)
    return pd.to_numeric(columns, errors="coerce").to_numpy(np.float64).reshape(values.shape)


def _words(joint: str) -> tuple[str, ...]:
    """The words of a joint's name, sorted: LEFT_EYE_INNER is the left inner eye.

    Of a finger's joints, MediaPipe's names are numbered from the palm.
    """
    words = _split(joint)
    finger = THUMB if "thumb" in words else FINGER
    return tuple(sorted(finger.get(word, word) for word in words if word != "finger"))


def _split(joint: str) -> list[str]:
    """The words and numbers in a joint's name, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", joint)]


def _plain(name: str) -> str:
    """A column's name without what differs between spellings: Frame_ID is frameid."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


FORMAT = Format("landmarks of MediaPipe (.csv)", (".csv",), matches, read)
