"""NTU RGB+D 60 and 120 from the raw `.skeleton` files that their authors hand out on request.

Either the official zips, read in place, or the files by themselves.
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
from brl.clips.layout import NTU25
from brl.clips.normalize import Normalization
from brl.datasets.archives import member, members
from brl.datasets.ntu.bodies import choose_bodies
from brl.datasets.ntu.names import (
    CLASSES_60,
    CLASSES_120,
    NAME,
    Second,
    label_of,
    ntu_splits,
    recording,
)
from brl.datasets.ntu.skeleton_file import read_skeleton
from brl.datasets.source import Dataset, Source
from brl.fetching.fetch import fetch_file
from brl.support.errors import UserError
from brl.support.files import project_root, written_whole

ARCHIVES = ("nturgbd_skeletons_s001_to_s017.zip", "nturgbd_skeletons_s018_to_s032.zip")
ACCESS = "https://rose1.ntu.edu.sg/dataset/actionRecognition/"
ENDING = ".skeleton"


@dataclass(frozen=True)
class Edition:
    """What tells the two datasets apart. Recordings of setups after the last are not part of it."""

    archives: tuple[str, ...]
    last_setup: int
    classes: tuple[str, ...]
    second_split: Second


class RawFile(NamedTuple):
    """A clip's file: a member of the zip at `path`, or, where `member` is empty, `path` itself."""

    name: str
    path: Path
    member: str

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.path.name}: {self.member}" if self.member else self.path.name


def fetch(edition: Edition, folder: Path, mirror: str | None) -> None:
    """Copies the zips, or from a mirror folder that has none of them its `.skeleton` files.

    UserError where there are neither, or where a zip is cut off.
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
    if not zipfile.is_zipfile(path):
        raise UserError(f"{name}: not a whole zip file; get it anew")


def _loose_files(edition: Edition, mirror: str | None) -> list[RawFile]:
    if mirror is None or mirror.startswith(("http://", "https://")):
        return []
    folder = project_root() / mirror
    has_zip = any((folder / name).exists() for name in edition.archives)
    return [] if has_zip else raw_files(edition, folder)


def open_raw(edition: Edition, folder: Path) -> Dataset:
    """The recordings in name order, in the sensor's coordinates."""
    return Dataset(
        layout=NTU25,
        classes=edition.classes,
        items=raw_files(edition, folder),
        read=read,
        splits=partial(ntu_splits, second=edition.second_split),
        normalization=Normalization("ntu"),
        parallel=True,
    )


def raw_files(edition: Edition, folder: Path) -> list[RawFile]:
    """An edition's files in a folder and its zips, in name order; UserError where names clash."""
    files = sorted(
        file
        for file in _all_files(edition, folder)
        if recording(file.name).setup <= edition.last_setup
    )
    for one, other in pairwise(files):
        if one.name == other.name:
            raise UserError(f"{one.where} and {other.where}: the same clip; must be there once")
    return files


def _all_files(edition: Edition, folder: Path) -> Iterator[RawFile]:
    places = [(path, "") for path in folder.rglob(f"*{ENDING}")]
    for archive in (folder / name for name in edition.archives):
        if archive.exists():
            places += [(archive, name) for name in members(archive) if _is_recording(name)]
    for path, name in places:
        file = RawFile(Path(name or path).stem, path, name)
        if not NAME.fullmatch(file.name):
            raise UserError(
                f"{file.where}: no name of an NTU RGB+D recording; "
                f"must be like S001C002P003R002A013{ENDING}"
            )
        yield file


def _is_recording(name: str) -> bool:
    return name.endswith(ENDING) and not name.startswith("__MACOSX/")  # what a Mac adds to zips


def read(file: RawFile) -> list[Clip]:
    """The clip of one recording; none where the sensor saw no body."""
    content = member(file.path, file.member) if file.member else file.path.read_bytes()
    joints = choose_bodies(read_skeleton(content.decode(errors="replace"), file.where))
    return [] if joints is None else [Clip(file.name, label_of(file.name), joints)]


def _source(edition: Edition) -> Source:
    return Source(
        ("xsub", edition.second_split), partial(fetch, edition), partial(open_raw, edition)
    )


NTU60_RAW = _source(Edition(ARCHIVES[:1], 17, CLASSES_60, "xview"))
NTU120_RAW = _source(Edition(ARCHIVES, 32, CLASSES_120, "xset"))
