"""Downloads a file over HTTP; a broken transfer is resumed (RFC 9110: Range, If-Range)."""

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
from brl.support.locks import alone

ATTEMPTS = 5  # in a row without a new byte
PAUSE = 1.0  # seconds before the next attempt; doubled after each one without a new byte
TIMEOUT = 30  # seconds without an answer or a byte
CHUNK = 2**16  # bytes; an interruption loses fewer than this
LARGEST = 2**38  # bytes; a body that goes on has no end
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")


def download(url: str, name: str, target: Path) -> None:
    """Downloads `url` to `target`, which appears only when it is complete.

    name: the file's name, for the progress bar. The first bytes of a broken transfer are kept in
    the project's .checkpoints/downloads, since DVC empties a stage's outputs when it starts the
    stage. The next attempt, also one of a later call, requests the rest. The download starts again
    where the server cannot resume it or has another version by then. Another process that downloads
    the same file is waited for.
    Raises requests.RequestException where another attempt would not help, or after the last one.
    """
    unfinished = Unfinished(url, name)
    with alone(f"download of {name}", unfinished.content):
        _receive(url, unfinished, name)
        shutil.move(unfinished.content, target)
        unfinished.forget()


def _receive(url: str, unfinished: "Unfinished", name: str) -> None:
    """Makes attempts until all bytes are there; raises what `download` raises."""
    largest = failures = 0
    while True:
        try:
            _transfer(url, unfinished, name)
            break
        except requests.RequestException as error:
            size = unfinished.size()
            failures = 1 if size > largest else failures + 1
            largest = max(largest, size)
            if failures == ATTEMPTS or not _is_temporary(error):
                raise
            time.sleep(PAUSE * 2 ** (failures - 1))
        except ValueError as error:  # a redirect to no address, a chunk of negative length
            raise requests.RequestException(f"not HTTP: {error}") from error


class Unfinished:
    """The first bytes of a file, and the server's identifier of the version they belong to."""

    def __init__(self, url: str, name: str) -> None:
        folder = project_root() / ".checkpoints" / "downloads"
        stem = f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"
        self.content = folder / f"{stem}.part"
        self._version = folder / f"{stem}.json"

    def version(self) -> dict[str, str]:
        """The response header that identifies the version; empty if nothing can be resumed."""
        version: dict[str, str] = {}
        if self.content.exists():
            # After a power failure the identifier may be lost, or its file empty.
            with suppress(FileNotFoundError, ValueError):
                version = json.loads(self._version.read_text())
        return version

    def size(self) -> int:
        """Number of bytes received so far."""
        return self.content.stat().st_size if self.content.exists() else 0

    def begin(self, headers: Mapping[str, str]) -> None:
        """Drops all bytes and stores the version that the response headers identify, if any."""
        self.forget()
        version = {}
        if not headers.get("ETag", "W/").startswith("W/"):  # a weak tag allows other bytes
            version = {"ETag": headers["ETag"]}
        elif "Last-Modified" in headers:
            version = {"Last-Modified": headers["Last-Modified"]}
        with written_whole(self._version) as file:
            file.write_text(json.dumps(version))

    def forget(self) -> None:
        """Removes both files, the bytes first: they must never be paired with another version."""
        self.content.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)


def _transfer(url: str, unfinished: Unfinished, name: str) -> None:
    """Makes one attempt and appends the received bytes to `unfinished`."""
    # No compression: byte positions refer to the uncompressed file.
    headers = {"Accept-Encoding": "identity"}
    start = 0
    if version := unfinished.version():
        start = unfinished.size()
        headers |= {"Range": f"bytes={start}-", "If-Range": next(iter(version.values()))}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        total = response.raw.length_remaining
        if response.status_code in (206, 416):
            total = _total_if_continued(response, start, version)
            if total is None:
                unfinished.forget()
                raise requests.ConnectionError(f"the server does not resume at byte {start}")
        elif response.status_code != 200:
            response.raise_for_status()
            raise requests.HTTPError(f"status {response.status_code}", response=response)
        elif total is None and not response.raw.chunked:
            raise requests.RequestException("the server does not say how long the file is")
        else:
            unfinished.begin(response.headers)
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
            for chunk in response.iter_content(CHUNK):
                if file.tell() + len(chunk) > (LARGEST if total is None else total):
                    unfinished.forget()
                    raise requests.RequestException("the answer is longer than the file")
                file.write(chunk)
                bar.update(len(chunk))
    # Some versions of urllib3 do not report a short body, and a server may send the rest in pieces.
    size = unfinished.size()
    if total is not None and size != total:
        raise requests.ConnectionError(f"{size} of {total} bytes arrived")


def _total_if_continued(
    response: requests.Response, start: int, version: dict[str, str]
) -> int | None:
    """The size of the whole file if the response continues this version at `start`, else None."""
    content_range = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    same = all(response.headers.get(header, value) == value for header, value in version.items())
    if not (version and same and content_range and int(content_range[1]) == start):
        return None
    return int(content_range[2])


def _is_temporary(error: requests.RequestException) -> bool:
    """Whether another attempt may succeed: not if the server refused the request."""
    if error.response is not None:
        return error.response.status_code == 429 or error.response.status_code >= 500
    return isinstance(
        error,
        requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError,
    )
