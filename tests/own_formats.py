"""Own data in every format that is read: three actions, as programs write them."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.io import savemat

from brl.clips.clip import PARTS
from brl.clips.layout import Layout
from brl.clips.layouts import LAYOUTS
from tests import estimators
from tests.motion_files import BVH_CHANNELS, bvh_text, write_c3d
from tests.moving import moving_body
from tests.ntu_files import scene_of, skeleton_text
from tests.own_data import write_description
from tests.padded_files import Parts, ctrgcn_arrays, write_agcn

CLASSES = ("stand", "walk", "jump")
ACTORS = {"train": range(5), "test": range(5, 8)}
FRAMES = 10
IMAGE = (1920, 1080)
BVH_JOINTS = {
    "layout": None,
    "joints": ["Hips", "Chest", "Left Hand", "RightHand"],
    "parents": ["Hips", "Hips", "Chest", "Chest"],
}
HAND_2D = replace(LAYOUTS["hand21"], dimensions=2, scored=True)


def performed(layout: Layout, label: int, actor: int) -> np.ndarray:
    """An action, (T, V, K): the actor stays in a pose, which stands, goes sideways or hops.

    Bodies and hands are equally large, 1.5 metres or a good 400 pixels.
    """
    draws = np.random.default_rng([label, actor])
    joints = np.repeat(moving_body(layout, actor, frames=1), FRAMES, axis=0)
    size = 1.5 if layout.dimensions == 3 else 450
    places = joints[..., : layout.dimensions]
    middle = places[0].mean(axis=0)
    places[:] = middle + (places - middle) * size / np.ptp(places[0], axis=0).max()
    time = np.arange(FRAMES)
    places[..., 0] += 1.5 * size * (CLASSES[label] == "walk") * time[:, None] / FRAMES
    places[..., 1] += 0.6 * size * (CLASSES[label] == "jump") * np.sin(time)[:, None]
    places += 0.005 * size * draws.normal(size=places.shape)
    return joints


def alone(joints: np.ndarray) -> estimators.Scene:
    return [[pose] for pose in joints]


# A clip: the path without a suffix, and joints (T, V, K); returns what was written.

Write = Callable[[Path, np.ndarray], Path]


def array(path: Path, joints: np.ndarray) -> Path:
    np.save(file := path.with_suffix(".npy"), joints)
    return file


def zipped(path: Path, joints: np.ndarray) -> Path:
    boxes = np.ones((len(joints), 4))
    np.savez_compressed(file := path.with_suffix(".npz"), keypoints=joints, boxes=boxes)
    return file


def as_json(content: Callable[[np.ndarray], Any]) -> Write:
    return lambda path, joints: estimators.write_json(path.with_suffix(".json"), content(joints))


def lists_with_null(joints: np.ndarray) -> Any:
    lists = joints.tolist()
    lists[1][2] = lists[3][4][0] = lists[5] = None
    return lists


def nw_ucla(joints: np.ndarray) -> Any:
    return {"file_name": "a01_s01", "skeletons": joints.tolist(), "label": 1}


def openpose(part: str) -> Write:
    return lambda path, joints: estimators.openpose(path, alone(joints), part)


def landmarks(table: Callable[[np.ndarray], pd.DataFrame], **how: Any) -> Write:
    def write(path: Path, joints: np.ndarray) -> Path:
        table(joints).to_csv(file := path.with_suffix(".csv"), index=False, **how)
        return file

    return write


def named(table: Callable[[np.ndarray, list[str]], pd.DataFrame]) -> Write:
    names = [name.upper().replace(" ", "_") for name in LAYOUTS["mediapipe33"].names]
    return landmarks(lambda joints: table(joints, names))


def flat(joints: np.ndarray) -> np.ndarray:
    return joints.reshape(len(joints), -1)


def matlab(variables: Callable[[np.ndarray], dict[str, np.ndarray]]) -> Write:
    def write(path: Path, joints: np.ndarray) -> Path:
        savemat(file := path.with_suffix(".mat"), variables(joints))
        return file

    return write


def penn_action(joints: np.ndarray) -> dict[str, np.ndarray]:
    visible = np.ones(joints.shape[:2], np.uint8)
    visible[2, 3] = 0
    return {"x": joints[..., 0], "y": joints[..., 1], "visibility": visible}


def ntu(path: Path, joints: np.ndarray) -> Path:
    file = path.with_suffix(".skeleton")
    file.write_text(skeleton_text(scene_of(len(joints), (range(len(joints)), joints))))
    return file


def bvh(path: Path, joints: np.ndarray) -> Path:
    """The hips are where the first joint is."""
    channels = np.zeros((len(joints), BVH_CHANNELS))
    channels[:, :3] = joints[:, 0]
    (file := path.with_suffix(".bvh")).write_text(bvh_text(channels))
    return file


def c3d(path: Path, joints: np.ndarray) -> Path:
    names = [f"Anna:{name}" for name in LAYOUTS["smpl24"].names]
    write_c3d(file := path.with_suffix(".c3d"), 1000 * joints, names)
    return file


# A whole dataset: the folder, and the clips of each part.


def one_npz(folder: Path, parts: Parts) -> None:
    np.savez(folder / "NTU60_CS.npz", **ctrgcn_arrays(parts, len(CLASSES)))


def pyskl(folder: Path, parts: Parts) -> None:
    names = {part: [f"{part}{n}" for n in range(len(parts[part][1]))] for part in PARTS}
    annotations = [
        {"frame_dir": name, "label": label, "total_frames": FRAMES, "keypoint": joints}
        for part in PARTS
        for name, joints, label in zip(names[part], *parts[part], strict=True)
    ]
    (folder / "mine.pkl").write_bytes(pickle.dumps({"split": names, "annotations": annotations}))


@dataclass(frozen=True)
class Own:
    """Own data in a format.

    layout       of the joints that are written
    write        writes a clip
    write_whole  writes all clips in its place
    described    keys of dataset.yaml that do not follow from the layout; None takes one out
    size         width and height of the images, where joints are in them
    """

    layout: Layout
    write: Write = array
    write_whole: Callable[[Path, Parts], None] | None = None
    described: dict[str, Any] = field(default_factory=dict)
    size: tuple[int, int] = IMAGE

    @property
    def description(self) -> dict[str, Any]:
        """The content of dataset.yaml."""
        normalize = (
            {"normalize": "image"} if self.in_image else {"normalize": "center", "center": 0}
        )
        description = {"classes": list(CLASSES), "layout": self.layout.name} | normalize
        changed = description | self.described
        return {key: value for key, value in changed.items() if value is not None}

    @property
    def in_image(self) -> bool:
        """Whether the joints are in an image of `size`."""
        return self.layout.dimensions == 2

    def clip(self, label: int, actor: int) -> np.ndarray:
        """The joints (T, V, K) of an action, as the format has them."""
        joints = performed(self.layout, label, actor)
        return joints / (*IMAGE, 1) if self.size == (1, 1) else joints

    def write_to(self, folder: Path) -> None:
        """Writes clips of all actors, and what describes them."""
        folder.mkdir()
        write_description(folder, self.description)
        if self.write_whole:
            self.write_whole(folder, {part: self._clips_of(part) for part in PARTS})
            return
        rows = []
        for part, actors in ACTORS.items():
            for actor in actors:
                for label, action in enumerate(CLASSES):
                    name = f"{action}_{actor}"
                    self.write(folder / name, self.clip(label, actor))
                    rows.append((name, action, part, *self.size))
        columns = ["name", "label", "split", "width", "height"]
        pd.DataFrame(rows, columns=columns).to_csv(folder / "clips.csv", index=False)

    def _clips_of(self, part: str) -> tuple[list[np.ndarray], list[int]]:
        labels = [label for _ in ACTORS[part] for label in range(len(CLASSES))]
        actors = [actor for actor in ACTORS[part] for _ in CLASSES]
        clips = [self.clip(label, actor)[None] for label, actor in zip(labels, actors, strict=True)]
        return clips, labels


FORMATS = {
    "arrays": Own(LAYOUTS["nw_ucla20"]),
    "arrays with bodies": Own(LAYOUTS["smpl24"], lambda path, joints: array(path, joints[None])),
    "zipped arrays": Own(LAYOUTS["coco17"], zipped),
    "nested lists with null": Own(LAYOUTS["h36m17"], as_json(lists_with_null)),
    "NW-UCLA": Own(LAYOUTS["nw_ucla20"], as_json(nw_ucla)),
    "OpenPose, 18 joints": Own(LAYOUTS["openpose18"], openpose("pose")),
    "OpenPose, 25 joints": Own(LAYOUTS["openpose25"], openpose("pose")),
    "OpenPose, 18 of 25 joints": Own(
        LAYOUTS["openpose25"], openpose("pose"), described={"layout": "openpose18"}
    ),
    "OpenPose, hand": Own(
        HAND_2D, openpose("hand_left"), described={"dimensions": 2, "scored": True}
    ),
    "AlphaPose": Own(
        LAYOUTS["halpe26"], as_json(lambda joints: estimators.results(alone(joints), tracked=True))
    ),
    "COCO results": Own(
        LAYOUTS["coco17"], as_json(lambda joints: estimators.results(alone(joints)))
    ),
    "MMPose": Own(LAYOUTS["coco17"], as_json(lambda joints: estimators.predictions(alone(joints)))),
    "ST-GCN": Own(
        LAYOUTS["openpose18"],
        as_json(lambda joints: estimators.kinetics(alone(joints))),
        size=(1, 1),
    ),
    "MediaPipe, a line per frame": Own(LAYOUTS["mediapipe33"], named(estimators.table)),
    "MediaPipe, a line per joint": Own(LAYOUTS["mediapipe33"], named(estimators.long_table)),
    "MediaPipe, numbers alone": Own(
        LAYOUTS["mediapipe33"],
        landmarks(lambda joints: pd.DataFrame(flat(joints)), header=False),
    ),
    "MediaPipe, flat arrays": Own(
        LAYOUTS["mediapipe33"], lambda path, joints: array(path, flat(joints))
    ),
    "MediaPipe, flat arrays of a hand": Own(
        LAYOUTS["hand21"], lambda path, joints: array(path, flat(joints))
    ),
    "MATLAB": Own(
        LAYOUTS["utd_mhad20"], matlab(lambda joints: {"d_skel": np.moveaxis(joints, 0, -1)})
    ),
    "MATLAB, an array for each axis": Own(LAYOUTS["penn_action13"], matlab(penn_action)),
    "NTU RGB+D": Own(LAYOUTS["ntu25"], ntu, described={"normalize": "ntu", "center": None}),
    "BVH": Own(LAYOUTS["nw_ucla20"], bvh, described=BVH_JOINTS),
    "C3D": Own(LAYOUTS["smpl24"], c3d),
    "CTR-GCN": Own(LAYOUTS["ntu25"], write_whole=one_npz),
    "2s-AGCN": Own(LAYOUTS["ntu25"], write_whole=write_agcn),
    "PYSKL": Own(LAYOUTS["ntu25"], write_whole=pyskl),
}
