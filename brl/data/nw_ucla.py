"""Northwestern-UCLA Multiview Action3D: 1,484 clips of 20 joints, 10 actions, 3 views.

J. Wang et al., "Cross-view action modeling, learning, and recognition", CVPR 2014. Research use.
One zip of JSON files, `a01_s01_e00_v01.json`: action, subject, repetition, view.
"""

import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from brl.data.clip import Clip, Part
from brl.data.fetch import fetch_file
from brl.data.normalize import center_first_frame
from brl.data.source import Source
from brl.errors import UserError
from brl.skeleton import NW_UCLA20

ARCHIVE = "all_sqe.zip"
# No hash: no checksum is published, and copies differ in their bytes. What counts is checked
# instead: every JSON file's own checksum in the zip, its content, and the number of clips.
ADDRESS = "https://www.dropbox.com/s/10pcm4pksjy6mkq/all_sqe.zip?dl=1"
SPLIT = "cross_view"
PART_OF_VIEW: dict[str, Part] = {"v01": "train", "v02": "train", "v03": "test"}
NUM_CLIPS = 1484
CLASSES = (
    "pick up with one hand",
    "pick up with two hands",
    "drop trash",
    "walk around",
    "sit down",
    "stand up",
    "donning",
    "doffing",
    "throw",
    "carry",
)
# What zipfile raises: not a zip, cut off, damaged inside, encrypted or of an unknown kind.
UNREADABLE = (zipfile.BadZipFile, OSError, EOFError, zlib.error, RuntimeError)
CLIP_FILE = re.compile(r"(?:.*/)?(a\d\d_s\d\d_e\d\d_(v\d\d))\.json")


def fetch(folder: Path, mirror: str | None) -> None:
    """Puts the archive into `folder` once it has proved whole: UserError where it has not."""
    archive = fetch_file(ARCHIVE, ADDRESS, mirror, folder)
    origin = mirror or ADDRESS
    try:
        with zipfile.ZipFile(archive) as opened:
            damaged = opened.testzip()
            found = sum(CLIP_FILE.fullmatch(name) is not None for name in opened.namelist())
    except UNREADABLE as error:
        archive.unlink()
        raise UserError(f"{ARCHIVE} from {origin}: not a whole zip file ({error})") from error
    if damaged is not None:
        archive.unlink()
        raise UserError(f"{ARCHIVE} from {origin}: the file {damaged} in it is damaged")
    if found != NUM_CLIPS:
        archive.unlink()
        raise UserError(f"{ARCHIVE} from {origin}: holds {found} clips; must be {NUM_CLIPS}")


def clips(folder: Path) -> Iterator[Clip]:
    """All clips, names ascending, in the sensor's coordinates."""
    with zipfile.ZipFile(folder / ARCHIVE) as archive:
        for file in sorted(archive.namelist()):
            match = CLIP_FILE.fullmatch(file)
            if match:
                yield _read(archive, file, name=match[1], view=match[2])


def _read(archive: zipfile.ZipFile, file: str, name: str, view: str) -> Clip:
    try:
        content = json.loads(archive.read(file))
        joints = np.array(content["skeletons"], dtype=np.float32)
        label = int(content["label"]) - 1
    except (*UNREADABLE, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{ARCHIVE}: {file}: not a clip ({type(error).__name__}: {error}); must be JSON with "
            "`skeletons` (frames x 20 x 3) and `label` (1 to 10)"
        ) from error
    if joints.ndim != 3 or joints.shape[1:] != (20, 3) or len(joints) == 0:
        raise UserError(
            f"{ARCHIVE}: {file}: skeletons of shape {joints.shape}; must be frames x 20 x 3"
        )
    if view not in PART_OF_VIEW:
        raise UserError(f"{ARCHIVE}: {file}: unknown view {view}; must be v01, v02 or v03")
    return Clip(name, label, joints[None], {SPLIT: PART_OF_VIEW[view]})


SOURCE = Source(NW_UCLA20, CLASSES, (SPLIT,), fetch, clips, center_first_frame)
