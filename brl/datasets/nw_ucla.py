"""Northwestern-UCLA Multiview Action3D: 1,484 clips of 20 joints, 10 actions, 3 views.

J. Wang et al., "Cross-view action modeling, learning, and recognition", CVPR 2014. Research use.
One zip of JSON files, `a01_s01_e00_v01.json`: action, subject, repetition, view.
"""

import json
import re
from functools import partial
from pathlib import Path

import numpy as np

from brl.clips.clip import PARTS, Clip, Part, Splits
from brl.clips.layouts import NW_UCLA20
from brl.clips.normalize import Normalization
from brl.datasets.archives import ClipArchive, member
from brl.datasets.source import Dataset, Source, always
from brl.support.errors import UserError

ARCHIVE = "all_sqe.zip"
FILES = ClipArchive(
    name=ARCHIVE,
    clip_file=re.compile(r"(?:.*/)?(a\d\d_s\d\d_e\d\d_(v\d\d))\.json"),
    num_clips=1484,
    address="https://www.dropbox.com/s/10pcm4pksjy6mkq/all_sqe.zip?dl=1",
)
# The field's split, and two splits of its training clips. With these, a recipe can be chosen for an
# unseen camera without judging it by any test clip. 95 clips of view 2, all of two classes, are
# copies of test clips: `final` keeps them from judging.
PART_OF_VIEW: dict[str, dict[str, Part]] = {
    "cross_view": {"v01": "train", "v02": "train", "v03": "test"},
    "view_2_to_1": {"v02": "train", "v01": "test"},
    "view_1_to_2": {"v01": "train", "v02": "test"},
}
VIEWS = PART_OF_VIEW["cross_view"]
# The clips of views 1 and 2 in the order in which the field lists them, one name per line.
TRAIN_ORDER = Path(__file__).with_name("nw_ucla_train_order.txt")
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


def open_archive(folder: Path) -> Dataset:
    """Opens all clips, sorted by name, in the sensor's coordinates."""
    return Dataset(
        layout=NW_UCLA20,
        classes=CLASSES,
        items=FILES.clip_files(folder),
        read=partial(_read, folder / ARCHIVE),
        splits=splits,
        normalization=Normalization("center"),
        final="cross_view",
        parallel=True,
    )


def splits(names: list[str]) -> Splits:
    """All splits, by camera view. The field's split trains on views 1 and 2 and tests on view 3.

    Clips of views 1 and 2 are in the field's order, from which the published subset was drawn;
    those of view 3 keep their order. Raises UserError where a clip of views 1 and 2 is missing or
    unknown.
    """
    order = TRAIN_ORDER.read_text(encoding="utf-8").splitlines()
    tested = [name for name in names if VIEWS[name[-3:]] == "test"]
    if differing := sorted({*names}.difference(tested).symmetric_difference(order)):
        fault = "is missing" if differing[0] in order else "is unknown"
        raise UserError(
            f"{ARCHIVE}: the clip {differing[0]} {fault}; must hold the {len(order)} clips of "
            f"views 1 and 2 that brl/datasets/{TRAIN_ORDER.name} lists"
        )
    return {
        split: {
            part: [name for name in (*order, *tested) if of_view.get(name[-3:]) == part]
            for part in PARTS
        }
        for split, of_view in PART_OF_VIEW.items()
    }


def _read(archive: Path, file: str) -> list[Clip]:
    match = FILES.clip_file.fullmatch(file)
    assert match
    try:
        content = json.loads(member(archive, file))
        joints = np.array(content["skeletons"], dtype=np.float32)
        label = int(content["label"]) - 1
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise UserError(
            f"{ARCHIVE}: {file}: not a clip ({type(error).__name__}: {error}); must be JSON with "
            "`skeletons` (frames x 20 x 3) and `label` (1 to 10)"
        ) from error
    if joints.ndim != 3 or joints.shape[1:] != (20, 3) or len(joints) == 0:
        raise UserError(
            f"{ARCHIVE}: {file}: skeletons of shape {joints.shape}; must be frames x 20 x 3"
        )
    if not 0 <= label < len(CLASSES):
        raise UserError(f"{ARCHIVE}: {file}: label {label + 1}; must be 1 to {len(CLASSES)}")
    if match[2] not in VIEWS:
        raise UserError(f"{ARCHIVE}: {file}: unknown view {match[2]}; must be v01, v02 or v03")
    return [Clip(match[1], label, joints[None])]


SOURCE = Source(tuple(PART_OF_VIEW), FILES.fetch, open_archive, always(NW_UCLA20, CLASSES))
