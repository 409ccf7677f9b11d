"""Raw files, from a mirror folder, a mirror URL or their published address.

No checksums of them are published. So the first file that arrives under a name is recorded in
checksums.json at the project's root, and a later one must be the same.
"""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pooch
import requests
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from brl.fetching.download import download
from brl.support.errors import UserError
from brl.support.files import project_root, sha256, written_whole

RECORD = "checksums.json"


class Arrival(BaseModel):
    """What arrived first under a file's name."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int
    origin: str = Field(alias="from")


ARRIVALS = TypeAdapter(dict[str, Arrival])


def fetch_file(
    name: str,
    published: str | None,
    mirror: str | None,
    folder: Path,
    by_hand: str = "",
    check: Callable[[Path], None] | None = None,
) -> Path:
    """Puts the raw file `name` into `folder` and gives its path.

    published: its URL; None where only a person can get it, as the sentence `by_hand` says.
    mirror: a folder or URL that holds the file, relative folders counted from the project's
    root; None for the published address.
    check: raises UserError for a file that is not what it should be (it lies under another name
    still); such a file is neither kept nor recorded.
    Raises UserError that names what could not be had or is not what arrived first.
    """
    pooch.get_logger().setLevel("WARNING")
    origin, bring = _way(name, published, mirror, by_hand)
    arrivals = _arrivals()
    first = arrivals.get(name)
    with written_whole(folder / name) as unfinished:
        pooch.retrieve(
            origin,
            known_hash=None,
            fname=unfinished.name,
            path=unfinished.parent,
            downloader=bring,
        )
        digest = sha256(unfinished)
        if first and first.sha256 != digest:
            raise UserError(
                f"{name} from {origin}: not what arrived first, from {first.origin} (sha256 "
                f"{digest[:12]} now, {first.sha256[:12]} then); if the change is meant, delete its "
                f"entry in {RECORD}"
            )
        if check:
            check(unfinished)
        if first is None:
            size = unfinished.stat().st_size
            arrival = Arrival.model_validate({"sha256": digest, "bytes": size, "from": origin})
            _record(arrivals | {name: arrival})
    return folder / name


def _way(
    name: str, published: str | None, mirror: str | None, by_hand: str
) -> tuple[str, Callable[..., None]]:
    """Where the file comes from, and the function by which pooch gets it from there."""
    if mirror is not None and not mirror.startswith(("http://", "https://")):
        source = project_root() / mirror / name
        if not source.is_file():
            needed = "it must be a folder or URL with the dataset's raw files"
            raise UserError(
                f"params.yaml: dataset.mirror: {mirror} holds no {name}; "
                + (_to_do(name, by_hand) if by_hand else needed)
            )
        return str(Path(mirror) / name), partial(_copy, source)
    url = published if mirror is None else f"{mirror.rstrip('/')}/{name}"
    if url is None:
        raise UserError(_to_do(name, by_hand))
    return url, partial(_download, name)


def _to_do(name: str, by_hand: str) -> str:
    return (
        f"{name} must be fetched by hand: {by_hand}; put it into a folder and name that folder "
        "in params.yaml as dataset.mirror"
    )


def _copy(source: Path, _url: str, target: str, _pooch: None) -> None:
    Path(target).unlink()  # pooch made it, for this user's eyes only
    shutil.copyfile(source, target)


def _download(name: str, url: str, target: str, _pooch: None) -> None:
    try:
        download(url, name, Path(target))
    except requests.RequestException as error:
        raise UserError(
            f"{url}: download failed ({type(error).__name__}: {error}); put {name} into a folder "
            "and name that folder in params.yaml as dataset.mirror"
        ) from error


def _arrivals() -> dict[str, Arrival]:
    """All recorded files by name."""
    path = project_root() / RECORD
    if not path.exists():
        return {}
    try:
        return ARRIVALS.validate_json(path.read_bytes())
    except ValidationError as error:
        mistake = error.errors()[0]
        place = ": ".join((RECORD, *map(str, mistake["loc"])))
        raise UserError(
            f"{place}: {mistake['msg']}; must be a name's sha256, bytes and from, as written first"
        ) from error


def _record(arrivals: dict[str, Arrival]) -> None:
    content = ARRIVALS.dump_python(arrivals, by_alias=True)
    with written_whole(project_root() / RECORD) as file:
        file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
