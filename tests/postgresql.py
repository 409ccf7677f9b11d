"""A PostgreSQL server of a test's own."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest


@contextmanager
def a_server() -> Iterator[str]:
    """Yields the address of an empty database; skips the test if there is no PostgreSQL."""
    pgserver = pytest.importorskip("pgserver", reason="needs the extra `faults`: pgserver")
    pytest.importorskip("psycopg2", reason="needs the extra `faults`: psycopg2-binary")
    # Its server runs as a user of its own, who may not enter pytest's folders.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        server = pgserver.get_server(f"{folder}/data")
        yield server.get_uri().replace("postgresql:", "postgresql+psycopg2:")
        server.cleanup()


@contextmanager
def frozen(address: str) -> Iterator[None]:
    """Stops all processes of the server: it keeps its connections, and answers nothing."""
    folder = address.rpartition("host=")[2]
    (first,) = (
        process
        for process in psutil.process_iter(["name", "cmdline"])
        if process.info["name"] == "postgres" and folder in " ".join(process.info["cmdline"] or [])
    )
    processes = [first, *first.children(recursive=True)]
    for process in processes:
        process.suspend()
    yield
    for process in processes:
        process.resume()
