"""Clips made from videos, by several processes."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import cv2
import joblib
import numpy as np

from brl.datasets.recordings.numpy_files import mapped
from brl.datasets.recordings.people import Skeleton, bodies_of
from brl.support.errors import UserError
from brl.support.files import written_whole
from brl.support.launchers import end_with
from brl.video.estimators import Estimator, open_estimator
from brl.video.videos import Video

# FFmpeg's own words on a damaged video would stand beside the line that names it.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class Made(NamedTuple):
    """What became of a video.

    width, height  of its frames, in pixels
    is_new         False where the clip was there already
    problem        why there is no clip, one line; otherwise empty
    """

    video: Video
    width: int = 0
    height: int = 0
    is_new: bool = False
    problem: str = ""


def make_clips(
    videos: Sequence[Video], folder: Path, pose: Path, detector: Path | None
) -> Iterator[Made]:
    """Writes NAME.npy into the folder for each video; yields what became of it, in their order.

    The files hold x, y in pixels and the score of each joint (M, T, V, 3), float32. Clips that are
    there are not made again. One process per core; if there are fewer videos, each gets more cores.
    """
    cores = joblib.cpu_count()
    processes = min(cores, len(videos))
    networks = (pose.absolute(), detector and detector.absolute(), cores // processes)
    with joblib.Parallel(
        processes, return_as="generator", initializer=end_with, initargs=(os.getpid(),)
    ) as pool:
        yield from pool(
            joblib.delayed(_make_clip)(video, folder.absolute() / f"{video.name}.npy", networks)
            for video in videos
        )


def read_frames(path: Path) -> Iterator[np.ndarray]:
    """The frames of a video, (height, width, 3) uint8 in blue, green, red, turned upright.

    Raises UserError where there is none.
    """
    capture = cv2.VideoCapture(str(path))
    try:
        there, frame = capture.read()
        if not there:
            raise UserError(f"{path}: no frame can be read; must be a video that OpenCV can read")
        while there:
            yield frame
            there, frame = capture.read()
    finally:
        capture.release()


def _make_clip(video: Video, file: Path, networks: tuple[Path, Path | None, int]) -> Made:
    estimator = _estimator(*networks)
    try:
        frames = read_frames(video.path)
        first = next(frames)
        is_new = not file.exists()
        if is_new:
            joints = _bodies(chain([first], frames), estimator, str(video.path))
            content = BytesIO()  # a file of NumPy's own would not say why it cannot be written
            np.save(content, joints)
            with written_whole(file) as unfinished:
                unfinished.write_bytes(content.getbuffer())
        else:
            _check_joints(file, estimator.num_joints)
    except UserError as error:
        return Made(video, problem=str(error))
    height, width = first.shape[:2]
    return Made(video, width, height, is_new)


def _bodies(frames: Iterable[np.ndarray], estimator: Estimator, where: str) -> np.ndarray:
    """The people in the frames, followed over time: (M, T, V, 3) float32."""
    people = [estimator.people(frame) for frame in frames]
    skeletons = [
        Skeleton(number, joints) for number, found in enumerate(people) for joints in found
    ]
    return bodies_of(skeletons, range(len(people)), where)


def _check_joints(file: Path, num_joints: int) -> None:
    """Raises UserError where a clip that is there was not made by such a network."""
    try:
        shape = mapped(file, str(file)).shape
    except UserError as error:
        raise UserError(f"{file}: not an array file; remove it to make it anew") from error
    if shape[2:] != (num_joints, 3):
        raise UserError(
            f"{file}: has the shape {shape}, but the network gives {num_joints} joints; remove it "
            "to make it anew, or choose another folder"
        )


@lru_cache(1)
def _estimator(pose: Path, detector: Path | None, threads: int) -> Estimator:
    """The estimator of this process."""
    cv2.setNumThreads(threads)
    return open_estimator(pose, detector, threads)
