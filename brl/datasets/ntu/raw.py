"""NTU RGB+D 60 and 120 from raw `.skeleton` files, which their authors provide on request.

The files may be in the official zips, which are read in place, or in a folder.
"""

import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from brl.clips.clip import Clip
from brl.clips.layouts import NTU25
from brl.clips.normalize import Normalization
from brl.datasets.archives import member, members
from brl.datasets.ntu.bodies import choose_bodies
from brl.datasets.ntu.names import (
    CLASSES_60,
    CLASSES_120,
    NAME,
    Second,
    label_of,
    listed,
    ntu_splits,
    recording,
)
from brl.datasets.ntu.skeleton_file import read_skeleton
from brl.datasets.source import Dataset, Source, always
from brl.fetching.fetch import fetch_file
from brl.support.errors import UserError
from brl.support.files import project_root, written_whole

ARCHIVES = ("nturgbd_skeletons_s001_to_s017.zip", "nturgbd_skeletons_s018_to_s032.zip")
ACCESS = "https://rose1.ntu.edu.sg/dataset/actionRecognition/"
ENDING = ".skeleton"
# The authors' list of recordings with missing or incomplete skeletons, one name per line: 302 of
# NTU RGB+D 60, 535 of 120. Some of these files hold bodies, so that only the list can tell.
UNUSABLE = Path(__file__).with_name("unusable.txt")


@dataclass(frozen=True)
class Edition:
    """What distinguishes the two datasets.

    archives      names of the official zips
    last_setup    recordings of later setups are not part of the dataset
    classes       action names in label order
    second_split  the official split beside xsub
    """

    archives: tuple[str, ...]
    last_setup: int
    classes: tuple[str, ...]
    second_split: Second


class RawFile(NamedTuple):
    """The file of a clip: a member of the zip at `path`, or `path` itself if `member` is empty."""

    name: str
    path: Path
    member: str

    @property
    def where(self) -> str:
        """The file, for error messages."""
        return f"{self.path.name}: {self.member}" if self.member else self.path.name


def fetch(edition: Edition, folder: Path, mirror: str | None) -> None:
    """Fetches the zips, or the `.skeleton` files of a mirror folder that has no zip.

    Raises UserError where the mirror has neither, or where a zip is damaged.
    """
    loose = _loose_files(edition, mirror)
    for file in loose:
        with written_whole(folder / file.path.name) as unfinished:
            shutil.copyfile(file.path, unfinished)
    if not loose:
        needed = f"{' and '.join(edition.archives)}, or all .skeleton files out of them"
        by_hand = f"request access at {ACCESS} (needed: {needed})"
        for name in edition.archives:
            check = partial(_check_whole, name)
            fetch_file(name, None, mirror, folder, by_hand=by_hand, check=check)


def _check_whole(name: str, path: Path) -> None:
    """Raises UserError, naming `name`, where the file is not a complete zip."""
    if not zipfile.is_zipfile(path):
        raise UserError(f"{name}: not a whole zip file; download it again")


def _loose_files(edition: Edition, mirror: str | None) -> list[RawFile]:
    """The `.skeleton` files of a mirror folder; none if it has a zip or is no folder."""
    if mirror is None or mirror.startswith(("http://", "https://")):
        return []
    folder = project_root() / mirror
    has_zip = any((folder / name).exists() for name in edition.archives)
    return [] if has_zip else raw_files(edition, folder)


def open_raw(edition: Edition, folder: Path) -> Dataset:
    """Opens all usable recordings, sorted by name, in the sensor's coordinates (metres)."""
    files = raw_files(edition, folder)
    unusable = frozenset(UNUSABLE.read_text(encoding="utf-8").split())
    usable = [file for file in files if file.name not in unusable]
    return Dataset(
        layout=NTU25,
        classes=edition.classes,
        items=usable,
        read=read,
        splits=partial(ntu_splits, second=edition.second_split),
        normalization=Normalization("ntu"),
        parallel=True,
        left_out=len(files) - len(usable),
    )


def raw_files(edition: Edition, folder: Path) -> list[RawFile]:
    """The files of an edition in a folder and in its zips, sorted by name.

    Raises UserError where a name is invalid or occurs twice.
    """
    files = sorted(
        file
        for file in _all_files(edition, folder)
        if recording(file.name).setup <= edition.last_setup
    )
    for first, second in pairwise(files):
        if first.name == second.name:
            raise UserError(f"{first.where} and {second.where}: the same clip; must occur once")
    return files


def _all_files(edition: Edition, folder: Path) -> Iterator[RawFile]:
    """All recordings in a folder and its zips, of any setup."""
    candidates = [(path, "") for path in folder.rglob(f"*{ENDING}")]
    for archive in (folder / name for name in edition.archives):
        if archive.exists():
            candidates += [(archive, name) for name in members(archive) if _is_recording(name)]
    for path, name in candidates:
        file = RawFile(Path(name or path).stem, path, name)
        if not NAME.fullmatch(file.name):
            raise UserError(
                f"{file.where}: not the name of an NTU RGB+D recording; "
                f"must be like S001C002P003R002A013{ENDING}"
            )
        yield file


def _is_recording(name: str) -> bool:
    return name.endswith(ENDING) and not name.startswith("__MACOSX/")  # macOS adds these


def read(file: RawFile) -> list[Clip]:
    """The clip of one recording; none if the sensor saw no body."""
    content = member(file.path, file.member) if file.member else file.path.read_bytes()
    joints = choose_bodies(read_skeleton(content.decode(errors="replace"), file.where))
    return [] if joints is None else [Clip(file.name, label_of(file.name), joints)]


def _source(edition: Edition) -> Source:
    return Source(
        ("xsub", edition.second_split),
        partial(fetch, edition),
        partial(open_raw, edition),
        always(NTU25, edition.classes),
        listed,
    )


NTU60_RAW = _source(Edition(ARCHIVES[:1], 17, CLASSES_60, "xview"))
NTU120_RAW = _source(Edition(ARCHIVES, 32, CLASSES_120, "xset"))
