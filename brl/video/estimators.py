"""Pose estimators: people in a frame and where their joints are.

The networks are those of OpenMMLab's model zoo as MMDeploy exports them. The names of the outputs
tell what a network is, and double boxes are suppressed inside it. What goes in and what comes out
is as in MMPose: frames are in blue, green, red; only RTMPose (arXiv 2303.07399) takes red, green,
blue.
"""

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from brl.support.errors import UserError
from brl.video.network import DEVIATION, MEAN, ZOO, Network

LEAST_SCORE = 0.3  # of a box that shows a person, as in MMPose's demonstrations
MARGIN = 1.25  # RTMPose sees a box with a quarter more around it
EXAMPLE_POSE = f"{ZOO}rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504.zip"
EXAMPLE_DETECTOR = f"{ZOO}yolox_m_8xb8-300e_humanart-c2c7a14a.zip"


class Estimator(Protocol):
    """Finds people and their joints.

    num_joints  V, the joints of a person
    """

    num_joints: int

    def people(self, frame: np.ndarray) -> np.ndarray:
        """The people in a frame (height, width, 3): x, y in pixels and score, (P, V, 3) float32.

        A joint that was not seen is all zero.
        """


class Detector:
    """Finds the boxes of people, or of hands: YOLOX or RTMDet.

    Raises UserError where the network is neither. Their outputs are the same: which of the two it
    is, the name of the file or of its folder tells.
    """

    def __init__(self, network: Network) -> None:
        if network.outputs != {"dets", "labels"}:
            raise UserError(
                f"{network.path}: its outputs are {', '.join(sorted(network.outputs))}; those of a "
                f"detector of OpenMMLab are dets, labels, such as {EXAMPLE_DETECTOR}"
            )
        self._network = network
        names = f"{network.path.parent.name}/{network.path.name}".lower()
        self._normalises = "rtmdet" in names
        if not self._normalises and "yolox" not in names:
            raise UserError(
                f"{network.path}: the name of the file or of its folder must contain yolox or "
                "rtmdet, as in the model zoo: they see different colours"
            )

    def boxes(self, frame: np.ndarray) -> np.ndarray:
        """The boxes (P, 4) in a frame, in pixels: x0, y0, x1, y1."""
        picture, scale = self._network.fit(frame)
        if self._normalises:
            picture = (picture - MEAN[::-1]) / DEVIATION[::-1]
        found, labels = self._network(picture, "dets", "labels")
        corners = found[:, :4]
        there = (found[:, 4] >= LEAST_SCORE) & (corners[:, 2:] > corners[:, :2]).all(axis=1)
        return corners[there & (labels == 0)] / scale


class RTMPose:
    """RTMPose, RTMW and DWPose: the joints of one person in a box at a time.

    For each joint, the network gives a score for each column and one for each row of its picture
    (SimCC, arXiv 2107.03332).
    """

    OUTPUTS = ("simcc_x", "simcc_y")

    def __init__(self, network: Network, detector: Detector) -> None:
        self._network, self._detector = network, detector
        self.num_joints = network.shape_of("simcc_x")[0]

    def people(self, frame: np.ndarray) -> np.ndarray:
        """See `Estimator`."""
        people = [self._joints(frame, box) for box in self._detector.boxes(frame)]
        return np.array(people, np.float32).reshape(-1, self.num_joints, 3)

    def _joints(self, frame: np.ndarray, box: np.ndarray) -> np.ndarray:
        """The joints (V, 3) of the person in a box."""
        size = np.array([self._network.width, self._network.height])
        scale = (size / (box[2:] - box[:2])).min() / MARGIN
        start = size / 2 - scale * (box[:2] + box[2:]) / 2  # where the frame's corner is
        matrix = np.column_stack([scale * np.eye(2), start])
        picture = cv2.warpAffine(frame, matrix, (self._network.width, self._network.height))
        axes = self._network((picture[..., ::-1] - MEAN) / DEVIATION, *self.OUTPUTS)
        bins = np.array([scores.shape[1] for scores in axes])
        places = np.stack([scores.argmax(axis=1) for scores in axes], axis=1) * size / bins
        score = np.minimum(*(scores.max(axis=1) for scores in axes))
        joints = np.column_stack([(places - start) / scale, score])
        joints[score <= 0] = 0
        return joints


class RTMO:
    """RTMO (arXiv 2312.07526): all people of a frame at once, without a detector."""

    OUTPUTS = ("dets", "keypoints")

    def __init__(self, network: Network) -> None:
        self._network = network
        self.num_joints = network.shape_of("keypoints")[1]

    def people(self, frame: np.ndarray) -> np.ndarray:
        """See `Estimator`."""
        picture, scale = self._network.fit(frame)
        found, joints = self._network(picture, *self.OUTPUTS)
        people = joints[found[:, 4] >= LEAST_SCORE].astype(np.float32)
        people[..., :2] /= scale
        people[people[..., 2] <= 0] = 0
        return people


def open_estimator(pose: Path | None, detector: Path | None, threads: int) -> Estimator:
    """The pose estimator of one or two files: RTMPose needs a detector, RTMO has none.

    threads: how many cores it uses. Raises UserError where a file is missing or is another network.
    """
    if pose is None:
        raise UserError(
            f"--pose: needs a file of OpenMMLab's model zoo, such as {EXAMPLE_POSE}; "
            "docs/own_data.md names others"
        )
    network = Network(pose, threads)
    if network.outputs == set(RTMO.OUTPUTS):
        if detector is not None:
            raise UserError(f"--detector: {pose} is RTMO, which needs none; leave it out")
        return RTMO(network)
    if network.outputs != set(RTMPose.OUTPUTS):
        raise UserError(
            f"{pose}: its outputs are {', '.join(sorted(network.outputs))}; must be "
            "simcc_x, simcc_y (RTMPose) or dets, keypoints (RTMO)"
        )
    if detector is None:
        raise UserError(
            f"--detector: RTMPose needs one, a file such as {EXAMPLE_DETECTOR}; "
            "docs/own_data.md names others"
        )
    return RTMPose(network, Detector(Network(detector, threads)))
