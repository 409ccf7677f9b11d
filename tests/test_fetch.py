"""Raw files from a mirror folder or a web server; what cannot be had is named in one line."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from brl.data.fetch import fetch_file
from brl.errors import UserError

CONTENT = b"raw bytes" * 1000


@pytest.fixture
def mirror(tmp_path):
    """A folder with the file, and the address of a server for that folder."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "clips.zip").write_bytes(CONTENT)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_from_a_folder_a_mirror_url_and_the_published_address(mirror, tmp_path):
    folder, url = mirror
    published = f"{url}/clips.zip"
    for number, place in enumerate((str(folder), url, f"{url}/", None)):
        path = fetch_file("clips.zip", published, place, tmp_path / str(number))
        assert path.read_bytes() == CONTENT
        assert [p.name for p in path.parent.iterdir()] == ["clips.zip"]


def test_a_relative_folder_counts_from_the_projects_root(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    path = fetch_file("clips.zip", "", "mirror", tmp_path / "raw")
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        ("nowhere", "dataset.mirror: nowhere holds no other.zip; it must be a folder or URL"),
        ("{url}", "{url}/other.zip: download failed (HTTPError: 404"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9/other.zip: download failed (ConnectionError"),
        (None, "{url}/published.zip: download failed (HTTPError: 404"),
    ],
)
def test_what_cannot_be_had_is_named_and_leaves_nothing(mirror, tmp_path, place, complaint):
    _, url = mirror
    place = place and place.format(url=url)
    with pytest.raises(UserError) as caught:
        fetch_file("other.zip", f"{url}/published.zip", place, tmp_path / "raw")
    message = str(caught.value)
    assert complaint.format(url=url) in message
    assert "\n" not in message
    assert not list((tmp_path / "raw").glob("*"))
