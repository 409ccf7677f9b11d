"""A recognizer as one file to pass on: a zip with its weights, and files that describe it."""

import re
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from brl.datasets.archives import unpacked
from brl.fetching.fetch import fetch_checked
from brl.serving.recognizer import DESCRIPTION, Description, Recognizer
from brl.support.errors import UserError
from brl.support.files import project_root, written_whole

# The checksum in an address, as pip has it.
CHECKED_URL = re.compile(r"(https?://[^#]+)#sha256=([0-9a-f]{64})")


def pack(folder: Path, path: Path) -> None:
    """Writes the files of a folder to a zip; equal files give equal bytes."""
    with written_whole(path) as unfinished, ZipFile(unfinished, "w") as archive:
        for file in sorted(folder.iterdir()):
            member = ZipInfo(file.name)  # dated 1980
            member.external_attr = 0o644 << 16
            archive.writestr(member, file.read_bytes(), ZIP_DEFLATED)


def open_release(path: Path) -> Recognizer:
    """The recognizer in a zip that `pack` wrote; raises UserError for any other file.

    Only the files of a recognizer are read, each by its name.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; brl release makes one")
    try:
        with ZipFile(path) as archive, TemporaryDirectory() as folder:
            about = unpacked(archive, DESCRIPTION, str(path))
            for name in Description.model_validate_json(about).files:
                (Path(folder) / name).write_bytes(unpacked(archive, name, str(path)))
            return Recognizer.load(Path(folder))
    except (
        BadZipFile,
        zlib.error,
        EOFError,
        KeyError,
        ValueError,
        RuntimeError,
        UserError,
    ) as error:
        raise UserError(
            f"{path}: damaged, not of brl release, or of another version of this project; a "
            "README.md in it names its version"
        ) from error


def fetched(source: str) -> Path:
    """The path of a release, given by its path or by a URL with its checksum.

    A download is kept in the project's .checkpoints. Raises UserError for a URL without a checksum
    or a failed download.
    """
    if not source.startswith(("http://", "https://")):
        return Path(source)
    checked = CHECKED_URL.fullmatch(source)
    if checked is None:
        raise UserError(f"--from {source}: must end in #sha256= and the file's checksum")
    return fetch_checked(checked[1], checked[2], project_root() / ".checkpoints" / "releases")
