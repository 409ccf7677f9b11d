"""One file over HTTP; a broken transfer goes on where it stopped (RFC 9110: Range, If-Range)."""

import hashlib
import json
import re
import shutil
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import requests
from tqdm import tqdm

from brl.support.files import project_root, written_whole

ATTEMPTS = 5  # in a row that bring nothing new
PAUSE = 1.0  # seconds before the next attempt; twice as long after each that brings nothing new
TIMEOUT = 30  # seconds without an answer or a byte
CHUNK = 2**16  # bytes; a cut loses less than this
CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


def download(url: str, name: str, target: Path) -> None:
    """Puts what `url` gives at `target` once it is whole; `name` is the file's name to the user.

    What came of a broken transfer stays in the project's .checkpoints/downloads (DVC empties a
    stage's outputs when the stage starts), and the next attempt, also that of a later call, asks
    for the rest. A server that cannot go on, or has another version by then, sends all anew.
    Raises requests.RequestException when a further attempt would not help or all are used up.
    """
    unfinished = Unfinished(url, name)
    most = failures = 0
    while True:
        try:
            _transfer(url, unfinished, name)
            break
        except requests.RequestException as error:
            came = unfinished.size()
            failures = 1 if came > most else failures + 1
            most = max(most, came)
            if failures == ATTEMPTS or not _may_pass(error):
                raise
            time.sleep(PAUSE * 2 ** (failures - 1))
    shutil.move(unfinished.content, target)
    unfinished.forget()


class Unfinished:
    """The first bytes of a file, and what the server calls the version they belong to."""

    def __init__(self, url: str, name: str) -> None:
        folder = project_root() / ".checkpoints" / "downloads"
        stem = f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
        self.content = folder / f"{stem}.part"
        self._version = folder / f"{stem}.json"

    def version(self) -> dict[str, str]:
        """The one header that names the version; empty where there is nothing to go on with."""
        version: dict[str, str] = {}
        if self.content.exists():
            # After a power cut the note may be gone, or empty.
            with suppress(FileNotFoundError, ValueError):
                version = json.loads(self._version.read_text())
        return version

    def size(self) -> int:
        """How many bytes are here."""
        return self.content.stat().st_size if self.content.exists() else 0

    def begin(self, headers: Mapping[str, str]) -> None:
        """Drops all bytes and notes the version that the headers of an answer name, if any."""
        self.forget()
        version = {}
        if not headers.get("ETag", "W/").startswith("W/"):  # a weak one outlives changes of bytes
            version = {"ETag": headers["ETag"]}
        elif "Last-Modified" in headers:
            version = {"Last-Modified": headers["Last-Modified"]}
        with written_whole(self._version) as file:
            file.write_text(json.dumps(version))

    def forget(self) -> None:
        """Removes both files, the bytes first: they must never meet another version's name."""
        self.content.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)


def _transfer(url: str, unfinished: Unfinished, name: str) -> None:
    """One attempt; what comes is added to `unfinished`."""
    # As it lies on the server: positions and lengths would not fit bytes packed for the way.
    asked = {"Accept-Encoding": "identity"}
    start = 0
    if version := unfinished.version():
        start = unfinished.size()
        asked |= {"Range": f"bytes={start}-", "If-Range": next(iter(version.values()))}
    with requests.get(url, headers=asked, stream=True, timeout=TIMEOUT) as answer:
        total = answer.raw.length_remaining
        if answer.status_code in (206, 416):
            total = _total_if_continued(answer, start, version)
            if total is None:
                unfinished.forget()
                raise requests.ConnectionError(f"the server does not go on at byte {start}")
        else:
            answer.raise_for_status()
            unfinished.begin(answer.headers)
        with (
            unfinished.content.open("ab") as file,
            tqdm(
                desc=name,
                initial=file.tell(),
                total=total,
                unit="B",
                unit_scale=True,
                leave=False,
                disable=not sys.stderr.isatty(),
            ) as bar,
        ):
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    # Not every version of urllib3 reports a cut, and a server may give the rest piece by piece.
    came = unfinished.size()
    if total is not None and came != total:
        raise requests.ConnectionError(f"{came} of {total} bytes came")


def _total_if_continued(
    answer: requests.Response, start: int, version: dict[str, str]
) -> int | None:
    """The whole file's size, if the answer is this version's bytes from `start` on; else None."""
    given = CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    same = all(answer.headers.get(header, value) == value for header, value in version.items())
    return int(given[2]) if version and same and given and int(given[1]) == start else None


def _may_pass(error: requests.RequestException) -> bool:
    """Whether another attempt may meet a better moment: not where the server says no."""
    if error.response is not None:
        return error.response.status_code == 429 or error.response.status_code >= 500
    return isinstance(
        error,
        requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError,
    )
