"""A web server that does what a test tells it: breaks off, changes its mind, refuses."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(250)) * 4
OTHER = CONTENT[::-1]


@dataclass(frozen=True)
class Answer:
    """What a server does with one request: by default all as it should."""

    content: bytes = CONTENT
    etag: str | None = '"first"'
    modified: str | None = None
    status: int = 200
    location: str = ""
    cut: int | None = None  # closes the connection after so many bytes
    too_long: int = 0  # announces more bytes than there are
    ranges: bool = True  # gives a part where a part is asked for
    careless: bool = False  # gives it whatever version was asked for
    content_range: str | None = None  # instead of the true one
    shift: int = 0  # gives a part that begins so many bytes later than asked
    piece: int | None = None  # gives no more of a part than so many bytes


class Server(ThreadingHTTPServer):
    """Answers its requests as `answers` say, the last one for good; notes what it really did."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.play()

    def play(self, *answers: Answer) -> None:
        self.answers = list(answers) or [Answer()]
        self.asked: list[str] = []  # each request's path and Range
        self.sent: list[int] = []  # bytes of content sent in answer


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        asked = self.headers.get("Range")
        self.server.asked.append(
            f"{self.path} {asked.removeprefix('bytes=')}" if asked else self.path
        )
        status, body, headers = answer.status, answer.content, {}
        same = self.headers.get("If-Range") in (answer.etag, answer.modified)
        if asked and answer.ranges and status == 200 and (same or answer.careless):
            start = int(asked.removeprefix("bytes=").rstrip("-")) + answer.shift
            total = len(body)
            if start >= total:
                status, body = 416, b""
            else:
                status, body = 206, body[start:][: answer.piece]
                true = f"bytes {start}-{start + len(body) - 1}/{total}"
                headers["Content-Range"] = answer.content_range or true
        elif status != 200:
            body = b"an error page"
            headers["Content-Range"] = answer.content_range
        if "gzip" in self.headers["Accept-Encoding"]:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        headers |= {"ETag": answer.etag, "Last-Modified": answer.modified}
        headers |= {"Location": answer.location, "Content-Length": str(len(body) + answer.too_long)}
        sent = body[: answer.cut]
        self.server.sent.append(len(sent))  # noted before the client may go on
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(sent)
        self.close_connection = True

    def log_message(self, *_) -> None:
        pass


@contextmanager
def running_server() -> Iterator[Server]:
    """A server in a thread, until the block ends."""
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
