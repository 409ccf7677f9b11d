"""Files of one recording, as pose estimators write them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# What an image shows: for each frame its people, (V, 3) joints each: x, y and score.
Scene = list[list[np.ndarray]]


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def flat(joints: np.ndarray) -> list[float]:
    return joints.ravel().tolist()


def openpose(folder: Path, scene: Scene, key: str = "pose", first: int = 0) -> Path:
    """A folder of frames; `key`: the part that the joints are."""
    for number, people in enumerate(scene, first):
        found = [{"person_id": [-1], f"{key}_keypoints_2d": flat(each)} for each in people]
        name = f"clip_{number:012d}_keypoints.json"
        write_json(folder / name, {"version": 1.3, "people": found})
    return folder


def alphapose_frames(scene: Scene, form: str) -> dict[str, Any]:
    """What AlphaPose writes with `--format open` or `cmu`; images without people are left out."""
    people, joints = {"open": ("people", "pose_keypoints_2d"), "cmu": ("bodies", "joints")}[form]
    return {
        f"{number}.jpg": {"version": "AlphaPose v0.3", people: [{joints: flat(p)} for p in found]}
        for number, found in enumerate(scene)
        if found
    }


def results(people: Scene, tracked: bool = False, score: float = 0.9) -> list[dict[str, Any]]:
    """COCO results; with tracks, as AlphaPose writes them."""
    return [
        {"image_id": f"{number}.jpg", "category_id": 1, "keypoints": flat(joints), "score": score}
        | ({"idx": who} if tracked else {})
        for number, frame in enumerate(people)
        for who, joints in enumerate(frame)
    ]


def instances(people: list[np.ndarray]) -> list[dict[str, Any]]:
    """The people of a frame as MMPose writes them."""
    return [
        {"keypoints": each[:, :2].tolist(), "keypoint_scores": each[:, 2].tolist(), "bbox_score": 1}
        for each in people
    ]


def predictions(scene: Scene) -> dict[str, Any]:
    """A video as MMPose writes it."""
    frames = [{"frame_id": n, "instances": instances(each)} for n, each in enumerate(scene, 1)]
    return {"meta_info": {"dataset_name": "coco"}, "instance_info": frames}


def kinetics(scene: Scene) -> dict[str, Any]:
    """A clip as ST-GCN publishes it."""
    frames = [
        {
            "frame_index": number,
            "skeleton": [
                {"pose": flat(each[:, :2]), "score": each[:, 2].tolist()} for each in people
            ],
        }
        for number, people in enumerate(scene, 1)
    ]
    return {"data": frames, "label": "waving", "label_index": 3}


def table(joints: np.ndarray, names: list[str]) -> pd.DataFrame:
    """A line per frame; joints: (T, V, 4), x y z visibility."""
    columns = [f"{name}_{axis}" for name in names for axis in ("x", "y", "z", "visibility")]
    return pd.DataFrame(joints.reshape(len(joints), -1), columns=columns)


def scored_table(joints: np.ndarray) -> pd.DataFrame:
    """A line per frame; joints: (T, V, 3), x y score."""
    columns = [f"{joint}_{axis}" for joint in range(joints.shape[1]) for axis in ("x", "y", "c")]
    return pd.DataFrame(joints.reshape(len(joints), -1), columns=columns)


def long_table(joints: np.ndarray, names: list[str]) -> pd.DataFrame:
    """A line per joint; joints: (T, V, 4), x y z visibility."""
    rows = [
        (frame, name, *point)
        for frame, pose in enumerate(joints)
        for name, point in zip(names, pose, strict=True)
    ]
    return pd.DataFrame(rows, columns=["frame", "landmark", "x", "y", "z", "visibility"])
