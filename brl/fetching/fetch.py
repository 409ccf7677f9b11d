"""Fetches raw files from a mirror folder, a mirror URL or their published address.

No checksums of them are published. The first file fetched under a name is therefore recorded in
checksums.json at the project's root, and every later one must be identical.
"""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from brl.support.addresses import without_passwords
from brl.support.errors import UserError
from brl.support.files import project_root, sha256, written_whole

RECORD = "checksums.json"


class Arrival(BaseModel):
    """The record of the first file fetched under a name."""

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
    """Fetches the raw file `name` into `folder` and returns its path.

    published: its URL, or None if it must be fetched by hand; `by_hand` then says how.
    mirror: a folder or URL that holds the file, or None for the published URL. A relative folder
    is relative to the project's root.
    check: raises UserError for a wrong file, which is then neither kept nor recorded. It is called
    while the file still has a temporary name.
    Raises UserError where the file cannot be fetched or differs from the recorded one.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")
    origin, downloader = _origin(name, published, mirror, by_hand)
    arrivals = _arrivals()
    first = arrivals.get(name)
    with written_whole(folder / name) as unfinished:
        pooch.retrieve(
            origin,
            known_hash=None,
            fname=unfinished.name,
            path=unfinished.parent,
            downloader=downloader,
        )
        digest = sha256(unfinished)
        if first and first.sha256 != digest:
            raise UserError(
                f"{name} from {origin}: differs from the file first fetched, from {first.origin} "
                f"(sha256 {digest[:12]} now, {first.sha256[:12]} then); if the change is intended, "
                f"delete its entry in {RECORD}"
            )
        if check:
            check(unfinished)
        if first is None:
            size, shown = unfinished.stat().st_size, without_passwords(origin)
            arrival = Arrival.model_validate({"sha256": digest, "bytes": size, "from": shown})
            _record(arrivals | {name: arrival})
    return folder / name


def fetch_checked(url: str, digest: str, folder: Path) -> Path:
    """Downloads a file with a known SHA-256 into `folder`, once, and returns its path there.

    Raises UserError where it cannot be downloaded, or has another checksum.
    """
    import pooch
    import requests

    from brl.fetching.download import download

    pooch.get_logger().setLevel("WARNING")
    name = urlsplit(url).path.rsplit("/", 1)[-1]  # without a query, which may hold a token

    def downloader(url: str, target: str, _pooch: None) -> None:
        try:
            download(url, name, Path(target))
        except requests.RequestException as error:
            raise UserError(f"{url}: download failed ({type(error).__name__}: {error})") from error

    try:
        path = pooch.retrieve(url, f"sha256:{digest}", digest, folder, downloader=downloader)
    except ValueError as error:
        raise UserError(f"{url}: another file than that of sha256 {digest}") from error
    return Path(path)


def _origin(
    name: str, published: str | None, mirror: str | None, by_hand: str
) -> tuple[str, Callable[..., None]]:
    """The path or URL of the file, and the function with which pooch fetches it."""
    if mirror is not None and not mirror.startswith(("http://", "https://")):
        source = project_root() / mirror / name
        if not source.is_file():
            needed = "it must be a folder or URL with the dataset's raw files"
            raise UserError(
                f"params.yaml: dataset.mirror: {mirror} holds no {name}; "
                + (_manual_steps(name, by_hand) if by_hand else needed)
            )
        return str(Path(mirror) / name), partial(_copy, source)
    url = published if mirror is None else _in_folder(mirror, name)
    if url is None:
        raise UserError(_manual_steps(name, by_hand))
    return url, partial(_download, name)


def _in_folder(address: str, name: str) -> str:
    """The address of a file in a folder; what follows a `?`, such as a token, stays last."""
    parts = urlsplit(address)
    return parts._replace(path=f"{parts.path.rstrip('/')}/{name}").geturl()


def _manual_steps(name: str, by_hand: str) -> str:
    return (
        f"{name} must be fetched by hand: {by_hand}; put it into a folder and name that folder "
        "in params.yaml as dataset.mirror"
    )


def _copy(source: Path, _url: str, target: str, _pooch: None) -> None:
    Path(target).unlink()  # pooch has created it, readable by this user only
    shutil.copyfile(source, target)


def _download(name: str, url: str, target: str, _pooch: None) -> None:
    import requests

    from brl.fetching.download import download

    try:
        download(url, name, Path(target))
    except requests.RequestException as error:
        raise UserError(
            f"{url}: download failed ({type(error).__name__}: {error}); put {name} into a folder "
            "and name that folder in params.yaml as dataset.mirror"
        ) from error


def _arrivals() -> dict[str, Arrival]:
    """Reads the record: name -> first file fetched. UserError where it is damaged."""
    path = project_root() / RECORD
    if not path.exists():
        return {}
    try:
        return ARRIVALS.validate_json(path.read_bytes())
    except ValidationError as error:
        mistake = error.errors()[0]
        location = ": ".join((RECORD, *map(str, mistake["loc"])))
        raise UserError(
            f"{location}: {mistake['msg']}; each name needs sha256, bytes and from"
        ) from error


def _record(arrivals: dict[str, Arrival]) -> None:
    content = ARRIVALS.dump_python(arrivals, by_alias=True)
    with written_whole(project_root() / RECORD) as file:
        file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
