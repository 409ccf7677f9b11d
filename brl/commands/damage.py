"""Compares files in full with what was recorded of them: `brl check --deep`.

Of the pipeline's outputs, dvc.lock has the MD5, and the clip store, pictures, weights and scores
have their own checksums. DVC looks at the time and size of a file only. Where the file is a hard
link into DVC's cache, the cache has the same damage, and a stage that runs again gets it back from
there: DVC keeps the object that has the name of the new file's MD5.
"""

import hashlib
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from brl.clips.store import ClipStore
from brl.comparison.data import folder
from brl.comparison.kept import KEPT
from brl.pictures.store import PictureStore
from brl.support.checked import read_npz, read_safetensors
from brl.support.errors import Damaged, UserError
from brl.support.files import is_unfinished, project_root
from brl.support.paths import COMPARISON_REPORTS, PICTURES, STORE
from brl.support.progress import progress


@dataclass(frozen=True)
class Recorded:
    """A file of the pipeline.

    path    from the project's root
    md5     its MD5 when DVC recorded it
    out     the output in dvc.yaml that it is, or is in
    stage   the stage that wrote it
    cached  its object in DVC's cache; None: DVC keeps none
    """

    path: Path
    md5: str
    out: str
    stage: str
    cached: Path | None

    def remedy(self) -> str | None:
        """The command that brings the file back; None: it is not damaged."""
        differs = md5(self.path) != self.md5
        if not differs and not has_wrong_checksum(self.path):
            return None
        if self.cached is None:
            return f"dvc repro --force {self.stage}"
        if differs and self.cached.exists() and md5(self.cached) == self.md5:
            return f"rm -f {quoted(self.path)} && dvc checkout {shlex.quote(self.out)}"
        return f"rm -f {quoted(self.path)} {quoted(self.cached)} && dvc repro {self.stage}"


def recorded() -> Iterator[Recorded]:
    """The files that stages wrote and that are there."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(".") as repo:
            for out in repo.index.outs:
                files = {"": out.hash_info.value}
                if out.hash_info.isdir:
                    files = {"/".join(key): info.value for key, _, info in out.get_obj() or ()}
                for name, value in files.items():
                    path = Path(out.def_path, name)
                    if value and path.is_file():
                        kept = None
                        if out.use_cache:
                            kept = Path(os.path.relpath(out.cache.oid_to_path(value)))
                        yield Recorded(path, value, out.def_path, out.stage.addressing, kept)
    except DvcException as error:
        raise UserError(f"DVC cannot read the pipeline here: {error}") from error


def computed() -> list[tuple[Path, str]]:
    """The files of comparisons and probes, each with the command that brings it back."""
    root = project_root()
    kept = [*folder().rglob("*.safetensors"), *folder().rglob("*.npz")]
    kept = [file for file in kept if not is_unfinished(file)]
    kept += (root / ".probe").glob("*.npz")
    reported = (root / COMPARISON_REPORTS).glob(f"*/{KEPT}")
    return [
        *((file, f"rm {quoted(file)}; it is computed again when it is needed") for file in kept),
        *((file, f"git restore {quoted(file)}") for file in reported),
    ]


def compare_all() -> None:
    """Prints each damaged file with what brings it back; then raises UserError if there is one."""
    files, damaged = 0, 0
    for file in progress(list(recorded()), "outputs"):
        files += 1
        if remedy := file.remedy():
            damaged += 1
            print(f"{file.path}: not as {file.stage} wrote it; {remedy}")
    for path, remedy in progress(computed(), "results"):
        files += 1
        if not is_whole(path):
            damaged += 1
            print(f"{path}: damaged; {remedy}")
    if damaged:
        raise UserError(f"{damaged} of {files} files are damaged; run the commands above")
    print(f"{files} files: no damage found")


def has_wrong_checksum(path: Path) -> bool:
    """Whether a file has a checksum of its own, which is not that of its content."""
    try:
        read(path)
    except Damaged as error:
        return error.path == path
    except ValueError:  # a line that stands for no weights
        return False
    return False


def is_whole(path: Path) -> bool:
    """Whether a file of weights or scores can be read and has its checksum."""
    try:
        read(path)
    except (Damaged, ValueError):
        return False
    return True


def read(path: Path) -> None:
    """Reads a file with checksums in full; raises Damaged or ValueError where it is not whole."""
    if path.suffix == ".safetensors":
        read_safetensors(path)
    elif path.parent == STORE:
        store = ClipStore.open(STORE)
        if path.suffix == ".f32":
            store.check()
    elif path.parent == PICTURES:
        pictures = PictureStore.open(PICTURES)
        if path.suffix == ".rows":
            pictures.pictures(path.stem).check()
    elif path.suffix == ".npz":
        read_npz(path)


def md5(path: Path) -> str:
    """MD5 of a file's bytes, in hexadecimal, as DVC records it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def quoted(path: Path) -> str:
    """A path as a word of the shell."""
    return shlex.quote(str(path))
