"""UTD-MHAD: 861 clips of 20 joints, 27 actions, 8 subjects, in front of one Kinect.

C. Chen et al., "UTD-MHAD: a multimodal dataset for human action recognition utilizing a depth
camera and a wearable inertial sensor", ICIP 2015. Research use.
One zip of MATLAB files, `a1_s1_t1_skeleton.mat`: action, subject, trial.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np

from brl.clips.clip import Clip
from brl.clips.layouts import UTD_MHAD20
from brl.clips.normalize import Normalization
from brl.datasets.archives import ClipArchive, member
from brl.datasets.matlab import MatlabFile
from brl.datasets.source import Dataset, Source, always
from brl.datasets.subjects import odd_subjects_train

FILES = ClipArchive(
    name="utd_mhad_skeleton.zip",
    clip_file=re.compile(r"(?:.*/)?(a(\d{1,2})_s[1-8]_t\d)_skeleton\.mat"),
    num_clips=861,
    address="http://www.utdallas.edu/~kehtar/UTD-MAD/Skeleton.zip",
)
SPINE = 2
CLASSES = (
    "swipe left",
    "swipe right",
    "wave",
    "clap",
    "throw",
    "cross arms",
    "basketball shoot",
    "draw x",
    "draw circle clockwise",
    "draw circle counter-clockwise",
    "draw triangle",
    "bowling",
    "boxing",
    "baseball swing",
    "tennis swing",
    "arm curl",
    "tennis serve",
    "push",
    "knock",
    "catch",
    "pick up and throw",
    "jog",
    "walk",
    "stand up",
    "sit down",
    "lunge",
    "squat",
)


def open_archive(folder: Path) -> Dataset:
    """Opens all clips, sorted by name, in the sensor's coordinates.

    They are in metres: x to the subject's right, y up, z away from the camera.
    """
    return Dataset(
        layout=UTD_MHAD20,
        classes=CLASSES,
        items=FILES.clip_files(folder),
        read=partial(_read, folder / FILES.name),
        splits=odd_subjects_train,
        normalization=Normalization("center", SPINE),
    )


def _read(archive: Path, file: str) -> list[Clip]:
    match = FILES.clip_file.fullmatch(file)
    assert match
    content = MatlabFile.read(member(archive, file), f"{archive.name}: {file}", ("d_skel",))
    skeletons = content.numbers("d_skel", (20, 3, "frames"))
    return [Clip(match[1], int(match[2]) - 1, np.moveaxis(skeletons, -1, 0)[None])]


SOURCE = Source(("xsub",), FILES.fetch, open_archive, always(UTD_MHAD20, CLASSES))
