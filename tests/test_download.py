"""Broken downloads are resumed, and never mix two versions of a file."""

import shutil
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from brl.fetching import download
from brl.fetching.fetch import fetch_file
from brl.support.errors import UserError
from tests.web import CONTENT, OTHER, Answer, Server

CHUNK = 100
DATE = "Mon, 01 Jan 2024 00:00:00 GMT"


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch) -> Path:
    """The project's root; no pauses between attempts, and few bytes at a time."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(download, "PAUSE", 0)
    monkeypatch.setattr(download, "CHUNK", CHUNK)
    return tmp_path


def get(server: Server, root: Path, path: str = "clips.zip") -> bytes:
    """Downloads the file and returns its content."""
    download.download(f"{server.url}/{path}", "clips.zip", root / "clips.zip")
    return (root / "clips.zip").read_bytes()


def unfinished(root: Path) -> list[Path]:
    return list((root / ".checkpoints/downloads").iterdir())


# Resuming


def test_a_broken_transfer_is_resumed(server, root):
    server.play(Answer(cut=300), Answer(cut=400), Answer())
    assert get(server, root) == CONTENT
    assert server.asked == ["/clips.zip", "/clips.zip 300-", "/clips.zip 700-"]
    assert server.sent == [300, 400, 300]
    assert unfinished(root) == []


def test_a_later_call_resumes_an_earlier_one(server, root):
    server.play(*[Answer(cut=CHUNK)] * 5, Answer(status=500))
    with pytest.raises(requests.RequestException, match="500"):
        get(server, root)
    assert server.sent[:5] == [CHUNK] * 5
    assert not (root / "clips.zip").exists()
    server.play(Answer())
    assert get(server, root) == CONTENT
    assert (server.asked, server.sent) == (["/clips.zip 500-"], [500])
    assert unfinished(root) == []


def test_a_transfer_that_breaks_but_always_brings_new_bytes_is_not_given_up(server, root):
    server.play(Answer(cut=CHUNK))
    assert get(server, root) == CONTENT
    assert server.sent == [CHUNK] * 10


def test_a_redirect_is_also_followed_when_resuming(server, root):
    redirect = Answer(status=302, location="/elsewhere")
    server.play(redirect, Answer(cut=500), redirect, Answer())
    assert get(server, root) == CONTENT
    assert server.asked == ["/clips.zip", "/elsewhere", "/clips.zip 500-", "/elsewhere 500-"]


def test_a_server_may_send_the_rest_in_pieces(server, root):
    server.play(Answer(cut=400), Answer(piece=200))
    assert get(server, root) == CONTENT
    assert server.sent == [400, 200, 200, 200]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_last_modified_identifies_a_version_too(server, root, etag):
    named = {"etag": etag, "modified": DATE}
    server.play(Answer(cut=300, **named), Answer(**named))
    assert get(server, root) == CONTENT
    assert server.sent == [300, 700]


def test_a_terminal_shows_how_much_has_arrived(server, root, monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    server.play(Answer(cut=300), Answer())
    get(server, root)
    _, first, second = capsys.readouterr().err.split("clips.zip: ")
    assert "0.00/1.00k" in first and "300/1.00k" in second


# Starting again


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_bytes_of_an_unidentified_version_are_not_resumed(server, root, etag):
    server.play(Answer(cut=300, etag=etag), Answer(OTHER, etag=etag))
    assert get(server, root) == OTHER
    assert server.asked == ["/clips.zip", "/clips.zip"]


@pytest.mark.parametrize(
    "answer",
    {
        "ranges ignored": Answer(ranges=False),
        "another version": Answer(OTHER, etag='"second"'),
        "a part of another version": Answer(OTHER, etag='"second"', careless=True),
        "nothing so far in another version": Answer(OTHER[:200], etag='"second"', careless=True),
        "nothing so far": Answer(status=416),
        "an earlier part": Answer(shift=-100),
        "a later part": Answer(shift=100),
        "a part of unknown size": Answer(content_range="bytes 300-999/*"),
        "a part from nowhere": Answer(content_range="300"),
    }.items(),
    ids=lambda named: named[0],
)
def test_where_a_server_does_not_resume_the_download_starts_again(server, root, answer):
    _, refusal = answer
    good = Answer(refusal.content, etag=refusal.etag)
    server.play(Answer(cut=300), refusal, good)
    assert get(server, root) == good.content
    assert server.asked[:2] == ["/clips.zip", "/clips.zip 300-"]
    assert set(server.asked[2:]) <= {"/clips.zip"}
    assert unfinished(root) == []


def test_a_partial_response_without_a_range_request_is_refused(server, root):
    server.play(Answer(status=206, content_range="bytes 0-12/13"), Answer())
    assert get(server, root) == CONTENT


def test_the_first_bytes_of_one_url_are_not_continued_from_another(server, root):
    server.play(Answer(cut=CHUNK), Answer(status=403))
    with pytest.raises(requests.RequestException):
        get(server, root, "one")
    server.play(Answer(OTHER))
    assert get(server, root, "two") == OTHER
    assert server.asked == ["/two"]


@pytest.mark.parametrize("damage", [lambda note: note.unlink(), lambda note: note.write_text("")])
def test_bytes_without_a_version_are_not_resumed(server, root, damage):
    server.play(Answer(cut=CHUNK), Answer(status=403))
    with pytest.raises(requests.RequestException):
        get(server, root)
    (note,) = (path for path in unfinished(root) if path.suffix == ".json")
    damage(note)
    server.play(Answer())
    assert get(server, root) == CONTENT
    assert server.asked == ["/clips.zip"]


@st.composite
def broken_answers(draw) -> Answer:
    """A failing answer of one of two versions: an error, or a cut-off body."""
    content, etag = draw(st.sampled_from([(CONTENT, '"first"'), (OTHER, '"second"')]))
    return Answer(
        content,
        etag,
        status=draw(st.sampled_from([200, 200, 200, 500])),
        cut=draw(st.integers(0, len(content) - 1)),
        ranges=draw(st.booleans()),
        careless=draw(st.booleans()),
    )


def test_whatever_breaks_no_file_is_a_mixture_of_versions(server, root):
    @given(broken=st.lists(broken_answers(), max_size=4), careless=st.booleans())
    def holds(broken, careless):
        shutil.rmtree(root / ".checkpoints", ignore_errors=True)
        server.play(*broken, Answer(careless=careless))
        try:
            assert get(server, root) in (CONTENT, OTHER)
        except requests.RequestException:
            # The fifth and last attempt received a part of another version.
            assert careless and len(broken) == 4

    holds()


# Which errors are retried


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_temporary_server_error_is_retried(server, root, status):
    server.play(Answer(cut=300), Answer(status=status), Answer(status=status), Answer())
    assert get(server, root) == CONTENT
    assert server.asked[1:] == ["/clips.zip 300-"] * 3


def test_five_attempts_with_growing_pauses_are_made(server, root, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr(download, "PAUSE", 1)
    monkeypatch.setattr(download.time, "sleep", pauses.append)
    server.play(Answer(status=500))
    with pytest.raises(requests.HTTPError, match="500"):
        get(server, root)
    assert (len(server.asked), pauses) == (5, [1, 2, 4, 8])


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_is_final(server, root, status):
    server.play(Answer(status=status))
    with pytest.raises(requests.HTTPError, match=str(status)):
        get(server, root)
    assert len(server.asked) == 1


def test_a_file_always_shorter_than_announced_is_never_complete(server, root):
    server.play(Answer(too_long=7))
    with pytest.raises(requests.RequestException):
        get(server, root)
    assert len(server.asked) == 5
    assert not (root / "clips.zip").exists()


# Answers that lie


@contextmanager
def raw(*answers: bytes) -> Iterator[str]:
    """The address of a server that sends these bytes, whatever is asked; the last one for good."""
    left = list(answers)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline().strip():
                pass
            self.wfile.write(left.pop(0) if len(left) > 1 else left[0])

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/clips.zip"
        server.shutdown()


def answer(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


OK, CHUNKED = "HTTP/1.1 200 OK", "Transfer-Encoding: chunked"
LIES = {
    "a negative chunk": answer(OK, CHUNKED, body=b"-5\r\nabcde\r\n0\r\n\r\n"),
    "a chunk of no length": answer(OK, CHUNKED, body=b"x\r\nabcde\r\n0\r\n\r\n"),
    "chunks without an end": answer(OK, CHUNKED, body=b"5\r\nabcde\r\n"),
    "a chunk that is too short": answer(OK, CHUNKED, body=b"ff\r\nabcde"),
    "no length": answer(OK, body=b"abcde"),
    "a negative length": answer(OK, "Content-Length: -5", body=b"abcde"),
    "two lengths": answer(OK, "Content-Length: 5, 6", body=b"abcde"),
    "a length of many digits": answer(OK, "Content-Length: " + "9" * 5000, body=b"abcde"),
    "too long a length": answer(OK, "Content-Length: 50", body=b"abcde"),
    "the status 999": answer("HTTP/1.1 999 Fine", "Content-Length: 5", body=b"abcde"),
    "the status 204": answer("HTTP/1.1 204 None", "Content-Length: 5", body=b"abcde"),
    "the status 300": answer("HTTP/1.1 300 Many", "Content-Length: 5", body=b"abcde"),
    "a part of many digits": answer(
        "HTTP/1.1 206 Part", f"Content-Range: bytes 0-4/{'9' * 5000}", body=b"abcde"
    ),
    "an endless redirect": answer("HTTP/1.1 302 Found", "Location: /clips.zip"),
    "a redirect to a file": answer("HTTP/1.1 302 Found", "Location: file:///etc/hostname"),
    "a redirect to another scheme": answer("HTTP/1.1 302 Found", "Location: ftp://localhost/a"),
    "a redirect to no address": answer("HTTP/1.1 302 Found", "Location: http://[::"),
    "a redirect to a name too long": answer("HTTP/1.1 302 F", f"Location: http://{'a' * 99}.b/"),
    "no status": b"hello\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_that_lies_is_one_line_and_no_first_arrival(root, lie):
    with raw(LIES[lie]) as url, pytest.raises(UserError, match=r"clips\.zip: download failed"):
        fetch_file("clips.zip", url, None, root / "raw")
    assert not (root / "checksums.json").exists()
    assert not (root / "raw/clips.zip").exists()


def test_a_body_without_end_is_given_up(root, monkeypatch):
    monkeypatch.setattr(download, "LARGEST", 1000)
    chunks = (b"64\r\n" + b"a" * 100 + b"\r\n") * 20
    longer = pytest.raises(requests.RequestException, match="longer than the file")
    with raw(answer(OK, CHUNKED, body=chunks)) as url, longer:
        download.download(url, "clips.zip", root / "clips.zip")
    assert unfinished(root) == []


def test_a_whole_answer_in_chunks_is_taken(root):
    with raw(answer(OK, CHUNKED, body=b"5\r\nabcde\r\n0\r\n\r\n")) as url:
        download.download(url, "clips.zip", root / "clips.zip")
    assert (root / "clips.zip").read_bytes() == b"abcde"
