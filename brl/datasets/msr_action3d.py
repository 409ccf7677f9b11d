"""MSR Action3D: 557 clips of 20 joints, 20 actions, 10 subjects, in front of one depth camera.

W. Li, Z. Zhang, Z. Liu, "Action recognition based on a bag of 3D points", CVPR Workshops 2010.
Research use. A zip of text files, `a01_s01_e01_skeleton3D.txt`: action, subject, repetition.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np

from brl.clips.clip import Clip
from brl.clips.layouts import MSR_ACTION3D20
from brl.clips.normalize import Normalization, main_body_first
from brl.datasets.archives import ClipArchive, member
from brl.datasets.source import Dataset, Source, always
from brl.datasets.subjects import odd_subjects_train
from brl.support.errors import UserError

PAGE = "https://sites.google.com/view/wanqingli/data-sets/msr-action3d"
FILES = ClipArchive(
    name="msr_action3d.zip",
    clip_file=re.compile(r"(?:.*/)?(a(\d\d)_s\d\d_e\d\d)_skeleton3D\.txt"),
    num_clips=567,
    address=None,
    by_hand=f"a zip of the 567 files such as a01_s01_e01_skeleton3D.txt, from its authors ({PAGE})",
)
# The clips that the field leaves out, since J. Wang et al., "Mining actionlet ensemble for action
# recognition with depth cameras", CVPR 2012: bodies that are missing or far off.
NOISY = frozenset(
    {
        "a02_s03_e02",
        "a04_s03_e01",
        "a07_s04_e01",
        "a13_s09_e01",
        "a13_s09_e02",
        "a13_s09_e03",
        "a14_s03_e01",
        "a20_s07_e01",
        "a20_s07_e03",
        "a20_s10_e03",
    }
)
SPINE = 3
CLASSES = (
    "high arm wave",
    "horizontal arm wave",
    "hammer",
    "hand catch",
    "forward punch",
    "high throw",
    "draw x",
    "draw tick",
    "draw circle",
    "hand clap",
    "two hand wave",
    "side boxing",
    "bend",
    "forward kick",
    "side kick",
    "jogging",
    "tennis swing",
    "tennis serve",
    "golf swing",
    "pick up and throw",
)


def open_archive(folder: Path) -> Dataset:
    """Opens all clips but the noisy ones, sorted by name, in the sensor's coordinates.

    They are in metres: x to the subject's right, y up, z away from the camera.
    """
    files = FILES.clip_files(folder)
    usable = [file for file in files if _match(file)[1] not in NOISY]
    return Dataset(
        layout=MSR_ACTION3D20,
        classes=CLASSES,
        items=usable,
        read=partial(_read, folder / FILES.name),
        splits=odd_subjects_train,
        normalization=Normalization("center", SPINE),
        left_out=len(files) - len(usable),
    )


def _match(file: str) -> re.Match[str]:
    match = FILES.clip_file.fullmatch(file)
    assert match
    return match


def _read(archive: Path, file: str) -> list[Clip]:
    """The clip of a file, without the frames in which the sensor lost the body.

    Such frames are all zeros. They occur where test subjects bend down, and in no training clip.
    """
    name, action = _match(file).groups()
    try:
        rows = np.array(member(archive, file).split(), dtype=np.float64).reshape(-1, 20, 4)
    except ValueError as error:
        raise UserError(
            f"{archive.name}: {file}: not a clip ({error}); must be text with 20 lines per frame, "
            "each with x, y, z and a confidence"
        ) from error
    if not len(rows):
        raise UserError(f"{archive.name}: {file}: holds no frame")
    return [Clip(name, int(action) - 1, main_body_first(rows[None, ..., :3]))]


SOURCE = Source(("xsub",), FILES.fetch, open_archive, always(MSR_ACTION3D20, CLASSES))
