"""Predictions of MMPose: a JSON file per video, or per image.

A list of frames {"frame_id", "instances": [{"keypoints": [[x, y], ...], "keypoint_scores"}]}, at
the top level or as `instance_info` beside `meta_info`; of an image, the list of its instances.
"""

from typing import Any

import numpy as np

from brl.clips.layout import Layout
from brl.datasets.recordings.people import (
    Skeleton,
    as_skeleton,
    bodies_of,
    is_likely,
    numbers,
    track_of,
    whole_number,
)
from brl.datasets.recordings.recording import Format, Recording, begins_with, entries

INSTANCE = ("keypoints", "keypoint_scores")


def matches(recording: Recording) -> bool:
    """Whether a JSON file holds frames with instances, or the instances of an image."""
    frames = _frames(recording.json)
    return begins_with(frames, "instances") or begins_with(frames, *INSTANCE)


def read(recording: Recording, layout: Layout) -> np.ndarray:
    """The joints (M, T, V, K), in the coordinates of the estimator.

    Instances with a box score below 0.1 are left out.
    """
    frames = _frames(recording.json)
    if begins_with(frames, *INSTANCE):
        frames = [{"instances": frames}]
    skeletons, shown = [], []
    for place, frame in enumerate(entries(frames, recording.where, "instances")):
        where = f"{recording.where}: frame {place}"
        shown.append(whole_number(frame, "frame_id", place, where))
        for each in entries(frame["instances"], f"{where}: instances", *INSTANCE):
            points = numbers(each["keypoints"], f"{where}: keypoints", layout.dimensions)
            scores = numbers(each["keypoint_scores"], f"{where}: keypoint_scores")
            joints = as_skeleton(points, scores, layout, where)
            if is_likely(each, "bbox_score"):
                skeletons.append(Skeleton(shown[-1], joints, track_of(each, "track_id")))
    return bodies_of(skeletons, shown, recording.where)


def _frames(content: Any) -> Any:
    return content.get("instance_info") if isinstance(content, dict) else content


FORMAT = Format("MMPose predictions", (".json",), matches, read)
