"""COCO keypoint results, as AlphaPose, Ultralytics YOLO, Detectron2 and MMPose write them.

A list with an entry per person and image: {"image_id", "keypoints": [x, y, score, ...], "score"};
AlphaPose adds `idx`, and others `track_id`, where people are followed.
https://cocodataset.org/#format-results
"""

import numpy as np

from brl.clips.layout import Layout
from brl.datasets.recordings.people import (
    Skeleton,
    as_skeleton,
    bodies_of,
    frame_numbers,
    is_likely,
    numbers,
    track_of,
)
from brl.datasets.recordings.recording import Format, Recording, begins_with, entries


def matches(recording: Recording) -> bool:
    """Whether a JSON file is a list of results with images and keypoints."""
    return begins_with(recording.json, "image_id", "keypoints")


def read(recording: Recording, layout: Layout) -> np.ndarray:
    """The joints (M, T, V, K), in pixels; the number in an image's name is its frame.

    Detections with a score below 0.1 are left out. The recording begins with the first image that
    shows somebody.
    """
    results = entries(recording.json, recording.where, "image_id", "keypoints")
    number = frame_numbers({str(each["image_id"]) for each in results}, recording.where)
    skeletons = []
    for place, each in enumerate(results):
        where = f"{recording.where}: result {place}"
        points = numbers(each["keypoints"], f"{where}: keypoints", 3)
        joints = as_skeleton(points[:, :2], points[:, 2], layout, where)
        if is_likely(each, "score"):
            who = track_of(each, "idx", "track_id")
            skeletons.append(Skeleton(number[str(each["image_id"])], joints, who))
    return bodies_of(skeletons, {each.frame for each in skeletons}, recording.where)


FORMAT = Format("COCO results (AlphaPose, YOLO)", (".json",), matches, read)
