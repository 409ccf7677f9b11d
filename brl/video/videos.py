"""The videos that a user names: their clips' names and classes."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from brl.datasets.own.clip_list import check_file_name
from brl.support.errors import UserError

SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")


@dataclass(frozen=True)
class Video:
    """A video.

    path   its file
    name   that of its clip, unique
    label  the class; empty where no folder tells it
    """

    path: Path
    name: str
    label: str


def find_videos(paths: Iterable[Path]) -> list[Video]:
    """The given files, and all videos in the given folders at any depth, sorted by path.

    A clip is named after the path from the given folder, with _ between its parts. If it lies in
    folders of that folder, the first of them is its class. Raises UserError for a missing path, a
    folder without videos, for what cannot be a clip's name, and for two videos whose clips would
    have the same name.
    """
    found: dict[str, Video] = {}
    for path in paths:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
        files = _inside(path) if path.is_dir() else [path]
        if not files:
            raise UserError(f"{path}: contains no video ({', '.join(SUFFIXES)})")
        for file in files:
            inside = file.relative_to(path if path.is_dir() else path.parent).with_suffix("")
            name = "_".join(inside.parts)
            label = inside.parts[0] if len(inside.parts) > 1 else ""
            check_file_name(file, name, label)
            other = found.setdefault(name, Video(file.absolute(), name, label))
            if other.path != file.absolute():
                raise UserError(
                    f"{file}: its clip would be named {name}, as that of {other.path}; "
                    "rename one of them"
                )
    return list(found.values())


def _inside(folder: Path) -> list[Path]:
    files = (file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    return sorted(file for file in files if file.is_file())
