"""Raw files, from a mirror folder, a mirror URL or their published address."""

import shutil
import sys
from pathlib import Path

import pooch
import requests

from brl.errors import UserError
from brl.files import project_root, written_whole


def fetch_file(name: str, published: str, mirror: str | None, folder: Path) -> Path:
    """Puts the raw file `name` into `folder` and gives its path.

    mirror: a folder or URL that holds the file, relative folders counted from the project's
    root; None for the published address. Raises UserError that names what could not be had.
    """
    target = folder / name
    if mirror is None or mirror.startswith(("http://", "https://")):
        url = published if mirror is None else f"{mirror.rstrip('/')}/{name}"
        _download(url, target)
        return target
    source = project_root() / mirror / name
    if not source.is_file():
        raise UserError(
            f"params.yaml: dataset.mirror: {mirror} holds no {name}; "
            "it must be a folder or URL with the dataset's raw files"
        )
    with written_whole(target) as unfinished:
        shutil.copyfile(source, unfinished)
    return target


def _download(url: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel("WARNING")
    progress = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)
    try:
        with written_whole(target) as unfinished:
            pooch.retrieve(
                url, known_hash=None, fname=unfinished.name, path=target.parent, downloader=progress
            )
    except (requests.RequestException, OSError, ValueError) as error:
        raise UserError(
            f"{url}: download failed ({type(error).__name__}: {error}); put {target.name} into a "
            "folder and name it in params.yaml as dataset.mirror"
        ) from error
