"""Raw files from folders and web servers: the first one is recorded, every later one must equal it,
and a file that cannot be fetched is named in one line."""

import errno
import json
import resource
from pathlib import Path

import pooch
import pytest

from brl.fetching import download
from brl.fetching.fetch import fetch_file
from brl.support.errors import UserError
from brl.support.files import sha256
from tests.web import CONTENT, OTHER, Answer

BY_HAND = "ask its authors"


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch) -> Path:
    """The project's root; no pauses between attempts."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(download, "PAUSE", 0)
    return tmp_path


@pytest.fixture
def mirror(root) -> Path:
    (root / "mirror").mkdir()
    (root / "mirror/clips.zip").write_bytes(CONTENT)
    return root / "mirror"


def refused(*arguments, **named) -> str:
    """The one-line message with which a file is refused."""
    with pytest.raises(UserError) as caught:
        fetch_file(*arguments, **named)
    message = str(caught.value)
    assert "\n" not in message
    return message


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# Where a file comes from


def test_from_a_folder_a_mirror_url_and_the_published_address(server, mirror, root):
    (root / "readable").touch()
    for number, origin in enumerate((str(mirror), server.url, f"{server.url}/", None)):
        folder = root / str(number)
        path = fetch_file("clips.zip", f"{server.url}/there/clips.zip", origin, folder)
        assert path == folder / "clips.zip"
        assert path.read_bytes() == CONTENT
        assert files(folder) == ["clips.zip"]
        assert path.stat().st_mode == (root / "readable").stat().st_mode
    assert server.asked == ["/clips.zip", "/clips.zip", "/there/clips.zip"]
    assert files(root / ".checkpoints") == []


def test_a_relative_folder_counts_from_the_projects_root(mirror, root):
    path = fetch_file("clips.zip", None, "mirror", root / "raw")
    assert path.read_bytes() == CONTENT


def test_a_download_is_silent(server, root, caplog):
    pooch.get_logger().setLevel("INFO")  # its default
    pooch.get_logger().addHandler(caplog.handler)
    try:
        fetch_file("clips.zip", f"{server.url}/clips.zip", None, root / "raw")
    finally:
        pooch.get_logger().removeHandler(caplog.handler)
    assert caplog.records == []


@pytest.mark.parametrize("status", [404, 500])
def test_a_failed_download_is_named_and_leaves_nothing(server, root, status):
    server.play(Answer(status=status))
    for origin, url in ((server.url, f"{server.url}/clips.zip"), (None, f"{server.url}/published")):
        message = refused("clips.zip", f"{server.url}/published", origin, root / "raw")
        assert f"{url}: download failed (HTTPError: {status}" in message
        assert message.endswith(
            "put clips.zip into a folder and name that folder in params.yaml as dataset.mirror"
        )
    assert files(root) == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://", "http://[", "ftp://x/y"])
def test_a_wrong_address_is_named(root, address):
    assert refused("a.zip", address, None, root / "raw").startswith(f"{address}: download failed (")


# Files that must be fetched by hand


def test_a_file_without_a_url_gets_instructions(root):
    assert refused("raw.zip", None, None, root / "raw", by_hand=BY_HAND) == (
        "raw.zip must be fetched by hand: ask its authors; put it into a folder and name that "
        "folder in params.yaml as dataset.mirror"
    )


def test_a_folder_without_the_file_is_named(mirror, root):
    assert refused("other.zip", "", "mirror", root / "raw") == (
        "params.yaml: dataset.mirror: mirror holds no other.zip; it must be a folder or URL with "
        "the dataset's raw files"
    )
    assert refused("other.zip", None, "mirror", root / "raw", by_hand=BY_HAND) == (
        "params.yaml: dataset.mirror: mirror holds no other.zip; other.zip must be fetched by "
        "hand: ask its authors; put it into a folder and name that folder in params.yaml as "
        "dataset.mirror"
    )
    assert not (root / "raw").exists()


def test_a_file_fetched_by_hand_may_be_on_a_server(server, root):
    path = fetch_file("raw.zip", None, server.url, root / "raw", by_hand=BY_HAND)
    assert path.read_bytes() == CONTENT


# The record of the first file


def test_the_first_file_is_recorded_and_the_record_stays(server, mirror, root):
    fetch_file("clips.zip", f"{server.url}/clips.zip", None, root / "raw")
    record = (root / "checksums.json").read_text()
    assert json.loads(record) == {
        "clips.zip": {
            "sha256": sha256(mirror / "clips.zip"),
            "bytes": 1000,
            "from": f"{server.url}/clips.zip",
        }
    }
    fetch_file("clips.zip", None, "mirror", root / "raw")
    assert (root / "checksums.json").read_text() == record


def test_the_record_holds_every_file_in_the_order_of_names(mirror, root):
    for name in ("b.zip", "a.zip"):
        (mirror / name).write_text(name)
        fetch_file(name, None, "mirror", root / "raw")
    record = (root / "checksums.json").read_text()
    assert json.loads(record)["b.zip"]["from"] == "mirror/b.zip"
    assert record.index('  "a.zip": {\n    "bytes"') < record.index('  "b.zip": {\n    "bytes"')


@pytest.mark.parametrize("by_mirror", [True, False])
def test_other_bytes_than_the_first_are_refused_until_the_entry_is_deleted(
    server, mirror, root, by_mirror
):
    fetch_file("clips.zip", None, "mirror", root / "first")
    record = (root / "checksums.json").read_text()
    first = sha256(mirror / "clips.zip")
    (mirror / "clips.zip").write_bytes(OTHER)
    server.play(Answer(OTHER))
    origin = "mirror" if by_mirror else server.url
    assert refused("clips.zip", None, origin, root / "raw") == (
        f"clips.zip from {origin}/clips.zip: differs from the file first fetched, from "
        f"mirror/clips.zip (sha256 {sha256(mirror / 'clips.zip')[:12]} now, {first[:12]} then); "
        "if the change is intended, delete its entry in checksums.json"
    )
    assert files(root / "raw") + files(root / ".checkpoints") == []
    assert (root / "checksums.json").read_text() == record
    (root / "checksums.json").write_text("{}")
    assert fetch_file("clips.zip", None, origin, root / "raw").read_bytes() == OTHER


@pytest.mark.parametrize(
    ("record", "prefix"),
    [("", "checksums.json: "), ("[]", "checksums.json: "),
     ('{"clips.zip": 1}', "checksums.json: clips.zip: "),
     ('{"clips.zip": {"sha256": "ab", "bytes": 1, "from": ""}}',
      "checksums.json: clips.zip: sha256: ")],
)  # fmt: skip
def test_a_damaged_record_is_named(mirror, root, record, prefix):
    (root / "checksums.json").write_text(record)
    assert refused("clips.zip", None, "mirror", root / "raw").startswith(prefix)
    assert (root / "checksums.json").read_text() == record


@pytest.mark.parametrize("by_mirror", [True, False])
def test_a_file_that_fails_its_check_is_neither_kept_nor_recorded(server, mirror, root, by_mirror):
    def check(path: Path) -> None:
        raise UserError(f"{path.stat().st_size} bytes are not what they should be")

    origin = "mirror" if by_mirror else server.url
    message = refused("clips.zip", None, origin, root / "raw", check=check)
    assert message == "1000 bytes are not what they should be"
    assert files(root) == ["clips.zip"]  # the mirror's
    path = fetch_file("clips.zip", None, origin, root / "raw", check=lambda path: None)
    assert path.read_bytes() == CONTENT
    assert files(root) == ["checksums.json", "clips.zip", "clips.zip"]


# The disk


@pytest.mark.parametrize("by_mirror", [True, False])
def test_a_full_disk_leaves_nothing_half_written(server, mirror, root, by_mirror):
    """A limit on the size of files stands in for the disk."""
    origin = "mirror" if by_mirror else server.url
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, limits[1]))
    try:
        with pytest.raises(OSError) as caught:
            fetch_file("clips.zip", None, origin, root / "raw")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG
    assert files(root / "raw") == []
    assert not (root / "checksums.json").exists()
    assert fetch_file("clips.zip", None, origin, root / "raw").read_bytes() == CONTENT
    assert sum(server.sent) <= 2 * len(CONTENT)
